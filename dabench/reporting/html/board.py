"""Write the page of the leaderboard. Layout is in board.html.jinja; board.js sorts and filters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from dabench.reporting.board import BoardRow, BoardTable, gain_text
from dabench.reporting.conditions import IMAGES, LABELS, RULE, SEEDS, STEPS
from dabench.reporting.html.templates import resource, script, template
from dabench.reporting.methods import SOURCES
from dabench.reporting.tables import EMPTY, counted, with_interval

FILTERS = ("task", "method", "setting", "table")
"""The columns by whose values the page filters."""


@dataclass(frozen=True)
class Field:
    """A field of a row.

    Attributes:
        text: what it shows; below: a second line. value: the number by which it is sorted; None for a text, or no number.
        link, link_below: the addresses that text and second line link to. best: whether the number is the best of its task.
    """

    text: str
    below: str = ""
    value: float | None = None
    link: str = ""
    link_below: str = ""
    best: bool = False


def board_html(tables: Sequence[BoardTable], rows: Sequence[BoardRow], records: Collection[str] = ()) -> str:
    """Return the leaderboard as one page that loads no external resources; equal tables give equal pages.

    Args:
        records: names of the tables whose .md and .zip are in the folder records/ beside the page.
    """
    code, digest = script("board.js")
    metrics = list(dict.fromkeys(t.matrix.metric for t in tables))
    numbers = {table.name: i for i, table in enumerate(tables, 1)}
    return template("board.html.jinja").render(
        style=Markup(resource("style.css") + resource("board.css")),
        script=code,
        script_hash=digest,
        version=version("dabench"),
        columns=_columns(metrics),
        filters=FILTERS,
        rows=[_fields(row, numbers, records, len(metrics) > 1) for row in rows],
        tables=[_facts(table, numbers[table.name], table.name in records) for table in tables],
        extent=f"{counted(len(rows), 'row')} from {counted(len(tables), 'table')}",
        metric=", ".join(metrics),
    )


def _columns(metrics: Sequence[str]) -> list[tuple[str, str]]:
    """Return the names of the columns, each with "n" for numbers, in the order of `_fields`."""
    metric = metrics[0] if len(metrics) == 1 else "result"
    numeric = {f"{metric} %", "gain (points)", STEPS, SEEDS}
    names = ("method", "task", f"{metric} %", "gain (points)", "mark", "setting", "backbone", STEPS, SEEDS, RULE, "table")
    return [(name, "n" if name in numeric else "") for name in names]


def _fields(row: BoardRow, numbers: dict[str, int], records: Collection[str], several: bool) -> list[Field]:
    matrix, of, name = row.table.matrix, row.conditions, row.table.name
    result, gain = with_interval(row.result), gain_text(row)
    pack = _file(name, ".zip") if name in records else f"#t{numbers[name]}"
    return [
        Field(row.method),
        Field(row.task),
        Field(result, matrix.metric if several else "", row.result.mean, best=row.result.mark == "best"),
        Field(gain, value=row.gain.mean if row.gain else None),
        Field(row.result.mark),
        Field(row.setting, f"labels {of[LABELS]}; images {of[IMAGES]}{_sources(of[SOURCES])}"),
        Field(matrix.record.backbone.short_name),
        Field(of[STEPS], value=row.cell.steps_max),
        Field(of[SEEDS], value=row.result.seeds),
        Field(of[RULE]),
        Field(name, matrix.digest[:12], link=f"#t{numbers[name]}", link_below=pack),
    ]


def _sources(uses: str) -> str:
    return "" if uses == EMPTY else f"; sources {uses}"


def _facts(table: BoardTable, number: int, stored: bool) -> dict[str, Any]:
    files = [(f"{table.name}{end}", _file(table.name, end)) for end in (".md", ".zip")] if stored else []
    facts = {"id": f"t{number}", "name": table.name, "title": table.matrix.record.title, "lines": table.lines, "files": files}
    return facts | {"digest": table.matrix.digest}


def _file(name: str, end: str) -> str:
    return str(PurePosixPath("records") / quote(name + end))
