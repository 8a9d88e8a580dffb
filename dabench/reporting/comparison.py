"""A comparison as tables and lines of text."""

from __future__ import annotations

import json
from typing import Any

from dabench.analysis.compare import NOTE, CellPair, Comparison
from dabench.analysis.sides import ComparisonSide
from dabench.reporting.baseline import baseline_notes, number, trained_on
from dabench.reporting.tables import EMPTY, Table, chosen_by


def compared_tables(of: Comparison) -> list[Table]:
    """Return the cells side by side, and what differs in the conditions, if anything does."""
    title = f"A: {_heading(of.first)}; B: {_heading(of.second)}; {of.first.metric} in %"
    columns = ("adapter", "model-train-test", "trained on", "A", "B", "A - B, points [95 %]", "")
    tables = [Table(title, columns, tuple(_row(of, pair) for pair in of.pairs))]
    if of.changes:
        rows = tuple((c.what, _value(c.first), _value(c.second)) for c in of.changes)
        tables.append(Table("What differs", ("", "A", "B"), rows))
    return tables


def compared_notes(of: Comparison) -> list[str]:
    """Return what a reader must know of the tables: conditions and sources of both sides, and what intervals are of."""
    lines = [NOTE] if of.common else []
    for name, side in (("A", of.first), ("B", of.second)):
        lines += [f"{name}: {line}" for line in (baseline_notes(side.table) if side.table else [])]
        lines += [f"{name}: mixed runs: {side.mixed}."] if side.mixed else []
        lines += [f"{name}: {len(side.missing)} runs are missing."] if side.missing else []
        lines += [] if side.settings else [f"{name}: its settings are not known, so what differs in them cannot be told."]
    known = of.first.settings and of.second.settings
    return [*lines, "Nothing differs in settings, data and versions."] if known and not of.changes else lines


def _heading(side: ComparisonSide) -> str:
    return f"{side.title} ({side.kind}{f', {chosen_by(side.selection)}' if side.selection else ''})"


def _row(of: Comparison, pair: CellPair) -> tuple[str, ...]:
    cell: Any = pair.first or pair.second
    labels = {**of.second.short_names, **of.first.short_names}
    # What a network was adapted to is not in its name: the sources of two targets would read the same.
    what = (cell["adapter"], cell["name"], trained_on(cell, labels))
    return (*what, number(pair.first), number(pair.second), difference_text(pair), pair.verdict)


def difference_text(pair: CellPair) -> str:
    """Return "+2.1 [-0.5, +4.6]", without an interval where there is none."""
    if pair.difference is None:
        return EMPTY
    return f"{pair.difference:+z.1f}" + ("" if pair.low is None else f" [{pair.low:+z.1f}, {pair.high:+z.1f}]")


def _value(value: Any) -> str:
    if value is None:
        return EMPTY
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text
