"""Print matrices and tables in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable
from rich.text import Text

from dabench.analysis.matrix import Matrix
from dabench.reporting import sections
from dabench.reporting.classes import CLASSES_NOTE, class_tables
from dabench.reporting.gains import gains_notes, gains_table, summary_notes, summary_tables
from dabench.reporting.matrices import matrix_tables, source_only_tables
from dabench.reporting.methods import methods_notes, methods_tables
from dabench.reporting.other_networks import other_networks_hint, other_networks_notes, other_networks_tables
from dabench.reporting.people import people_notes, people_tables
from dabench.reporting.provided import provided_notes, provided_tables
from dabench.reporting.ranks import ranks_notes, ranks_tables
from dabench.reporting.tables import TIE_MARK, Table, caption_lines, unfinished

_MOST_NOTES = 3
"""Most notes below a table; the page and the Markdown files hold all."""

BEST_MARK = "*"

_GAP = 3
"""Spaces between columns."""


def print_matrix(matrix: Matrix, console: Console, *, rules: bool = False, every: bool = False) -> None:
    """Print the methods on each task, the source-only cross matrix, the gains, their means, results by attribute, missing runs.

    Args:
        rules: also print the accuracy that each selection rule would have given.
        every: also print the cross matrices of the other methods, and results by class.
    """
    console.print(f"\n[bold]{escape(matrix.record.title)}[/bold]")
    for line in caption_lines(matrix):
        console.print(escape(line))
    parts: list[tuple[list[Table], list[str]]] = [
        (methods_tables(matrix), methods_notes(matrix, best=BEST_MARK)),
        (matrix_tables(matrix) if every else source_only_tables(matrix), sections.beside_notes(matrix)),
        (provided_tables(matrix), provided_notes(matrix)),
        (other_networks_tables(matrix), other_networks_notes(matrix)) if every else ([], other_networks_hint(matrix)),
        ([part.table for part in people_tables(matrix)], people_notes(matrix)),
        ([gains_table(matrix)], gains_notes(matrix)),
        (summary_tables(matrix), summary_notes(matrix)),
        (ranks_tables(matrix, axis=True), ranks_notes(matrix)),
        (class_tables(matrix) if every else [], [CLASSES_NOTE] if every else []),
        ([sections.clip_table(matrix)], [sections.CLIPS_NOTE] if matrix.clips else []),
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
    """Print one table. If it is too wide, names of columns are broken at spaces; columns that still do not fit stand below."""
    console.print(f"[bold]{escape(table.title)}[/bold]")
    if table.shared:
        console.print(escape(table.shared), style="dim")
    rows = [row for i in range(len(table.rows)) for row in _lines(table, i)]
    lines = list(zip(table.columns, *rows, strict=True))
    if _width(lines) > console.width:
        lines = [(_broken(name, max([len(c) for c in cells], default=0)), *cells) for name, *cells in lines]
    if table.marks:  # rich removes trailing spaces, so cells without a mark are padded here.
        lines = [lines[0], *((line[0], *(c.rjust(_width([line])) for c in line[1:])) for line in lines[1:])]
    for number, part in enumerate(_parts(lines, console.width)):
        if number:
            console.print()
        rich = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for i, (name, *_) in enumerate(part):
            left = i == 0 or table.marks
            # Folded, not cut: a narrow terminal breaks a long name and shows all of it.
            rich.add_column(
                Text(name, justify="right" if i else "left"),
                justify="left" if left else "right", header_style="dim", overflow="fold", vertical="bottom",
            )  # fmt: skip
        for row in list(zip(*part, strict=True))[1:]:
            rich.add_row(*(Text(c) for c in row))
        console.print(rich)


def _lines(table: Table, row: int) -> Iterator[list[str]]:
    """Yield a row of a table, and the heading above it; rows below headings are indented."""
    if row in table.headings:
        yield [table.headings[row], *[""] * (len(table.columns) - 1)]
    name, *cells = table.marked(row, table.rows[row], ("", BEST_MARK), ("", TIE_MARK), ("", " "))
    yield [f"  {name}" if table.headings else name, *cells]


def _width(lines: Sequence[Sequence[str]]) -> int:
    return sum(max(len(part) for cell in line for part in cell.split("\n")) + _GAP for line in lines) - _GAP


def _parts(columns: Sequence[Sequence[str]], width: int) -> Iterator[list[Sequence[str]]]:
    """Yield parts of a table that fit the width: the first column, and as many others as fit, at least one."""
    first, *others = columns
    part = [first]
    for column in others:
        if len(part) > 1 and _width([*part, column]) > width:
            yield part
            part = [first]
        part.append(column)
    yield part


def _broken(name: str, width: int) -> str:
    """Return the name of a column in lines no longer than its cells, as far as its words allow."""
    if len(name) <= width:
        return name
    return "\n".join(textwrap.wrap(name, max(1, width), break_long_words=False, break_on_hyphens=False)) or name
