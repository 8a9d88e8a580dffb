"""Stored runs to the cross matrix, the gains, results by group, means over pairs, and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.baselines import Published, committed_tables, read_baseline
from dabench.analysis.bootstrap import RESAMPLES, Resampler
from dabench.analysis.checkpoints import RuleOutcome, what_rules_choose
from dabench.analysis.environments import Mixed, mixed
from dabench.analysis.metrics import Metric, confusions, find_metric
from dabench.analysis.predictions import Predictions
from dabench.analysis.results import Cell, EncodedCell, Gain, HumanResult, SubgroupCell, cell_of, change_of, gain_of, subgroups_of
from dabench.analysis.summary import Summary, mean_of, summaries
from dabench.analysis.trials import searched_by
from dabench.storage.reader import ResultsReader
from dabench.storage.schema import CellKey, DatasetRecord, SweepRecord


@dataclass(frozen=True)
class Matrix:
    """All that a report says, from one store, one metric and one selection rule.

    Attributes:
        metric: the name of `measure`.
        subgroups: the cells by attribute of their test images.
        omitted_attributes: test set -> attribute -> why there are no results by it.
        summary: means over all pairs of datasets, of each adapter of which every run is there.
        incomplete: adapter -> why it has no such means.
        undefined_on: test sets on which the metric has no value; their cells are empty.
        rules: what each rule would have chosen, by accuracy; empty where runs stored no scores, or one checkpoint each.
        predictions: the runs that it is of.
        mixed: in what the runs differ that may change their numbers.
        human: test set -> what the cell "human" is of; published: numbers that others published for the same datasets.
    """

    record: SweepRecord
    metric: str
    measure: Metric
    selection: str
    classes: tuple[str, ...]
    datasets: Mapping[str, DatasetRecord]
    cells: list[Cell]
    gains: list[Gain]
    summary: list[Summary]
    incomplete: Mapping[str, str]
    subgroups: list[SubgroupCell]
    omitted_attributes: Mapping[str, Mapping[str, str]]
    undefined_on: list[str]
    rules: list[RuleOutcome]
    confusion: Mapping[CellKey, NDArray[np.float64]]
    missing: list[str]
    failed: Mapping[str, str]
    digest: str
    predictions: Predictions
    mixed: Mixed = field(default_factory=dict)
    human: Mapping[str, HumanResult] = field(default_factory=dict)
    published: Sequence[Published] = ()

    @property
    def total(self) -> int:
        """How many runs there are to be; a task of which nothing is chosen yet counts as one."""
        return len(self.record.runs) + sum(task.chosen is None for task in self.record.search)

    def _repr_html_(self) -> str:
        """Return the cross matrix as an HTML table, which a notebook shows."""
        shown: dict[tuple[str, str], dict[str, str]] = {}
        for c in self.cells:
            names = "+".join(self.datasets[s].short_name for s in c.sources) or "people"
            trained = f"{names} -> {self.datasets[c.target].short_name}" if c.target else names
            shown.setdefault((c.adapter, trained), {})[c.test] = f"{c.mean:.1f} [{c.low:.1f}, {c.high:.1f}]"
        lines = [["adapter", "trained on", *(f"{d.short_name} test" for d in self.datasets.values())]]
        lines += [[*names, *(cells.get(test, "-") for test in self.datasets)] for names, cells in shown.items()]
        tags = ["th", *["td"] * (len(lines) - 1)]
        rows = ("".join(f"<{tag}>{escape(text)}</{tag}>" for text in line) for tag, line in zip(tags, lines, strict=True))
        unfinished = f"; {len(self.missing)} of {self.total} runs are missing" if self.missing else ""
        caption = escape(f"{self.record.title}: {self.measure.title} in %, 95 % intervals{unfinished}")
        return f"<table><caption>{caption}</caption>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

    def as_dict(self) -> dict[str, Any]:
        """Return results.json: the same for the same runs, whenever and in whatever order they were done."""
        sweep = self.record.sweep
        how = {"search": text} if (text := searched_by(sweep.search)) else {}
        return {
            "sweep": sweep.name,
            "title": sweep.title,
            "digest": self.digest,
            "unit": "%",
            "metric": self.metric,
            "better": "lower" if self.measure.lower_is_better else "higher",
            "selection": self.selection,
            **how,
            "interval": _interval(len(self.record.seeds)),
            "seeds": list(self.record.seeds),
            "shots": sweep.shots,
            "classes": list(self.classes),
            **({"class_map": sweep.class_map} if sweep.class_map else {}),
            "backbone": self.record.backbone.name,
            "datasets": {n: _facts(f) for n, f in self.datasets.items()},
            "complete": not self.missing,
            "missing": self.missing,
            **({"mixed": self.mixed} if self.mixed else {}),
            "cells": [asdict(c) | how for c in self.cells],
            "gains": [asdict(g) | how for g in self.gains],
            "summary": [asdict(s) | how for s in self.summary],
            "subgroups": [asdict(g) | how for g in self.subgroups],
            "rules": [asdict(c) | how for c in self.rules],
            **({"human": {test: asdict(p) for test, p in self.human.items()}} if self.human else {}),
            **({"published": [asdict(p) for p in self.published]} if self.published else {}),
        }


def _interval(seeds: int) -> str:
    groups = "test groups (images where there are none)"
    if seeds == 1:
        return f"95 % bootstrap over {groups} alone, which does not say how another training would end, {RESAMPLES} resamples"
    return f"95 % bootstrap over seeds and {groups}, both widened by Student's t, {RESAMPLES} resamples"


def _facts(facts: DatasetRecord) -> dict[str, Any]:
    """Return what results.json says of a dataset; what was dropped only where something was."""
    kept = {"short_name": facts.short_name, "digest": facts.digest, "counts": facts.counts, "license": facts.license}
    return kept | ({"dropped": facts.dropped} if facts.dropped else {})


def read_matrix(
    store: ResultsReader, metric: str = "accuracy", selection: str | None = None, attributes: Mapping[str, Path] | None = None
) -> Matrix:
    """Return the matrix of a sweep's output folder, of what is finished.

    Args:
        attributes: dataset -> a CSV of more attributes of its test images, as dabench.analysis.attributes describes it.

    Raises:
        StoreError: the folder is no sweep's, or damaged.
        SpecError: the metric or the selection rule is unknown.
        DataError: a file of attributes cannot be read, or a line of it is wrong.
    """
    record = store.read_sweep()
    runs = Predictions(store, record, selection, attributes)
    measure = find_metric(metric, record.classes, runs.attributes)
    found = _of_tests(runs, measure)
    cells = {key: cell for of in found.values() for key, cell in of.cells.items()}
    in_order = [cells[key] for key in record.cells if key in cells]
    gains = _gains(record, found)
    summary, incomplete = summaries(record, in_order, gains, measure)
    return Matrix(
        record=record,
        metric=metric,
        measure=measure,
        selection=runs.selection,
        classes=record.classes,
        datasets=runs.facts,
        cells=in_order,
        gains=gains,
        summary=summary,
        incomplete=incomplete,
        subgroups=[g for of in found.values() for g in of.groups],
        omitted_attributes={test: reasons for test, (_, reasons) in runs.parts.items() if reasons},
        undefined_on=[test for test, of in found.items() if of.confusion and not of.cells],
        rules=_rules(runs),
        confusion={key: counts for of in found.values() for key, counts in of.confusion.items()},
        missing=runs.missing,
        failed=store.failures()
        | {name: f"its folder is damaged ({what}); run the sweep again to do it anew" for name, what in runs.damaged.items()},
        digest=runs.digest,
        predictions=runs,
        mixed=mixed(run.facts.environment for run in runs.records.values()),
    )


@dataclass(frozen=True)
class _TestSetResults:
    """What is found on one test set. Gains and costs by the adapter's cell on its target: what adapting changed on this set."""

    cells: Mapping[CellKey, Cell]
    gains: Mapping[CellKey, Gain]
    costs: Mapping[CellKey, float | None]
    groups: list[SubgroupCell]
    confusion: Mapping[CellKey, NDArray[np.float64]]


