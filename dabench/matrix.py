"""Stored runs to the cross matrix, the gains, results by group, means over pairs, and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dabench.by_group import GroupCell, by_group
from dabench.cells import Cell, Gain, Measured, cell_of, change_of, gain_of
from dabench.checkpoints import Checkpoints, Chosen, what_rules_choose
from dabench.environments import Mixed, mixed
from dabench.metrics import Metric, confusions, find_metric
from dabench.predictions import Predictions
from dabench.statistics import RESAMPLES, Resampler
from dabench.stored import Stored
from dabench.summary import Summary, mean_of, summaries
from dabench.trials import searched_by

if TYPE_CHECKING:
    from dabench.people import People
    from dabench.published import Published

Won = tuple[str, tuple[str, ...], str]
"""(adapter, sources, target)."""


@dataclass(frozen=True)
class Matrix:
    """All that a report says, from one store, one metric and one selection rule.

    Attributes:
        metric: the name of `measure`.
        groups: the cells by attribute of their test images.
        left_out: test set -> attribute -> why there are no results by it.
        summary: means over all pairs of datasets, of each adapter of which every run is there.
        incomplete: adapter -> why it has no such means.
        without: test sets on which the metric has no value; their cells are empty.
        rules: what each rule would have chosen, by accuracy; empty where runs stored no scores, or one checkpoint each.
        predictions: the runs that it is of.
        mixed: in what the runs differ that may change their numbers.
        people: test set -> what the cell "human" is of; published: numbers that others published for the same datasets.
    """

    sweep: Mapping[str, Any]
    metric: str
    measure: Metric
    selection: str
    classes: tuple[str, ...]
    datasets: Mapping[str, Mapping[str, Any]]
    cells: list[Cell]
    gains: list[Gain]
    summary: list[Summary]
    incomplete: Mapping[str, str]
    groups: list[GroupCell]
    left_out: Mapping[str, Mapping[str, str]]
    without: list[str]
    rules: list[Chosen]
    confusion: Mapping[str, NDArray[np.float64]]
    missing: list[str]
    failed: Mapping[str, str]
    digest: str
    predictions: Predictions
    mixed: Mixed = field(default_factory=dict)
    people: Mapping[str, People] = field(default_factory=dict)
    published: Sequence[Published] = ()

    @property
    def total(self) -> int:
        """How many runs there are to be; a task of which nothing is chosen yet counts as one."""
        return len(self.sweep["runs"]) + sum(task["chosen"] is None for task in self.sweep.get("search", []))

    def as_dict(self) -> dict[str, Any]:
        """Return results.json: the same for the same runs, whenever and in whatever order they were done."""
        sweep = self.sweep["sweep"]
        how = {"search": text} if (text := searched_by(sweep)) else {}
        return {
            "sweep": sweep["name"],
            "title": sweep["title"],
            "digest": self.digest,
            "unit": "%",
            "metric": self.metric,
            "better": "lower" if self.measure.lower_is_better else "higher",
            "selection": self.selection,
            **how,
            "interval": _interval(len(self.sweep["seeds"])),
            "seeds": self.sweep["seeds"],
            "shots": sweep["shots"],
            "classes": list(self.classes),
            **({"class_map": sweep["class_map"]} if sweep.get("class_map") else {}),
            "backbone": self.sweep["backbone"]["name"],
            "datasets": {n: _facts(f) for n, f in self.datasets.items()},
            "complete": not self.missing,
            "missing": self.missing,
            **({"mixed": self.mixed} if self.mixed else {}),
            "cells": [asdict(c) | how for c in self.cells],
            "gains": [asdict(g) | how for g in self.gains],
            "summary": [asdict(s) | how for s in self.summary],
            "groups": [asdict(g) | how for g in self.groups],
            "rules": [asdict(c) | how for c in self.rules],
            **({"people": {test: asdict(p) for test, p in self.people.items()}} if self.people else {}),
            **({"published": [asdict(p) for p in self.published]} if self.published else {}),
        }


def _interval(seeds: int) -> str:
    groups = "test groups (images where there are none)"
    if seeds == 1:
        return f"95 % bootstrap over {groups} alone, which does not say how another training would end, {RESAMPLES} resamples"
    return f"95 % bootstrap over seeds and {groups}, both widened by Student's t, {RESAMPLES} resamples"


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what results.json says of a dataset; what was dropped only where something was."""
    kept = ("label", "digest", "counts", "licence", *(["dropped"] if facts.get("dropped") else []))
    return {key: facts[key] for key in kept}


