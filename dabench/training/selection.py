"""The rules by which a checkpoint of a run is chosen, by name.

A rule chooses among the stored checkpoints of each run by itself, the latest of equal ones. All but the oracle do without a
label of the target; the oracle looks at the test labels, so that its number is no result but a bound.
"""

from __future__ import annotations

from dabench.errors import SpecError, nearest

VALIDATORS = ("source-accuracy", "entropy", "information-maximisation", "snd", "bnm", "class-cluster", "dev")
"""Rules by a score that needs no target label; dabench.training.validators says what each is."""

ORACLE = "oracle"

LAST = "last"
"""The usual rule: where training ends."""

RULES = (LAST, *VALIDATORS, ORACLE)


def check_rule(rule: str) -> None:
    """Raise SpecError if there is no such rule."""
    if rule not in RULES:
        raise SpecError(f"unknown selection '{rule}'{nearest(rule, RULES)}; known: {', '.join(RULES)}")
