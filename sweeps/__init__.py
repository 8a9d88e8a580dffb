"""Sweep files (dabench.sweeps), TOML, one per benchmark; each opens with what it is for and the command that runs it."""
