"""Mark rows whose number needs a warning, and write the notes that explain the marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGER, RISING = "(a)", "(b)"

_OWN = ("(c)", "(d)", "(e)", "(f)", "(g)", "(h)")
"""Marks of the adapters that a table has a note on."""

_TEXTS = {
    LONGER: "trained longer than none: the networks have more optimiser steps, so the gain is not of adaptation alone.",
    RISING: "source training had not ended: the result on the sources rises by more than its interval.",
}


def marks_of(row: Any, lower_is_better: bool, notes: Mapping[str, str]) -> str:
    """Return the marks of a gain or of means, such as "(a) (b)"; "" without any.

    Args:
        row: a gain, means, or their row of results.json. A row of an older table has no marks but those of `notes`.
        notes: adapter -> a note on it.
    """
    known: Mapping[str, Any] = row if isinstance(row, Mapping) else vars(row)
    marks = [*[LONGER] * bool(known.get("longer_than_none")), *[RISING] * _rises(known, lower_is_better)]
    own = dict(zip(notes, _OWN, strict=False))
    return " ".join([*marks, *[own[name] for name in [known["adapter"]] if name in own]])


def _rises(row: Mapping[str, Any], lower_is_better: bool) -> bool:
    """Whether the result on the sources is better by more than its interval."""
    low, high = row.get("on_source_low"), row.get("on_source_high")
    if low is None or high is None:
        return False
    return bool(high < 0 if lower_is_better else low > 0)


def mark_notes(rows: Sequence[Any], lower_is_better: bool, notes: Mapping[str, str]) -> list[str]:
    """Return the notes that explain the marks of the rows; arguments as in `marks_of`."""
    used = " ".join(marks_of(row, lower_is_better, {}) for row in rows)
    lines = [f"{mark} {text}" for mark, text in _TEXTS.items() if mark in used]
    return lines + [f"{mark} {name}: {text}" for mark, (name, text) in zip(_OWN, notes.items(), strict=False)]
