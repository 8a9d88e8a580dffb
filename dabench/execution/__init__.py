"""Runs a plan: one run, the queue, the engines, progress and status."""
