"""Make the table of published results on the same tasks with other networks."""

from __future__ import annotations

from dabench.analysis.matrix import Matrix
from dabench.reporting.sections import published_note
from dabench.reporting.tables import Table, counted, trained, with_interval

TITLE = "Published results on these tasks with other networks"

_ABOUT = (
    "Another network, other images and another training: these numbers tell how hard a task is, and not which method is better."
)


def other_networks_tables(matrix: Matrix) -> list[Table]:
    """Return the table as a list; empty if no such result is known."""
    measured = {(c.adapter, tuple(c.sources), c.target, c.test): c for c in matrix.cells}
    rows = tuple(
        (
            p.adapter,
            trained(matrix, p.sources, p.target),
            matrix.datasets[p.test].short_name,
            with_interval(measured.get((p.adapter, tuple(p.sources), p.target, p.test))),
            with_interval(p),
            p.backbone,
            p.baseline,
        )
        for p in matrix.other_networks
    )
    columns = ("adapter", "trained on", "tested on", f"measured ({matrix.record.backbone.name})", "published", "network", "table")
    return [Table(TITLE, columns, rows)] if rows else []


def other_networks_notes(matrix: Matrix) -> list[str]:
    """Return what the table is good for, and source and protocol of each of its tables."""
    tables = {p.baseline: p for p in matrix.other_networks}
    return [_ABOUT, *(published_note(matrix, p) for p in tables.values())] if tables else []


def other_networks_hint(matrix: Matrix) -> list[str]:
    """Return where the table is, for a report that leaves it out."""
    many = len(matrix.other_networks)
    where = "on the HTML page, in matrix.md and with --all"
    return [f"{counted(many, 'published number')} for these tasks with other networks: {where}."] if many else []
