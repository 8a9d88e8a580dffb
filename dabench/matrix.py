"""Stored runs to the cross matrix, the gains and their intervals. Here, and only here, predictions meet test labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.digests import digest
from dabench.errors import SpecError, StoreError, nearest
from dabench.metrics import Metric, confusions, find_metric
from dabench.statistics import RESAMPLES, interval, point, resampled
from dabench.store import Record, Store, TestSet

SELECTIONS = ("last",)
"""Rules that choose one of a run's checkpoints."""


@dataclass(frozen=True)
class Cell:
    """One number of the matrix, in %: an adapter's network trained on `sources` (for `target`), tested on `test`.

    Attributes:
        labels: how many target labels the method saw: "0", "5 per class", "all".
        mean: over seeds; low and high bound its 95 % interval.
        n: test images.
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
    """All that a report says, from one store, one metric and one selection rule."""

    sweep: Mapping[str, Any]
    metric: str
    selection: str
    classes: tuple[str, ...]
    datasets: Mapping[str, Mapping[str, Any]]
    cells: list[Cell]
    gains: list[Gain]
    confusion: Mapping[str, NDArray[np.float64]]
    missing: list[str]
    failed: Mapping[str, str]
    digest: str

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
            "backbone": self.sweep["backbone"]["name"],
            "datasets": {n: _facts(f) for n, f in self.datasets.items()},
            "complete": not self.missing,
            "missing": self.missing,
            "cells": [asdict(c) for c in self.cells],
            "gains": [asdict(g) for g in self.gains],
        }


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what results.json says of a dataset; what was dropped only where something was."""
    kept = ("label", "digest", "counts", "licence", *(["dropped"] if facts.get("dropped") else []))
    return {key: facts[key] for key in kept}


class _Reader:
    """The runs of a store, read once: predicted classes of each, by what was run."""

    def __init__(self, store: Store, sweep: Mapping[str, Any], selection: str) -> None:
        if selection not in SELECTIONS:
            raise SpecError(f"unknown selection '{selection}'{nearest(selection, SELECTIONS)}; known: {', '.join(SELECTIONS)}")
        self.sweep = sweep
        self.tests: dict[str, TestSet] = {n: store.dataset(n) for n in sweep["sweep"]["datasets"]}
        self.records: dict[tuple[str, tuple[str, ...], str | None, int], Record] = {}
        self.missing: list[str] = []
        for run in sweep["runs"]:
            record = store.find(run["digest"], {t: self.tests[t].facts["digest"] for t in run["tests"]}, network=False)
            if record:
                self.records[run["method"], tuple(run["sources"]), run["target"], run["seed"]] = record
            else:
                self.missing.append(
                    f"{run['method']}_{'+'.join(run['sources'])}{'_' + run['target'] if run['target'] else ''}_s{run['seed']}"
                )

    def seeds(self, method: str, sources: Sequence[str], target: str | None) -> list[int]:
        return [s for s in self.sweep["seeds"] if (method, tuple(sources), target, s) in self.records]

    def predictions(
        self, method: str, sources: Sequence[str], target: str | None, test: str, seeds: Sequence[int]
    ) -> NDArray[np.int64]:
        """Return the predicted classes, (S, N) int64."""
        rows = []
        for seed in seeds:
            logits = self.records[method, tuple(sources), target, seed].logits(test)
            if logits.shape[1] != len(self.tests[test].labels):
                raise StoreError(f"predictions on '{test}' do not fit its test labels; run the sweep again with --redo")
            rows.append(np.asarray(logits[-1]).argmax(1))
        return np.stack(rows).astype(np.int64)


def read_matrix(store: Store, metric: str = "accuracy", selection: str = "last") -> Matrix:
    """Return the matrix of a sweep's output folder, of what is finished.

    Raises:
        StoreError: the folder is no sweep's, or damaged.
        SpecError: the metric or the selection rule is unknown.
    """
    sweep = store.read_sweep()
    classes = tuple(sweep["classes"])
    measure = find_metric(metric, classes)
    reader = _Reader(store, sweep, selection)
    cells, confusion = [], {}
    for adapter, sources, target, tests in _rows(sweep):
        for test in tests:
            cell, counts = _cell(reader, adapter, sources, target, test, metric, measure, selection)
            if cell and counts is not None:
                cells.append(cell)
                confusion[key_of(adapter, sources, target, test)] = counts
    gains = [g for g in (_gain(reader, *won, measure) for won in _wins(sweep)) if g]
    datasets = {n: dict(test.facts) for n, test in reader.tests.items()}
    runs = sorted(r.facts["digest"] for r in reader.records.values())
    whole = digest([sweep["digest"], runs, {n: f["digest"] for n, f in datasets.items()}])
    return Matrix(sweep, metric, selection, classes, datasets, cells, gains, confusion, reader.missing, store.failures(), whole)


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


