"""Compare the methods of a sweep on each task: their rows by setting, which is best, and which cannot be told apart from it.

Differences are paired by seeds and test images (`Spread.difference`). An average over tasks has the mean of the intervals of its
tasks, which is wide enough, because the tasks share seeds and images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.intervals import Spread, percent, spread
from dabench.analysis.metrics import Metric
from dabench.analysis.results import Cell, EncodedCell
from dabench.analysis.summary import SEVERAL_SOURCES, kinds_of, mean_of
from dabench.storage.schema import SETTINGS, CellKey, SweepRecord, Task

REFERENCE = "reference"
METHOD, IN_DOMAIN = "method", "trained on the target"
BEST_SINGLE, MEAN_SINGLE = "best single source", "mean of single sources"
"""The roles of rows. Only the rows of methods compete."""

BEST, TIED = "best", "tied"

_SAME = 9
"""Decimals up to which results are compared, so that equal ones are all best."""


@dataclass(frozen=True)
class TaskComparison:
    """The methods with all seeds on one task, and their results and covariances."""

    methods: tuple[str, ...]
    spread: Spread

    def mean(self, method: str) -> float:
        """Return the mean over seeds of a method."""
        return float(self.spread.each[self.methods.index(method)].mean())

    def difference(self, one: str, other: str) -> tuple[float, float]:
        """Return the 95 % interval of the paired difference of two methods."""
        return self.spread.difference(self.methods.index(one), self.methods.index(other))


def compare_methods(measured: Mapping[str, EncodedCell | None], seeds: Sequence[int], metric: Metric) -> TaskComparison | None:
    """Return the comparison of the methods with all seeds on one task; None if there are none or the metric is undefined.

    Args:
        measured: method -> its networks on the test split of the target.
    """
    whole = {name: cell for name, cell in measured.items() if cell and cell.tested.seeds == list(seeds)}
    if not whole:
        return None
    groups = next(iter(whole.values())).tested.groups
    found = spread(metric, [cell.codes for cell in whole.values()], groups)
    return None if np.isnan(found.each).any() else TaskComparison(tuple(whole), found)


def standings(comparisons: Sequence[TaskComparison | None], metric: Metric) -> dict[str, str]:
    """Return method -> BEST or TIED, by the average over tasks; other methods are left out.

    A method is tied if the 95 % interval of its paired difference to the best one contains 0. With one seed none is: the interval
    says nothing of other trainings.
    """
    known = [c for c in comparisons if c is not None]
    if not known or len(known) < len(comparisons):
        return {}
    methods = [name for name in known[0].methods if all(name in c.methods for c in known)]
    means = {name: round(metric.won(float(np.mean([c.mean(name) for c in known]))), _SAME) for name in methods}
    if not means:
        return {}
    best = max(means, key=lambda name: means[name])
    marks = {name: BEST for name in methods if means[name] == means[best]}
    if known[0].spread.each.shape[1] > 1:
        for name in (n for n in methods if n not in marks):
            low, high = np.mean([c.difference(best, name) for c in known], axis=0)
            marks |= {name: TIED} if low <= 0 <= high else {}
    return marks


@dataclass(frozen=True)
class TaskResult:
    """A result on one task, in %.

    Attributes:
        low, high: its 95 % interval. std: standard deviation over seeds; None with one seed and for a mean over single sources.
        mark: BEST, TIED or "".
    """

    mean: float
    low: float
    high: float
    std: float | None
    seeds: int
    interval_over: str | None
    mark: str = ""


@dataclass(frozen=True)
class MethodRow:
    """A row of the table of methods.

    Attributes:
        setting: one of SETTINGS, or REFERENCE. role: METHOD, or what a row that does not compete shows.
        results: for each task its result, None without one. average: their mean over tasks with a labelled target,
            None if one is missing or lacks seeds.
        uses_sources: whether it is given its sources while adapting; None if it does not adapt.
        cells: the cells that it shows, with its conditions.
    """

    adapter: str
    setting: str
    role: str
    results: list[TaskResult | None]
    average: float | None
    average_mark: str
    uses_sources: bool | None
    cells: list[Cell] = field(default_factory=list)


@dataclass(frozen=True)
class MethodTable:
    """The methods of a sweep on its tasks of one kind (ONE_SOURCE or SEVERAL_SOURCES)."""

    kind: str
    tasks: list[Task]
    rows: list[MethodRow]

    def as_dict(self) -> dict[str, Any]:
        """Return the table for results.json. Conditions of rows are those of their cells, which results.json has as well."""
        tasks = [{"sources": list(sources), "target": target} for sources, target in self.tasks]
        return {"kind": self.kind, "tasks": tasks, "rows": [_row_dict(row) for row in self.rows]}


def _row_dict(row: MethodRow) -> dict[str, Any]:
    kept = ("adapter", "setting", "role", "uses_sources", "average", "average_mark")
    return {key: getattr(row, key) for key in kept} | {"results": [r and vars(r) for r in row.results]}


class _Maker:
    """Makes the rows of tables from the cells of a matrix and the results of each seed."""

    def __init__(
        self, record: SweepRecord, cells: Sequence[Cell], each: Mapping[CellKey, NDArray[np.float64]], metric: Metric
    ) -> None:
        self.record, self.each, self.metric = record, each, metric
        self.cells = {cell.key: cell for cell in cells}

    def cell(self, adapter: str, sources: tuple[str, ...], target: str) -> Cell | None:
        return self.cells.get(self.record.cell(adapter, (sources, target)))

    def result(self, cell: Cell | None, mark: str = "") -> TaskResult | None:
        if cell is None:
            return None
        std = percent(float(self.each[cell.key].std(ddof=1))) if cell.seeds > 1 else None
        return TaskResult(cell.mean, cell.low, cell.high, std, cell.seeds, cell.interval_over, mark)

    def row(
        self,
        adapter: str,
        setting: str,
        role: str,
        tasks: Sequence[Task],
        results: list[TaskResult | None],
        cells: Sequence[Cell | None],
        mark: str = "",
    ) -> MethodRow:
        seeds, labelled = len(self.record.seeds), self.record.labelled_tasks
        counted = [r for r, task in zip(results, tasks, strict=True) if task in labelled]
        average = mean_of([r.mean if r and r.seeds == seeds else None for r in counted])
        facts = self.record.adapters[adapter]
        uses = facts.uses_sources if facts.adapts and role != IN_DOMAIN else None
        return MethodRow(adapter, setting, role, results, average, mark, uses, [c for c in cells if c])

    def in_domain(self, plain: str, tasks: Sequence[Task]) -> MethodRow:
        """Return the row of networks trained on the target. They saw all its labels, so its conditions say so."""
        cells = [self.cell(plain, (target,), target) for _, target in tasks]
        seen = [c and replace(c, label_budget="all", target_images="train") for c in cells]
        return self.row(plain, REFERENCE, IN_DOMAIN, tasks, [self.result(c) for c in cells], seen)

    def method(self, adapter: str, tasks: Sequence[Task], marks: Sequence[Mapping[str, str]], average: str) -> MethodRow:
        cells = [self.cell(adapter, *task) for task in tasks]
        results = [self.result(c, of.get(adapter, "")) for c, of in zip(cells, marks, strict=True)]
        setting = self.record.adapters[adapter].setting(self.record.sweep.shots)
        return self.row(adapter, setting, METHOD, tasks, results, cells, average)

    def single_sources(self, row: MethodRow, tasks: Sequence[Task]) -> list[MethodRow]:
        """Return the rows of the best single source and of the mean of single sources of a method; none without any."""
        alone = [[self.cell(row.adapter, (s,), target) for s in sources] for sources, target in tasks]
        known = [[c for c in cells if c] if all(cells) else [] for cells in alone]
        best = [max(cells, key=lambda c: self.metric.won(c.mean)) if cells else None for cells in known]
        if not any(best):
            return []
        means = [_mean_result(cells) if cells else None for cells in known]
        return [
            self.row(row.adapter, row.setting, BEST_SINGLE, tasks, [self.result(c) for c in best], best),
            self.row(row.adapter, row.setting, MEAN_SINGLE, tasks, means, [c for cells in known for c in cells]),
        ]


def _mean_result(cells: Sequence[Cell]) -> TaskResult:
    """Return the mean over single sources. The mean of their intervals is wide enough: they share seeds and test images."""
    mean, low, high = (float(np.mean([getattr(c, end) for c in cells])) for end in ("mean", "low", "high"))
    fewest = min(cells, key=lambda c: c.seeds)
    return TaskResult(round(mean, 4), round(low, 4), round(high, 4), None, fewest.seeds, fewest.interval_over)


def method_tables(
    record: SweepRecord,
    cells: Sequence[Cell],
    each: Mapping[CellKey, NDArray[np.float64]],
    comparisons: Mapping[Task, TaskComparison],
    metric: Metric,
) -> list[MethodTable]:
    """Return one table for each kind of tasks: first the reference, then the methods by setting, in the order of the sweep.

    Args:
        each: cell -> its result in [0, 1] with each seed.
    """
    maker, found = _Maker(record, cells, each, metric), []
    for kind, tasks in kinds_of(record.tasks).items():
        marks = [standings([comparisons.get(task)], metric) for task in tasks]
        averages = standings([comparisons.get(task) for task in tasks if task in record.labelled_tasks], metric)
        methods = [maker.method(name, tasks, marks, averages.get(name, "")) for name in record.methods]
        rows = [maker.in_domain(record.plain, tasks)] if record.plain and not record.sweep.transductive else []
        for row in sorted(methods, key=lambda row: SETTINGS.index(row.setting)):
            rows += [row, *(maker.single_sources(row, tasks) if kind == SEVERAL_SOURCES else ())]
        found.append(MethodTable(kind, tasks, rows))
    return [table for table in found if any(row.cells for row in table.rows)]
