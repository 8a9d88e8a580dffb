"""What the finished runs of a store predicted on each test set. Here, and only here, predictions meet test labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.errors import SpecError, StoreError, nearest
from dabench.store import Record, Store, TestSet

SELECTIONS = ("last",)
"""Rules that choose one of a run's checkpoints."""


@dataclass(frozen=True)
class Tested:
    """An adapter's networks, trained on `sources` (for `target`), tested on `test`.

    Attributes:
        labels: how many target labels the method saw: "0", "5 per class", "all".
        predicted: (S, N) int64, the classes predicted with each seed.
        truth: labels, groups and attributes of the N test images.
    """

    adapter: str
    backbone: str
    sources: list[str]
    target: str | None
    test: str
    labels: str
    selection: str
    predicted: NDArray[np.int64]
    truth: TestSet


class Predictions:
    """The runs of a store, found once: predicted classes of each, by what was run."""

    def __init__(self, store: Store, sweep: Mapping[str, Any], selection: str) -> None:
        if selection not in SELECTIONS:
            raise SpecError(f"unknown selection '{selection}'{nearest(selection, SELECTIONS)}; known: {', '.join(SELECTIONS)}")
        self.sweep, self.selection = sweep, selection
        self.tests: dict[str, TestSet] = {n: store.dataset(n) for n in sweep["sweep"]["datasets"]}
        self.facts = {n: dict(test.facts) for n, test in self.tests.items()}
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

    def method(self, adapter: str) -> str:
        """Return the method of the runs that an adapter's networks come from: its own, or the plain training."""
        facts = self.sweep["adapters"].get(adapter)
        return adapter if facts and (facts["adapts"] or facts["own_pretraining"]) else "supervised"

    def seeds(self, method: str, sources: Sequence[str], target: str | None) -> list[int]:
        """Return the seeds of which the run stands."""
        return [s for s in self.sweep["seeds"] if (method, tuple(sources), target, s) in self.records]

    def predicted(
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

    def labels(self, method: str, sources: Sequence[str], target: str | None, seed: int) -> str:
        """Return how many target labels a run saw."""
        return str(self.records[method, tuple(sources), target, seed].facts["labels"])

    def tested(self, adapter: str, sources: Sequence[str], target: str | None, test: str) -> Tested | None:
        """Return what is there of one cell of the matrix, or None where no run stands."""
        method = self.method(adapter)
        seeds = self.seeds(method, sources, target)
        if not seeds:
            return None
        labels = self.labels(method, sources, target, seeds[0])
        predicted, backbone = self.predicted(method, sources, target, test, seeds), self.sweep["backbone"]["name"]
        return Tested(adapter, backbone, list(sources), target, test, labels, self.selection, predicted, self.tests[test])
