"""The table that papers print: methods in rows, tasks in columns, average last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dabench.analysis.matrix import Matrix
from dabench.analysis.methods import BEST_SINGLE, IN_DOMAIN, METHOD, MethodRow, MethodTable, TaskResult
from dabench.analysis.provided_model import PROVIDED, provided_name
from dabench.analysis.summary import ONE_SOURCE
from dabench.reporting.conditions import conditions_of, with_conditions
from dabench.reporting.latex import narrow_latex
from dabench.reporting.tables import EMPTY, TIE_MARK, Table, conditions, number, sentence, trained, with_interval

AVERAGE = "average"
SOURCES = "sources while adapting"

_USES = {True: "yes", False: "no", None: EMPTY}


def methods_tables(matrix: Matrix) -> list[Table]:
    """Return the methods on each task: one table for tasks with one source, and one for tasks with several."""
    return [_table(matrix, of) for of in matrix.methods]


def _table(matrix: Matrix, of: MethodTable) -> Table:
    kind = f" with {of.kind}" if len(matrix.methods) > 1 or of.kind != ONE_SOURCE else ""
    tasks = (*(trained(matrix, *task) for task in of.tasks), AVERAGE)
    columns: tuple[str, ...] = ("method",)
    names: list[tuple[str, ...]] = [(row_name(row),) for row in of.rows]
    if any(row.uses_sources is False for row in of.rows):
        columns, names = (*columns, SOURCES), [(*name, _USES[row.uses_sources]) for name, row in zip(names, of.rows, strict=True)]
    title = f"{sentence(matrix.measure.title)} of each method on each target{kind}"
    table = with_conditions(Table(title, columns, tuple(names)), [row.cells for row in of.rows])
    width = len(table.columns)
    numbers = [(*(_text(r, matrix.spread) for r in row.results), number(row.average)) for row in of.rows]
    marks = {
        (i, width + j): mark
        for i, row in enumerate(of.rows)
        for j, mark in enumerate([*(r.mark if r else "" for r in row.results), row.average_mark])
        if mark
    }
    rows = tuple((*row, *more) for row, more in zip(table.rows, numbers, strict=True))
    return replace(
        table, columns=(*table.columns, *tasks), rows=rows, headings=headings_of([r.setting for r in of.rows]), marks=marks
    )


def row_name(row: MethodRow) -> str:
    """Return the name of a row: the method, and what is shown if it does not compete."""
    if row.role == METHOD:
        return row.adapter
    if row.role == PROVIDED:
        return provided_name(row.adapter, row.cells[0].sources)
    return IN_DOMAIN if row.role == IN_DOMAIN else f"{row.adapter}, {row.role}"


def _text(of: TaskResult | None, spread: str) -> str:
    """Return a result as the table prints it: "91.2 [90.1, 92.2]", or "91.2 ± 0.5"; without a known spread "91.2"."""
    if of is None or spread == "interval":
        return with_interval(of)
    return f"{of.mean:.1f}" if of.std is None else f"{of.mean:.1f} ± {of.std:.1f}"


def headings_of(settings: Sequence[str]) -> dict[int, str]:
    """Return row -> the heading above it, where the setting changes."""
    return {i: name for i, name in enumerate(settings) if i == 0 or settings[i - 1] != name}


def methods_notes(matrix: Matrix, best: str = "Bold") -> list[str]:
    """Return the notes on the tables of methods: marks, reference, single sources.

    Args:
        best: how the format marks the best method.
    """
    if not matrix.methods:
        return []
    tied = f"{TIE_MARK}: cannot be told apart from it, because the 95 % interval of their paired difference contains 0"
    one = "one seed cannot tell which others are tied with it"
    beside = "± standard deviation over seeds. " if matrix.spread == "std" else ""
    lines = [f"{beside}{best}: best of its column; {tied if len(matrix.record.seeds) > 1 else one}."]
    roles = {row.role for table in matrix.methods for row in table.rows}
    if IN_DOMAIN in roles:
        lines.append(
            f"{sentence(IN_DOMAIN)}: source-only networks of the target's own training images; a reference, not a method."
        )
    if BEST_SINGLE in roles:
        lines.append(
            "Best single source: of the method with each source alone, chosen by test result: an oracle, which does not compete."
        )
    if matrix.provided:
        lines.append(
            "Provided: predictions of models that were not trained here, under the conditions that their users state. They do "
            "not compete; the table of other models compares them. A model without all test images of a target is only there."
        )
    if matrix.record.unlabelled:
        names = ", ".join(matrix.datasets[name].short_name for name in matrix.record.unlabelled)
        lines.append(f"Without labels, so their columns are empty and no average counts them: {names}.")
    if matrix.missing:
        lines.append("A method without all seeds of a task is not compared on it and has no average.")
    return lines


def methods_latex(matrix: Matrix) -> str:
    """Return the tables of methods as LaTeX, each with a label such as tab:quick-methods."""
    found, notes = [], " ".join(methods_notes(matrix))
    for of, table in zip(matrix.methods, methods_tables(matrix), strict=True):
        label = f"tab:{matrix.record.sweep.name}-methods{'' if of.kind == ONE_SOURCE else '-several-sources'}"
        shared = f" {sentence(table.shared)}." if table.shared else ""
        found.append(narrow_latex(table, f"{table.title}. {conditions(matrix)}.{shared}", notes, label))
    return "\n".join(found)


def methods_rows(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return the tables as one table of plain numbers: a row for each method, a column for the mean of each task, average last.

    Conditions follow, then interval, standard deviation and mark of each mean. A row has no number in columns of the other kind
    of tasks.
    """
    rows = [_plain_row(matrix, of, row) for of in matrix.methods for row in of.rows]
    columns = list(dict.fromkeys(name for part in range(3) for row in rows for name in row[part]))
    return columns, [[(means | facts | more).get(name, "") for name in columns] for means, facts, more in rows]


def _plain_row(matrix: Matrix, of: MethodTable, row: MethodRow) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return the means, the conditions, and the numbers beside the means of a row."""
    average = AVERAGE if len(matrix.methods) == 1 else f"{AVERAGE} with {of.kind}"
    means, more = {"setting": row.setting, "method": row_name(row)}, dict[str, str]()
    for task, result in zip(of.tasks, row.results, strict=True):
        name = trained(matrix, *task)
        means[name] = _plain(result and result.mean)
        more |= {f"{name} {key}": _plain(result and getattr(result, key)) for key in ("low", "high", "std", "mark")}
    means[average], more[f"{average} mark"] = _plain(row.average), row.average_mark
    facts = {SOURCES: _USES[row.uses_sources], **conditions_of(row.cells)}
    return means, {name: "" if value == EMPTY else value for name, value in facts.items()}, more


def _plain(value: object) -> str:
    return "" if value is None else str(value)
