"""Mark rows whose number needs a warning, and write the notes that explain the marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGER, RISING = "(a)", "(b)"

OWN = ("(c)", "(d)", "(e)", "(f)", "(g)", "(h)")
"""Marks of the adapters that a committed table has a note on."""

_TEXTS = {
    LONGER: "trained longer than none: the networks have more optimiser steps, so the gain is not of adaptation alone.",
    RISING: "source training had not ended: the result on the sources rises by more than its interval.",
}


def marks_of(row: Any, lower_is_better: bool) -> str:
    """Return the marks of a gain or of means, such as "(a) (b)"; "" without any.

    Args:
        row: a gain, means, or their row of results.json. A row of an older table has no marks.
    """
    known: Mapping[str, Any] = row if isinstance(row, Mapping) else vars(row)
    return " ".join([*[LONGER] * bool(known.get("longer_than_none")), *[RISING] * _rises(known, lower_is_better)])


def _rises(row: Mapping[str, Any], lower_is_better: bool) -> bool:
    """Whether the result on the sources is better by more than its interval."""
    low, high = row.get("on_source_low"), row.get("on_source_high")
    if low is None or high is None:
        return False
    return bool(high < 0 if lower_is_better else low > 0)


def mark_notes(rows: Sequence[Any], lower_is_better: bool) -> list[str]:
    """Return the notes that explain the marks of the rows."""
    used = " ".join(marks_of(row, lower_is_better) for row in rows)
    return [f"{mark} {text}" for mark, text in _TEXTS.items() if mark in used]
