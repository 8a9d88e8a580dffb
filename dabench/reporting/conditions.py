"""State the conditions of the rows of a table: in columns where rows differ, in one line where they are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dabench.analysis.human import HUMAN
from dabench.analysis.provided_model import PROVIDED, UNKNOWN
from dabench.analysis.results import span
from dabench.reporting.tables import EMPTY, Table
from dabench.training.selection import ORACLE

LABELS, IMAGES, STEPS, SEEDS, RULE = "target labels", "target images", "steps", "seeds", "selection"

_NONE = {LABELS: EMPTY, IMAGES: EMPTY, STEPS: EMPTY, SEEDS: EMPTY, RULE: EMPTY}


_ONE_MODEL = "one model"
"""What stands in place of the seeds of a provided model."""

NOTES = "notes"
"""The column with marks such as "(a)"; notes below the table explain them."""


def with_conditions(table: Table, rows: Sequence[Sequence[Any]], notes: Sequence[str] = ()) -> Table:
    """Return the table with the conditions of its rows, and with a column of their notes if there are any.

    Args:
        rows: for each row of the table the results that it shows: cells, gains or means, or their rows of results.json. A row
            without results, or with those of people, has no conditions.
        notes: the notes of each row.
    """
    found = [conditions_of(row) for row in rows]
    values = {key: list(dict.fromkeys(c[key] for c in found if c is not _NONE)) for key in _NONE}
    differing = [key for key, of in values.items() if len(of) > 1]
    shared = ", ".join(f"{key} {of[0]}" for key, of in values.items() if len(of) == 1 and of[0] != EMPTY)
    cells = [(*row, *(c[key] for key in differing)) for row, c in zip(table.rows, found, strict=True)]
    columns = (*table.columns, *differing)
    if any(notes):
        columns, cells = (*columns, NOTES), [(*row, note) for row, note in zip(cells, notes, strict=True)]
    return replace(table, columns=columns, rows=tuple(cells), shared=shared)


def conditions_text(cell: Any) -> str:
    """Return the conditions of one result in one line."""
    return ", ".join(f"{key} {value}" for key, value in conditions_of([cell]).items() if value != EMPTY)


def conditions_of(row: Sequence[Any]) -> Mapping[str, str]:
    """Return each condition of the results of a row; EMPTY where it is not known."""
    known = [of if isinstance(of, Mapping) else vars(of) for of in row]
    known = [of for of in known if of["label_budget"] != HUMAN]
    if not known:
        return _NONE
    steps = span(of.get(key) for of in known for key in ("steps_min", "steps_max"))
    rules = dict.fromkeys(of["selection"] for of in known if of.get("selection"))
    provided = known[0].get("backbone") == PROVIDED
    return {
        LABELS: known[0]["label_budget"],
        IMAGES: known[0].get("target_images") or EMPTY,
        STEPS: UNKNOWN if provided and steps[0] is None else _range(*steps),
        SEEDS: _ONE_MODEL if provided else _range(*span(of["seeds"] for of in known)),
        RULE: ", ".join(f"{rule} (target test labels)" if rule == ORACLE else rule for rule in rules) or EMPTY,
    }


def _range(least: int | None, most: int | None) -> str:
    """Return "1,000", or "1,000-1,300" for a range, or EMPTY."""
    if least is None:
        return EMPTY
    return f"{least:,}" if least == most else f"{least:,}-{most:,}"