def _adapted(record: SweepRecord) -> list[CellKey]:
    """Return the cells that may gain over `none`, of each adapter and task: all but those of the plain training itself."""
    return [record.cell(name, task) for name, facts in record.methods.items() if facts.own_networks for task in record.tasks]


def _gains(record: SweepRecord, found: Mapping[str, _TestSetResults]) -> list[Gain]:
    """Return the gains in the order of the sweep, each with the mean of what adapting cost on the sources."""
    gains = {key: found[key.test].gains.get(key) for key in _adapted(record)}
    costs = {key: mean_of([of.costs.get(key) for test, of in found.items() if test in key.sources]) for key in gains}
    return [replace(gain, on_source=costs[key]) for key, gain in gains.items() if gain]


def _of_tests(runs: Predictions, metric: Metric) -> dict[str, _TestSetResults]:
    from threadpoolctl import threadpool_limits

    # The products are many and small: threads that wait for each other take three times as long where others compute, too.
    with threadpool_limits(1, "blas"):
        draws = Resampler(metric)
        return {test: _of_test(runs, test, draws) for test in runs.tests}


def _of_test(runs: Predictions, test: str, draws: Resampler) -> _TestSetResults:
    """Return all numbers of one test set: the networks tested on it share the drawing of its resamples."""

    record = runs.record

    @cache
    def measured(adapter: str, sources: tuple[str, ...], target: str | None) -> EncodedCell | None:
        tested = runs.tested(CellKey(adapter, sources, target, test))
        return EncodedCell(tested, draws.metric.encode(tested.outcome)) if tested else None

    def name(sources: Sequence[str]) -> str:
        """Return the study's way to name a number, Model-TrainData-TestData, such as VGG-FER-NAE."""
        trained = "+".join(runs.facts[s].short_name for s in sources)
        return f"{record.backbone.short_name}-{trained}-{runs.facts[test].short_name}"

    there = {key: found for key in record.cells if key.test == test and (found := measured(*key[:3]))}
    cells = {key: cell_of(m, draws, name(key.sources)) for key, m in there.items()}
    gains: dict[CellKey, Gain] = {}
    costs: dict[CellKey, float | None] = {}
    for key in _adapted(record):
        if test != key.test and test not in key.sources:
            continue
        adapted, none = measured(*key[:3]), measured("none", key.sources, None)
        if adapted is None or none is None:
            continue
        if test in key.sources:
            costs[key] = change_of(adapted, none, draws.metric)
        elif gain := gain_of(adapted, none, measured("none", (test,), None), draws, name(key.sources)):
            gains[key] = gain
    k = len(record.classes)
    confusion = {key: confusions(m.tested.outcome.labels, m.tested.outcome.predicted, k).sum(0) for key, m in there.items()}
    groups = subgroups_of(list(there.values()), runs.parts[test][0], draws)
    return _TestSetResults({key: c for key, c in cells.items() if c}, gains, costs, list(groups), confusion)


