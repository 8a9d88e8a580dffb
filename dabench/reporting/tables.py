"""A matrix as plain tables of text: what every format prints, decided once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dabench.analysis.baselines import Published
from dabench.analysis.environments import mixed_text
from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Cell
from dabench.analysis.trials import searched_by
from dabench.training.selection import ORACLE

EMPTY = "-"

PUBLISHED = " (published)"
"""What marks a row of published numbers."""

_SPLITS = {"train": "training", "val": "validation", "test": "test"}

_SHOWN = 20
"""Names of classes in a caption; results.json has all."""


@dataclass(frozen=True)
class Table:
    """A heading, what is below it, columns and rows. The first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def matrix_tables(matrix: Matrix) -> list[Table]:
    """Return the cross matrix of each adapter: rows trained on, columns tested on; an empty cell stays empty."""
    return [_matrix_table(matrix, name) for name in matrix.record.methods]


def _matrix_table(matrix: Matrix, adapter: str) -> Table:
    datasets, shown = matrix.datasets, shown_in(matrix, adapter)
    cells: list[Cell | Published] = [c for c in matrix.cells if c.adapter in shown]
    others = [p for p in matrix.published if p.adapter in shown]
    rows = []
    for sources, target in dict.fromkeys((tuple(c.sources), c.target) for c in [*cells, *others]):
        for mark, numbers in (("", cells), (PUBLISHED, others)):
            here = {c.test: c for c in numbers if (tuple(c.sources), c.target) == (sources, target)}
            if here:
                name = trained(matrix, sources, target) + mark
                rows.append((name, *(with_interval(here.get(test)) for test in datasets)))
    title = matrix.record.adapters[adapter].title
    labels = next((c.label_budget for c in matrix.cells if c.adapter == adapter), EMPTY)
    heading = f"{adapter}: {title} (target labels: {labels})" if title else f"{adapter} (target labels: {labels})"
    return Table(heading, ("trained on", *(f"{f.short_name} test" for f in datasets.values())), tuple(rows))


def shown_in(matrix: Matrix, adapter: str) -> set[str]:
    """Return the adapters whose rows are in the table of `adapter`: people's are in that of networks that were not adapted."""
    first = matrix.record.plain or matrix.record.sweep.adapters[0]
    return {adapter, HUMAN} if adapter == first else {adapter}


def number(value: float | None, form: str = ".1f") -> str:
    """Return a number in a format, or the empty mark for None."""
    return EMPTY if value is None else format(value, form)


def whole_percent(value: float | None) -> str:
    """Return "62 %", or the empty mark for None."""
    return EMPTY if value is None else f"{round(value)} %"


def with_interval(of: Any, form: str = ".1f") -> str:
    """Return a number, an object or as in results.json, with its interval; one without, as published, with two decimals."""
    if of is None:
        return EMPTY
    known: Mapping[str, Any] = of if isinstance(of, Mapping) else vars(of)
    if known.get("low") is None:
        return f"{known['mean']:.2f}"
    return f"{known['mean']:{form}} [{known['low']:{form}}, {known['high']:{form}}]"


def counted(number: int, what: str) -> str:
    """Return "1 seed", "3 seeds"."""
    return f"{number} {what}{'s' if number != 1 else ''}"


def trained(matrix: Matrix, sources: Sequence[str], target: str | None) -> str:
    """Return what a network was trained on and for, as the rows of tables say it: "FER -> NAE"; people on nothing."""
    names = "+".join(matrix.datasets[s].short_name for s in sources) or "Human"
    return f"{names} -> {matrix.datasets[target].short_name}" if target else names


def caption(matrix: Matrix) -> str:
    """Return the conditions that every number of the matrix has."""
    lower = " (lower is better)" if matrix.measure.lower_is_better else ""
    return (
        f"{sentence(matrix.measure.title)}{lower} in % on the test split, {_intervals(matrix)} "
        f"Backbone {matrix.record.backbone.name}; {chosen_by(matrix.selection)}; {_searched(matrix)}"
        f"{_shots(matrix.record.sweep.shots)} for few-shot adapters; digest {matrix.digest[:12]}."
        + (f" Classes: {kept}." if (kept := classes_text(matrix)) else "")
        + (f" Mixed runs: {differences}." if (differences := mixed_text(matrix.mixed)) else "")
        + "".join(f" {f.short_name}: {dropped_text(f.dropped)}." for f in matrix.datasets.values() if f.dropped)
    )


