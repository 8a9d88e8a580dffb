"""Committed tables that can be cited (dabench.baselines): published ones, and measured ones with their provenance."""
