"""Print matrices and tables in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table as RichTable
from rich.text import Text

from dabench.analysis.matrix import Matrix
from dabench.reporting import sections
from dabench.reporting.gains import gains_notes, gains_table, summary_notes, summary_tables
from dabench.reporting.matrices import matrix_tables
from dabench.reporting.ranks import ranks_notes, ranks_tables
from dabench.reporting.tables import Table, caption_lines, unfinished

_MOST_NOTES = 3
"""Most notes below a table; the page and the Markdown files hold all."""

_GAP = 3
"""Spaces between columns."""


def print_matrix(matrix: Matrix, console: Console, *, rules: bool = False) -> None:
    """Print the cross matrices, the gains, their means over pairs, results by attribute, and missing runs.

    Args:
        rules: also print the accuracy that each selection rule would have given.
    """
    console.print(f"\n[bold]{escape(matrix.record.title)}[/bold]")
    for line in caption_lines(matrix):
        console.print(escape(line))
    parts: list[tuple[list[Table], list[str]]] = [
        (matrix_tables(matrix), sections.beside_notes(matrix)),
        ([gains_table(matrix)], gains_notes(matrix)),
        (summary_tables(matrix), summary_notes(matrix)),
        (ranks_tables(matrix, axis=True), ranks_notes(matrix)),
        (sections.group_tables(matrix), sections.group_notes(matrix)),
    ]
    if rules:
        parts += [([table], [note]) for table, note in sections.rules_tables(matrix)]
    for tables, notes in parts:
        for table in (t for t in tables if t.rows):
            console.print()
            print_table(table, console)
        for line in _few(notes):
            console.print(escape(line), style="dim")
    for line in unfinished(matrix):
        console.print(f"[yellow]{escape(line)}[/yellow]")


def _few(notes: Sequence[str]) -> list[str]:
    if len(notes) <= _MOST_NOTES:
        return list(notes)
    first = notes[: _MOST_NOTES - 1]
    return [*first, f"{len(notes) - len(first)} more notes are on the HTML page and in the Markdown tables."]


def print_table(table: Table, console: Console) -> None:
    """Print one table. If it is too wide, the names of its columns are broken at spaces."""
    console.print(f"[bold]{escape(table.title)}[/bold]")
    if table.shared:
        console.print(escape(table.shared), style="dim")
    lines = list(zip(table.columns, *table.rows, strict=True))
    columns = list(table.columns)
    if sum(max(map(len, line)) + _GAP for line in lines) - _GAP > console.width:
        columns = [_broken(name, max([len(c) for c in cells], default=0)) for name, *cells in lines]
    rich = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for i, column in enumerate(columns):
        # Folded, not cut: a narrow terminal breaks a long name and shows all of it.
        rich.add_column(
            Text(column), justify="left" if i == 0 else "right", header_style="dim", overflow="fold", vertical="bottom"
        )
    for row in table.rows:
        rich.add_row(*(Text(c) for c in row))
    console.print(rich)


def _broken(name: str, width: int) -> str:
    """Return the name of a column in lines no longer than its cells, as far as its words allow."""
    if len(name) <= width:
        return name
    return "\n".join(textwrap.wrap(name, max(1, width), break_long_words=False, break_on_hyphens=False)) or name


@contextmanager
def download_bars(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callback (name, bytes downloaded, bytes in total) that shows a progress bar for each file."""
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=console, disable=not console.is_terminal,
    )  # fmt: skip
    tasks: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done)

    with bars:
        yield show