def _rules(runs: Predictions) -> list[RuleOutcome]:
    """Return what each rule would have chosen for each adapter, on the targets of its tasks."""
    cells = {name: [runs.record.cell(name, task) for task in runs.record.tasks] for name in runs.record.sweep.adapters}
    of = {n: [[runs.checkpoints(r, key.test) for r in runs.of(key).values()] for key in keys] for n, keys in cells.items()}
    if all(len(run.accuracy) < 2 for pairs in of.values() for pair in pairs for run in pair):
        return []
    return [chosen for adapter, pairs in of.items() for chosen in what_rules_choose(adapter, pairs)]


def with_published(matrix: Matrix) -> Matrix:
    """Return the matrix with what the committed tables have of published numbers for it."""
    tables = [t for t in map(read_baseline, committed_tables()) if t["kind"] == "published" and t["metric"] == matrix.metric]
    published = [
        Published(
            c["name"], c["adapter"], c["backbone"], list(c["sources"]), c.get("target"), c["test"], table["metric"],
            c["mean"], c.get("low"), c.get("high"), table["name"], table["source"], " ".join(table.get("protocol", "").split()),
        )
        for table in tables
        if {*table.get("classes", ())} == {*matrix.classes}
        for c in table["cells"]
        if _same(matrix, c)
    ]  # fmt: skip
    return replace(matrix, published=published)


def _same(matrix: Matrix, cell: Mapping[str, Any]) -> bool:
    """Whether a published cell is of what the sweep measures: a human one where the dataset is there."""
    used = {*cell["sources"], cell["test"], cell.get("target") or cell["test"]}
    known = cell["adapter"] in matrix.record.methods and cell["backbone"] == matrix.record.backbone.name
    return used <= matrix.datasets.keys() and (known or cell["adapter"] == "human")
