"""The selection rules, which choose a checkpoint of a run.

A rule chooses among the stored checkpoints of each run for which it has a value; ties go to the latest checkpoint. If it has a
value for none, it takes the last checkpoint, and the table of rules counts such runs. Only the oracle uses labels
of the target. It uses the test labels, so its number is not a result but an upper bound.
"""

from __future__ import annotations

from dabench.errors import SpecError, nearest

DEV = "dev"

VALIDATORS = ("source-accuracy", "entropy", "information-maximisation", "snd", "bnm", "class-cluster", DEV)
"""Rules by a score that needs no target label; dabench.training.validators defines them."""

DEV_ESS = "dev-ess"
"""Stored beside the scores, and no rule: the effective sample size on which "dev" rests."""

ORACLE = "oracle"

LAST = "last"
"""The default rule: the end of training."""

RULES = (LAST, *VALIDATORS, ORACLE)


def check_rule(rule: str) -> None:
    """Raise SpecError if there is no such rule."""
    if rule not in RULES:
        raise SpecError(f"unknown selection '{rule}'{nearest(rule, RULES)}; known: {', '.join(RULES)}")