def read_matrix(
    store: Stored, metric: str = "accuracy", selection: str | None = None, by: Mapping[str, Path] | None = None
) -> Matrix:
    """Return the matrix of a sweep's output folder, of what is finished.

    Args:
        by: dataset -> a CSV of more attributes of its test images, as dabench.attributes describes it.

    Raises:
        StoreError: the folder is no sweep's, or damaged.
        SpecError: the metric or the selection rule is unknown.
        DataError: a file of attributes cannot be read, or a line of it is wrong.
    """
    sweep = store.read_sweep()
    runs = Predictions(store, sweep, selection, by)
    measure = find_metric(metric, sweep["classes"], runs.attributes)
    found = _of_tests(runs, measure)
    cells = {key: cell for of in found.values() for key, cell in of.cells.items()}
    keys = [key_of(adapter, sources, target, test) for adapter, sources, target, tests in _rows(sweep) for test in tests]
    in_order = [cells[key] for key in keys if key in cells]
    gains = _gains(sweep, found)
    summary, incomplete = summaries(sweep, in_order, gains, measure)
    return Matrix(
        sweep=sweep,
        metric=metric,
        measure=measure,
        selection=runs.selection,
        classes=tuple(sweep["classes"]),
        datasets=runs.facts,
        cells=in_order,
        gains=gains,
        summary=summary,
        incomplete=incomplete,
        groups=[g for of in found.values() for g in of.groups],
        left_out={test: reasons for test, (_, reasons) in runs.parts.items() if reasons},
        without=[test for test, of in found.items() if of.confusion and not of.cells],
        rules=_rules(runs),
        confusion={key: counts for of in found.values() for key, counts in of.confusion.items()},
        missing=runs.missing,
        failed=store.failures()
        | {name: f"its folder is damaged ({what}); run the sweep again to do it anew" for name, what in runs.damaged.items()},
        digest=runs.digest,
        predictions=runs,
        mixed=mixed(record.facts["environment"] for record in runs.records.values()),
    )


@dataclass(frozen=True)
class _OfTest:
    """What is found on one test set. Costs: (adapter, sources, target) -> what adapting changed on this source."""

    cells: Mapping[str, Cell]
    gains: Mapping[Won, Gain]
    costs: Mapping[Won, float | None]
    groups: list[GroupCell]
    confusion: Mapping[str, NDArray[np.float64]]


def _gains(sweep: Mapping[str, Any], found: Mapping[str, _OfTest]) -> list[Gain]:
    """Return the gains in the order of the sweep, each with the mean of what adapting cost on the sources."""
    gains = []
    for won in _wins(sweep):
        _, sources, target = won
        if gain := found[target].gains.get(won):
            costs = [of.costs.get(won) for test, of in found.items() if test in sources]
            gains.append(replace(gain, on_source=mean_of(costs)))
    return gains


def _of_tests(runs: Predictions, metric: Metric) -> dict[str, _OfTest]:
    from threadpoolctl import threadpool_limits

    # The products are many and small: threads that wait for each other take three times as long where others compute, too.
    with threadpool_limits(1, "blas"):
        draws = Resampler(metric)
        return {test: _of_test(runs, test, draws) for test in runs.tests}


