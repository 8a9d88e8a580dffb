"""The training loop, networks, checkpoints, evaluation and validators."""
