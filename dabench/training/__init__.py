"""Training loop, networks, checkpoints, evaluation and validators."""
