"""The selection rules, which choose a checkpoint of a run.

A rule chooses among the stored checkpoints of each run separately; ties go to the latest checkpoint. Only the oracle uses labels
of the target. It uses the test labels, so its number is not a result but an upper bound.
"""

from __future__ import annotations

from dabench.errors import SpecError, nearest

VALIDATORS = ("source-accuracy", "entropy", "information-maximisation", "snd", "bnm", "class-cluster", "dev")
"""Rules by a score that needs no target label; dabench.training.validators defines them."""

ORACLE = "oracle"

LAST = "last"
"""The default rule: the end of training."""

RULES = (LAST, *VALIDATORS, ORACLE)


def check_rule(rule: str) -> None:
    """Raise SpecError if there is no such rule."""
    if rule not in RULES:
        raise SpecError(f"unknown selection '{rule}'{nearest(rule, RULES)}; known: {', '.join(RULES)}")