def _of_test(runs: Predictions, test: str, draws: Resampler) -> _OfTest:
    """Return all numbers of one test set: the networks tested on it share the drawing of its resamples."""

    @cache
    def measured(adapter: str, sources: tuple[str, ...], target: str | None) -> Measured | None:
        tested = runs.tested(adapter, sources, target, test)
        return Measured(tested, draws.metric.kinds(tested.outcome)) if tested else None

    def name(sources: Sequence[str]) -> str:
        return label_of(runs.sweep, runs.facts, sources, test)

    rows = [(a, s, t) for a, s, t, tests in _rows(runs.sweep) if test in tests]
    there = {key_of(*row, test): found for row in rows if (found := measured(*row))}
    cells = {key: cell_of(m, draws, name(m.tested.sources)) for key, m in there.items()}
    gains: dict[Won, Gain] = {}
    costs: dict[Won, float | None] = {}
    for won in _wins(runs.sweep):
        adapter, sources, target = won
        if test != target and test not in sources:
            continue
        adapted = measured(adapter, sources, target if runs.sweep["adapters"][adapter]["adapts"] else None)
        none = measured("none", sources, None)
        if adapted is None or none is None:
            continue
        if test in sources:
            costs[won] = change_of(adapted, none, draws.metric)
        elif gain := gain_of(adapted, none, measured("none", (target,), None), draws, name(sources)):
            gains[won] = gain
    k = len(runs.sweep["classes"])
    confusion = {key: confusions(m.tested.outcome.labels, m.tested.outcome.predicted, k).sum(0) for key, m in there.items()}
    groups = by_group(list(there.values()), runs.parts[test][0], draws)
    return _OfTest({key: c for key, c in cells.items() if c}, gains, costs, list(groups), confusion)


def _rules(runs: Predictions) -> list[Chosen]:
    """Return what each rule would have chosen for each adapter, on the targets of its tasks."""
    of: dict[str, list[list[Checkpoints]]] = {}
    for adapter, facts in ((name, runs.sweep["adapters"][name]) for name in runs.sweep["sweep"]["adapters"]):
        of[adapter] = []
        for sources, target in runs.sweep["tasks"]:
            records = list(runs.of(adapter, sources, target if facts["adapts"] else None, target).values())
            of[adapter].append([runs.checkpoints(record, target) for record in records])
    if all(len(run.accuracy) < 2 for pairs in of.values() for pair in pairs for run in pair):
        return []
    return [chosen for adapter, pairs in of.items() for chosen in what_rules_choose(adapter, pairs)]


def _rows(sweep: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], str | None, tuple[str, ...]]]:
    """Return every (adapter, sources, target, tests) that the matrices have a row for."""
    datasets = tuple(sweep["sweep"]["datasets"])
    tasks = [(tuple(s), t) for s, t in sweep["tasks"]]
    alone = dict.fromkeys([(d,) for d in datasets] + [s for s, _ in tasks])
    rows: list[tuple[str, tuple[str, ...], str | None, tuple[str, ...]]] = []
    for name in sweep["sweep"]["adapters"]:
        facts = sweep["adapters"][name]
        if facts["adapts"]:
            rows += [(name, s, t, (*s, t)) for s, t in tasks]
        else:
            rows += [(name, s, None, datasets) for s in alone if not facts["own_pretraining"] or s in {x for x, _ in tasks}]
    return rows


def _wins(sweep: Mapping[str, Any]) -> list[Won]:
    """Return every (adapter, sources, target) that may gain over `none`: all but the plain training itself."""
    adapters = {name: sweep["adapters"][name] for name in sweep["sweep"]["adapters"]}
    others = [name for name, facts in adapters.items() if facts["adapts"] or facts["own_pretraining"]]
    return [(name, tuple(sources), target) for name in others for sources, target in sweep["tasks"]]


def key_of(adapter: str, sources: Sequence[str], target: str | None, test: str) -> str:
    """Return the key of a cell's confusion matrix in Matrix.confusion."""
    return f"{adapter}|{'+'.join(sources)}|{target or ''}|{test}"


def label_of(sweep: Mapping[str, Any], datasets: Mapping[str, Mapping[str, Any]], sources: Sequence[str], test: str) -> str:
    """Return the study's way to name a number, Model-TrainData-TestData, such as VGG-FER-NAE."""
    train = "+".join(datasets[s]["label"] for s in sources)
    return f"{sweep['backbone']['label']}-{train}-{datasets[test]['label']}"