def _method(reader: _Reader, adapter: str) -> str:
    facts = reader.sweep["adapters"].get(adapter)
    return adapter if facts and (facts["adapts"] or facts["own_pretraining"]) else "supervised"


def key_of(adapter: str, sources: Sequence[str], target: str | None, test: str) -> str:
    """Return the key of a cell's confusion matrix in Matrix.confusion."""
    return f"{adapter}|{'+'.join(sources)}|{target or ''}|{test}"


def label_of(sweep: Mapping[str, Any], datasets: Mapping[str, Mapping[str, Any]], sources: Sequence[str], test: str) -> str:
    """Return the study's way to name a number, Model-TrainData-TestData, such as VGG-FER-NAE."""
    train = "+".join(datasets[s]["label"] for s in sources)
    return f"{sweep['backbone']['label']}-{train}-{datasets[test]['label']}"


def _cell(
    reader: _Reader,
    adapter: str,
    sources: tuple[str, ...],
    target: str | None,
    test: str,
    metric: str,
    measure: Metric,
    selection: str,
) -> tuple[Cell | None, NDArray[np.float64] | None]:
    method = _method(reader, adapter)
    seeds = reader.seeds(method, sources, target)
    if not seeds:
        return None, None
    truth, k = reader.tests[test], len(reader.sweep["classes"])
    predicted = reader.predictions(method, sources, target, test, seeds)
    mean = point(truth.labels, predicted, measure, k)
    low, high = interval(resampled(truth.labels, [predicted], truth.groups, measure, k)[0])
    labels = reader.records[method, sources, target, seeds[0]].facts["labels"]
    facts = {n: t.facts for n, t in reader.tests.items()}
    cell = Cell(
        label_of(reader.sweep, facts, sources, test), adapter, reader.sweep["backbone"]["name"], list(sources), target, test,
        labels, selection, metric, _percent(mean), _percent(low), _percent(high), len(seeds), len(truth.labels),
    )  # fmt: skip
    return cell, confusions(truth.labels, predicted, k).sum(0)


def _gain(reader: _Reader, adapter: str, sources: tuple[str, ...], target: str, measure: Metric) -> Gain | None:
    method = _method(reader, adapter)
    trained_for = target if reader.sweep["adapters"][adapter]["adapts"] else None
    plain = reader.seeds("supervised", sources, None)
    seeds = [s for s in reader.seeds(method, sources, trained_for) if s in plain]
    if not seeds:
        return None
    truth, k = reader.tests[target], len(reader.sweep["classes"])
    adapted = reader.predictions(method, sources, trained_for, target, seeds)
    none = reader.predictions("supervised", sources, None, target, seeds)
    mean = point(truth.labels, adapted, measure, k) - point(truth.labels, none, measure, k)
    values = resampled(truth.labels, [adapted, none], truth.groups, measure, k)
    low, high = interval(values[0] - values[1])
    closed = None
    inside = [s for s in reader.seeds("supervised", (target,), None) if s in seeds]
    if inside == seeds:
        at_home = point(truth.labels, reader.predictions("supervised", (target,), None, target, seeds), measure, k)
        gap = at_home - point(truth.labels, none, measure, k)
        closed = _percent(mean / gap) if gap > 0 else None
    labels = reader.records[method, sources, trained_for, seeds[0]].facts["labels"]
    facts = {n: t.facts for n, t in reader.tests.items()}
    name = label_of(reader.sweep, facts, sources, target)
    return Gain(name, adapter, list(sources), target, labels, _percent(mean), _percent(low), _percent(high), closed, len(seeds))


def _percent(value: float) -> float:
    return round(100 * value, 4) + 0.0  # no -0.0
