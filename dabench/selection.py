"""The rules by which a checkpoint of a run is chosen, by name.

A rule chooses among the stored checkpoints of each run by itself, the latest of equal ones. All but the oracle do without a
label of the target; the oracle looks at the test labels, so that its number is no result but a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dabench.errors import SpecError, nearest

VALIDATORS = ("source-accuracy", "entropy", "information-maximisation", "snd", "bnm", "class-cluster", "dev")
"""Rules by a score that needs no target label; dabench.validators says what each is."""

ORACLE = "oracle"

RULES = ("last", *VALIDATORS, ORACLE)


def check_rule(rule: str) -> None:
    """Raise SpecError if there is no such rule."""
    if rule not in RULES:
        raise SpecError(f"unknown selection '{rule}'{nearest(rule, RULES)}; known: {', '.join(RULES)}")


def usual_rule(sweep: Mapping[str, Any]) -> str:
    """Return the rule by which results of a sweep are reported if nobody asks for another: that of its search, else the last.

    A search chose by the best checkpoint of each trial; another checkpoint of what it chose would be another choice.

    Args:
        sweep: its table, as sweep.json has it.
    """
    return str(sweep["search"]["select"]) if "search" in sweep else "last"