def classes_text(matrix: Matrix) -> str:
    """Return the classes that a sweep keeps and what it renames; nothing if it does neither."""
    sweep, names = matrix.record.sweep, list(matrix.classes)
    renamed = []
    for key, new in sorted(sweep.class_map.items(), key=lambda row: isinstance(row[1], Mapping)):
        one_set = isinstance(new, Mapping)
        whose = f" of {matrix.datasets[key].short_name}" if one_set else ""
        renamed += [f"{old}{whose} read as {to}" for old, to in (new if one_set else {key: new}).items()]
    if not renamed and not sweep.classes:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "; ".join([", ".join(names[:_SHOWN]) + more, *renamed])


def chosen_by(rule: str) -> str:
    """Say which checkpoint of each run counts; of the oracle, that it looked at target labels."""
    by_labels = " ON TARGET TEST LABELS (a bound, no result)" if rule == ORACLE else ""
    return f"checkpoint chosen by '{rule}'{by_labels}"


def conditions(matrix: Matrix) -> str:
    """Return in short what every number of a table depends on, so that a table that is copied alone still says it."""
    return f"{sentence(matrix.measure.title)} in %, {chosen_by(matrix.selection)}, {extent(matrix)}"


def extent(matrix: Matrix) -> str:
    """Return seeds, label budget and digest, and in what the runs differ."""
    shots, searched = _shots(matrix.record.sweep.shots), _searched(matrix, ", ")
    differences = f"; mixed runs: {text}" if (text := mixed_text(matrix.mixed)) else ""
    seeds = counted(len(matrix.record.seeds), "seed")
    return f"{seeds}, {shots} for few-shot adapters, {searched}digest {matrix.digest[:12]}{differences}"


def _searched(matrix: Matrix, end: str = "; ") -> str:
    text = searched_by(matrix.record.sweep.search)
    return text and f"{text}{end}"


def _intervals(matrix: Matrix) -> str:
    """Say what the means and intervals are over, and what they cannot say."""
    groups = [f.short_name for f in matrix.datasets.values() if f.grouped]
    everywhere = len(groups) == len(matrix.datasets)
    units = "groups" if everywhere else f"groups of {', '.join(groups)}, else images" if groups else "images"
    seeds = len(matrix.record.seeds)
    if seeds == 1:
        return f"one seed, with 95 % bootstrap intervals over {units} alone: they do not say how another training would end."
    few = ", widened for few of them as Student's t is"
    return f"mean of {seeds} seeds, with 95 % bootstrap intervals over seeds and {units}{few}."


def sentence(title: str) -> str:
    """Return a title as a sentence begins."""
    return title[:1].upper() + title[1:]


def dropped_text(dropped: Mapping[str, Any]) -> str:
    """Say what a cleaned variant leaves out, from `Prepared.dropped`."""
    parts = [f"{n:,} of {dropped['of'][s]:,} {word}" for s, word in _SPLITS.items() if (n := dropped["images"].get(s))]
    most = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"{most} images dropped ({', '.join(sorted(dropped['reasons']))}; list {dropped['list'][:8]})"


def _shots(shots: int | str) -> str:
    return "all labelled target images" if shots == "all" else f"{shots} labelled target images per class"


def unfinished(matrix: Matrix) -> list[str]:
    """Return lines that say what is missing, what failed and where the metric has no value; none if the matrix is complete."""
    undefined = (matrix.datasets[test].short_name for test in matrix.undefined_on)
    lines = [f"{name} test: no {matrix.measure.title}, its cells are empty." for name in undefined]
    if not matrix.missing:
        return lines
    lines.append(f"Unfinished: {len(matrix.missing)} of {matrix.total} runs are missing; the numbers are of those that stand.")
    lines += [f"  failed {name}: {first_line(name, reason)}" for name, reason in matrix.failed.items()]
    if matrix.failed:
        lines.append("  what they said meanwhile: logs/RUN.txt in the folder of the sweep")
    others = [m for m in matrix.missing if m.replace("/", "-") not in matrix.failed]
    if others:
        lines.append(f"  not done: {', '.join(others[:6])}{f' and {len(others) - 6} more' if len(others) > 6 else ''}")
    return lines


def first_line(name: str, reason: str) -> str:
    """Return the first line of why a run failed, without the name of the run that may begin it."""
    return next(iter(reason.strip().splitlines()), "").removeprefix(f"{name}: ")


def not_adapted(matrix: Matrix) -> list[Cell]:
    """Return the cells of networks that were trained and not adapted: what adapters are compared with."""
    return [c for c in matrix.cells if c.adapter == matrix.record.plain]


def foremost(cells: Sequence[Cell], most: int) -> list[Cell]:
    """Return at most `max_pictures` cells: those of networks that were not adapted first, then on targets, then at home again."""
    return sorted(cells, key=lambda c: 0 if c.target is None else 1 if c.test == c.target else 2)[: max(0, most)]
