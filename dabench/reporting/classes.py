"""Results by class: one table for each task, methods in rows, classes in columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dabench.analysis.matrix import Matrix
from dabench.analysis.methods import IN_DOMAIN, METHOD, MethodRow, MethodTable
from dabench.analysis.results import Cell
from dabench.reporting.conditions import with_conditions
from dabench.reporting.methods import headings_of, row_name
from dabench.reporting.tables import Table, number, trained
from dabench.storage.schema import Task

CLASSES_NOTE = (
    "Recall: the share of the images of a class that are classified correctly, mean over seeds. dabench report --metric "
    "recall:CLASS adds intervals."
)


def class_tables(matrix: Matrix) -> list[Table]:
    """Return one table for each task with results: rows are methods, columns classes, values the recall in %."""
    return [table for of in matrix.methods for task in of.tasks if (table := _table(matrix, of, task)).rows]


def class_rows(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return the same in one table with columns for the task and the conditions."""
    columns = ["adapter", "sources", "target", "test", "label_budget", "target_images", "seeds", *matrix.classes]
    rows = []
    for of in matrix.methods:
        for task in of.tasks:
            for _, c in _cells(matrix, of, task):
                facts = [c.adapter, "+".join(c.sources), c.target or "", c.test, c.label_budget, c.target_images, str(c.seeds)]
                rows.append([*facts, *_recalls(matrix, c, "")])
    return columns, rows


def _table(matrix: Matrix, of: MethodTable, task: Task) -> Table:
    found = list(_cells(matrix, of, task))
    rows = tuple((row_name(row), *_recalls(matrix, cell)) for row, cell in found)
    table = Table(f"Recall of each class in %, {trained(matrix, *task)}", ("method", *matrix.classes), rows)
    return replace(with_conditions(table, [[cell] for _, cell in found]), headings=headings_of([row.setting for row, _ in found]))


def _cells(matrix: Matrix, of: MethodTable, task: Task) -> Iterator[tuple[MethodRow, Cell]]:
    """Yield the methods and the reference with their cells of a task."""
    for row in (row for row in of.rows if row.role in (METHOD, IN_DOMAIN)):
        sources = (task[1],) if row.role == IN_DOMAIN else task[0]
        key = matrix.record.cell(row.adapter, (sources, task[1]))
        yield from ((row, cell) for cell in row.cells if cell.key == key)


def _recalls(matrix: Matrix, cell: Cell, empty: str | None = None) -> list[str]:
    """Return the recall of each class; for a class without test images `empty`, by default the mark of empty cells."""
    counts = matrix.confusion[cell.key]
    shares = (100 * own / of if of else None for own, of in zip(counts.diagonal(), counts.sum(1), strict=True))
    return [empty if share is None and empty is not None else number(share) for share in shares]
