"""The leaderboard: the methods of several tables on each of their tasks, one row each, computed from stored predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dabench.analysis.baselines import (
    BASELINE_METRICS,
    Baseline,
    committed_tables,
    contributed_tables,
    measured_tables,
    read_baseline,
    records_of,
)
from dabench.analysis.environments import environments_of
from dabench.analysis.export import open_results
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.methods import IN_DOMAIN, METHOD, REFERENCE, TaskResult
from dabench.analysis.results import Cell, Gain
from dabench.errors import DabenchError, SpecError, StoreError, nearest
from dabench.reporting.conditions import conditions_of
from dabench.reporting.formats import csv_text
from dabench.reporting.marks import mark_notes, marks_of
from dabench.reporting.methods import SOURCES
from dabench.reporting.tables import EMPTY, caption_lines, counted, trained, unfinished, with_interval


@dataclass(frozen=True)
class BoardTable:
    """A table of the leaderboard.

    Attributes:
        name: of the committed table or the file. matrix: all its results.
        pack: the file or folder with its predictions. text: its committed table as Markdown, None if there is none.
        notes: adapter -> a note on it. note: a sentence on the table. Both were written by hand.
        contributed: whether it is one of baselines/contributed.
    """

    name: str
    matrix: Matrix
    pack: Path
    text: Path | None
    notes: dict[str, str]
    note: str
    contributed: bool = False

    @property
    def lines(self) -> list[str]:
        """The conditions of all its numbers, and where they were computed."""
        matrix, records = self.matrix, self.matrix.predictions.records.values()
        lines = ["Contributed: measured by others."] if self.contributed else []
        lines += [*unfinished(matrix), *caption_lines(matrix), *([self.note] if self.note else [])]
        lines.append(f"{counted(len(matrix.record.seeds), 'seed')}, {counted(len(records), 'run')}.")
        for e in environments_of(records):
            known = [f"{key} {e[key]}" for key in ("dabench", "torch") if key in e]
            lines.append(f"{', '.join([*known, *(str(e[key]) for key in ('device', 'precision') if key in e)])}.")
        lines.append(f"Data: {', '.join(f'{f.short_name} is {n} {f.digest[:12]}' for n, f in matrix.datasets.items())}.")
        return lines + mark_notes(matrix.gains, matrix.measure.lower_is_better, self.notes)


@dataclass(frozen=True)
class BoardRow:
    """A method on a task of a table.

    Attributes:
        task: sources and target, such as "FER -> NAE". uses_sources: "yes" or "no" while adapting, EMPTY if it does not adapt.
        cell: its cell with its conditions. gain: None for `none` and for references.
        marks: warnings of the gain, such as "(a)"; `BoardTable.lines` explains them.
    """

    table: BoardTable
    task: str
    method: str
    setting: str
    uses_sources: str
    cell: Cell
    result: TaskResult
    gain: Gain | None
    marks: str

    @property
    def conditions(self) -> dict[str, str]:
        """The conditions of the row: target labels, target images, sources while adapting, steps, seeds, selection."""
        labels, images, *others = conditions_of([self.cell]).items()
        return dict([labels, images, (SOURCES, self.uses_sources), *others])


def board_tables(names: Sequence[str | Path]) -> list[BoardTable]:
    """Return the tables of the leaderboard.

    Args:
        names: committed or contributed tables, packs, or output folders; empty: all measured tables that come with dabench.

    Raises:
        SpecError: a name is unknown or occurs twice. StoreError: a pack is missing or damaged, or is not that of its table.
    """
    found: dict[str, BoardTable] = {}
    for what in names or measured_tables():
        table = _table(what)
        if table.name in found:
            raise SpecError(f"{what}: the leaderboard has another table '{table.name}'; give each table once, under its own name")
        found[table.name] = table
    return list(found.values())


def _table(what: str | Path) -> BoardTable:
    path = _results(what)
    value = _beside(path)
    metric, select = (value["metric"], value["selection"]) if value else (BASELINE_METRICS[0], None)
    matrix = read_matrix(open_results(path), metric, select)
    if value and value["digest"] != matrix.digest:
        raise StoreError(
            f"{path}: {path.stem}.json beside it is another table (digest {value['digest'][:12]}, that of the pack is "
            f"{matrix.digest[:12]}); write both anew with dabench baseline {path.stem} --from RUNS"
        )
    text = path.with_suffix(".md")
    by_hand: Baseline = value or {}
    notes = dict(by_hand.get("notes") or matrix.notes)
    contributed = path.with_suffix(".json") in contributed_tables().values()
    has_text = value is not None and text.is_file()
    return BoardTable(path.stem, matrix, path, text if has_text else None, notes, by_hand.get("note", ""), contributed)


def _results(what: str | Path) -> Path:
    """Return the pack or the output folder of a table."""
    path, known = Path(what).expanduser(), measured_tables()
    if str(what) in known or path.suffix == ".json":
        pack = records_of(what if str(what) in known else path)
        if pack is None:
            raise StoreError(f"{what}: has no pack; put the .zip of dabench baseline beside the .json")
        return pack
    if str(what) in committed_tables():
        raise SpecError(
            f"{what}: is a published table without predictions; the leaderboard shows measured ones: {', '.join(known)}"
        )
    if not path.exists():
        raise SpecError(
            f"unknown table '{what}'{nearest(str(what), known)}; known: {', '.join(known)}, or the .zip of dabench export"
        )
    return path


def _beside(path: Path) -> Baseline | None:
    """Return the measured table beside a pack; None if there is none."""
    file = path.with_suffix(".json")
    if not file.is_file() or not path.is_file():
        return None
    try:
        value = read_baseline(file)
    except DabenchError:  # some other .json of the user
        return None
    whole = value["kind"] == "measured" and all(isinstance(value.get(key), str) for key in ("selection", "digest"))
    return value if whole else None


def board_rows(tables: Sequence[BoardTable]) -> list[BoardRow]:
    """Return the rows of all tables: task by task, the best result first."""
    found = []
    for table in tables:
        won, rows = table.matrix.measure.won, list(_rows(table))
        tasks = list(dict.fromkeys(row.task for row in rows))
        found += sorted(rows, key=lambda row: (tasks.index(row.task), -won(row.result.mean)))
    return found


def _rows(table: BoardTable) -> Iterator[BoardRow]:
    """Yield the rows of a table. Means and choices over single sources are left out: they are not a method on the task."""
    matrix, uses = table.matrix, {True: "yes", False: "no", None: EMPTY}
    gains = {(g.adapter, tuple(g.sources), g.target): g for g in matrix.gains}
    for of in matrix.methods:
        for row in (r for r in of.rows if r.role in (METHOD, IN_DOMAIN)):
            cells = iter(row.cells)  # one for each result that there is
            for task, result in zip(of.tasks, row.results, strict=True):
                if result is None:
                    continue
                gain = gains.get((row.adapter, tuple(task[0]), task[1])) if row.role == METHOD else None
                name = row.adapter if row.role == METHOD else IN_DOMAIN
                marks = marks_of(gain, matrix.measure.lower_is_better, table.notes) if gain else ""
                yield BoardRow(
                    table, trained(matrix, *task), name, row.setting, uses[row.uses_sources], next(cells), result, gain, marks
                )
    if not matrix.methods:
        yield from _in_domain(table)


def _in_domain(table: BoardTable) -> Iterator[BoardRow]:
    """Yield the rows of a table without tasks: networks trained and tested on the same dataset, which saw all its labels."""
    for cell in (c for c in table.matrix.cells if c.sources == [c.test]):
        seen = replace(cell, label_budget="all", target_images="train")
        result = TaskResult(cell.mean, cell.low, cell.high, None, cell.seeds, cell.interval_over)
        task = trained(table.matrix, cell.sources, cell.test)
        yield BoardRow(table, task, IN_DOMAIN, REFERENCE, EMPTY, seen, result, None, "")


def board_csv(rows: Sequence[BoardRow]) -> str:
    """Return the rows as CSV, with unrounded numbers and the whole digest of each table."""
    lines = [_plain(row) for row in rows]
    columns = list(lines[0]) if lines else ["table"]
    return csv_text(columns, [[*line.values()] for line in lines])


def _plain(row: BoardRow) -> dict[str, str]:
    matrix = row.table.matrix
    numbers: dict[str, Any] = {
        "metric": matrix.metric, "mean": row.result.mean, "low": row.result.low, "high": row.result.high,
        "interval over": row.result.interval_over, "mark": row.result.mark,
        **{f"gain{end}": getattr(row.gain, key) if row.gain else None for end, key in
           (("", "mean"), (" low", "low"), (" high", "high"))},
    }  # fmt: skip
    facts = {"table": row.table.name, "task": row.task, "backbone": matrix.record.backbone.name, "method": row.method}
    conditions = {key: "" if value == EMPTY else value for key, value in row.conditions.items()}
    plain = {key: "" if value is None else str(value) for key, value in numbers.items()}
    return {**facts, "setting": row.setting, **plain, **conditions, "digest": matrix.digest}


def gain_text(row: BoardRow) -> str:
    """Return the gain with its interval and warnings."""
    return f"{with_interval(row.gain, '+z.1f')}{f' {row.marks}' if row.marks else ''}"
