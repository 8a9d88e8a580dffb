"""Stored runs to the cross matrix, the gains, results by group, and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dabench.by_group import GroupCell, by_group
from dabench.checkpoints import Chosen, what_rules_choose
from dabench.metrics import Metric, confusions, find_metric
from dabench.parts import divided
from dabench.predictions import Predictions, Tested
from dabench.statistics import RESAMPLES, interval, percent, point, resampled
from dabench.stored import Stored

if TYPE_CHECKING:
    from dabench.people import People
    from dabench.published import Published


@dataclass(frozen=True)
class Cell:
    """One number of the matrix, in %: an adapter's network trained on `sources` (for `target`), tested on `test`.

    Attributes:
        labels: how many target labels the method saw: "0", "5 per class", "all"; "human" of people's answers.
        mean: over seeds; low and high bound its 95 % interval.
        seeds: how many; of people's answers the number of people. n: test images.
    """

    name: str
    adapter: str
    backbone: str
    sources: list[str]
    target: str | None
    test: str
    labels: str
    selection: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    n: int


@dataclass(frozen=True)
class Gain:
    """What an adapter wins on its target over `none`: same sources, seeds and test images; in percentage points.

    Attributes:
        gap_closed: the gain as % of what is lost out of domain (in-domain accuracy of the target minus `none`); None where
            nothing is lost, or the in-domain cell is missing.
    """

    name: str
    adapter: str
    sources: list[str]
    target: str
    labels: str
    mean: float
    low: float
    high: float
    gap_closed: float | None
    seeds: int


@dataclass(frozen=True)
class Matrix:
    """All that a report says, from one store, one metric and one selection rule.

    Attributes:
        groups: the cells by attribute of their test images.
        left_out: test set -> attribute -> why there are no results by it.
        rules: what each rule would have chosen, by accuracy; empty where runs stored no scores.
        predictions: the runs that it is of.
        people: test set -> what the cell "human" is of; published: numbers that others published for the same datasets.
    """

    sweep: Mapping[str, Any]
    metric: str
    selection: str
    classes: tuple[str, ...]
    datasets: Mapping[str, Mapping[str, Any]]
    cells: list[Cell]
    gains: list[Gain]
    groups: list[GroupCell]
    left_out: Mapping[str, Mapping[str, str]]
    rules: list[Chosen]
    confusion: Mapping[str, NDArray[np.float64]]
    missing: list[str]
    failed: Mapping[str, str]
    digest: str
    predictions: Predictions
    people: Mapping[str, People] = field(default_factory=dict)
    published: Sequence[Published] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return results.json: the same for the same runs, whenever and in whatever order they were done."""
        sweep = self.sweep["sweep"]
        return {
            "sweep": sweep["name"],
            "title": sweep["title"],
            "digest": self.digest,
            "unit": "%",
            "metric": self.metric,
            "selection": self.selection,
            "interval": f"95 % bootstrap over seeds and test groups (images where there are none), {RESAMPLES} resamples",
            "seeds": self.sweep["seeds"],
            "shots": sweep["shots"],
            "classes": list(self.classes),
            **({"class_map": sweep["class_map"]} if sweep.get("class_map") else {}),
            "backbone": self.sweep["backbone"]["name"],
            "datasets": {n: _facts(f) for n, f in self.datasets.items()},
            "complete": not self.missing,
            "missing": self.missing,
            "cells": [asdict(c) for c in self.cells],
            "gains": [asdict(g) for g in self.gains],
            "groups": [asdict(g) for g in self.groups],
            "rules": [asdict(c) for c in self.rules],
            **({"people": {test: asdict(p) for test, p in self.people.items()}} if self.people else {}),
            **({"published": [asdict(p) for p in self.published]} if self.published else {}),
        }


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what results.json says of a dataset; what was dropped only where something was."""
    kept = ("label", "digest", "counts", "licence", *(["dropped"] if facts.get("dropped") else []))
    return {key: facts[key] for key in kept}


def read_matrix(store: Stored, metric: str = "accuracy", selection: str = "last") -> Matrix:
    """Return the matrix of a sweep's output folder, of what is finished.

    Raises:
        StoreError: the folder is no sweep's, or damaged.
        SpecError: the metric or the selection rule is unknown.
    """
    sweep = store.read_sweep()
    classes = tuple(sweep["classes"])
    measure = find_metric(metric, classes)
    runs = Predictions(store, sweep, selection)
    cells, confusion = [], {}
    for adapter, sources, target, tests in _rows(sweep):
        for tested in filter(None, (runs.tested(adapter, sources, target, test) for test in tests)):
            name = label_of(sweep, runs.facts, sources, tested.test)
            cells.append(_cell(tested, name, metric, measure, len(classes)))
            counts = confusions(tested.truth.labels, tested.predicted, len(classes)).sum(0)
            confusion[key_of(adapter, sources, target, tested.test)] = counts
    groups, left_out = _by_group(runs, metric, measure)
    gains = [g for g in (_gain(runs, *won, measure) for won in _wins(sweep)) if g]
    return Matrix(
        sweep, metric, selection, classes, runs.facts, cells, gains, groups, left_out, _rules(runs), confusion, runs.missing,
        store.failures(), runs.digest, runs,
    )  # fmt: skip


def _by_group(runs: Predictions, metric: str, measure: Metric) -> tuple[list[GroupCell], dict[str, dict[str, str]]]:
    """Return the results by group, test set by test set, and the attributes that give none with the reason."""
    groups: list[GroupCell] = []
    left_out = {}
    for test, truth in runs.tests.items():
        parts, reasons = divided(truth.attributes, truth.groups)
        cells = (runs.tested(a, sources, target, test) for a, sources, target, tests in _rows(runs.sweep) if test in tests)
        groups += by_group((c for c in cells if c), parts, metric, measure, len(runs.sweep["classes"]))
        if reasons:
            left_out[test] = reasons
    return groups, left_out


def _rules(runs: Predictions) -> list[Chosen]:
    """Return what each rule would have chosen for each adapter, on the targets of its tasks."""
    found = []
    for adapter, facts in ((name, runs.sweep["adapters"][name]) for name in runs.sweep["sweep"]["adapters"]):
        method = runs.method(adapter)
        pairs = []
        for sources, target in runs.sweep["tasks"]:
            trained_for = target if facts["adapts"] else None
            records = [runs.records[method, tuple(sources), trained_for, s] for s in runs.seeds(method, sources, trained_for)]
            pairs.append([runs.checkpoints(record, target) for record in records])
        found += what_rules_choose(adapter, pairs)
    return found


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


def _wins(sweep: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], str]]:
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


def _cell(of: Tested, name: str, metric: str, measure: Metric, classes: int) -> Cell:
    labels, predicted = of.truth.labels, of.predicted
    mean = point(labels, predicted, measure, classes)
    low, high = interval(resampled(labels, [predicted], of.truth.groups, measure, classes)[0])
    return Cell(
        name, of.adapter, of.backbone, of.sources, of.target, of.test, of.labels, of.selection, metric,
        percent(mean), percent(low), percent(high), len(predicted), len(labels),
    )  # fmt: skip


def _gain(runs: Predictions, adapter: str, sources: tuple[str, ...], target: str, measure: Metric) -> Gain | None:
    method = runs.method(adapter)
    trained_for = target if runs.sweep["adapters"][adapter]["adapts"] else None
    plain = runs.seeds("supervised", sources, None)
    seeds = [s for s in runs.seeds(method, sources, trained_for) if s in plain]
    if not seeds:
        return None
    truth, k = runs.tests[target], len(runs.sweep["classes"])
    adapted = runs.predicted(method, sources, trained_for, target, seeds)
    none = runs.predicted("supervised", sources, None, target, seeds)
    mean = point(truth.labels, adapted, measure, k) - point(truth.labels, none, measure, k)
    values = resampled(truth.labels, [adapted, none], truth.groups, measure, k)
    low, high = interval(values[0] - values[1])
    closed = None
    inside = [s for s in runs.seeds("supervised", (target,), None) if s in seeds]
    if inside == seeds:
        at_home = point(truth.labels, runs.predicted("supervised", (target,), None, target, seeds), measure, k)
        gap = at_home - point(truth.labels, none, measure, k)
        closed = percent(mean / gap) if gap > 0 else None
    labels = runs.labels(method, sources, trained_for, seeds[0])
    name = label_of(runs.sweep, runs.facts, sources, target)
    return Gain(name, adapter, list(sources), target, labels, percent(mean), percent(low), percent(high), closed, len(seeds))
