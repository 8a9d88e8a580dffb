"""Results of a sweep as pandas frames and numpy arrays, for own plots and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import names_of_images
from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Cell, Gain, SubgroupCell
from dabench.analysis.summary import Summary
from dabench.errors import SpecError, nearest
from dabench.storage.reader import StoredLabels, StoredRun
from dabench.storage.schema import to_json

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Results:
    """Results returned by `dabench.load`. Several sources are one text, "a+b"; without a target, the text is empty.

    Attributes:
        matrix: the matrix, as returned by `dabench.report`.
    """

    matrix: Matrix

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the K classes, in the order of the logits."""
        return self.matrix.classes

    @property
    def tests(self) -> Mapping[str, StoredLabels]:
        """Dataset -> labels of its N test images.

        `labels`: (N,) int64, indices into `classes`; `groups`: (N,) int64 or None; `attributes`: name -> (N,).
        """
        return self.matrix.predictions.tests

    @cached_property
    def cells(self) -> DataFrame:
        """One row for each cell of the matrix, as in results.json.

        name (VGG-FER-NAE), adapter, backbone, sources, target, test, label_budget (target labels: "0", "5 per class", "all"),
        selection, metric: text. mean, low, high: float64, in %; low and high are the 95 % interval. seeds: int64. n: int64, test
        images. target_images: text, "none", "train" or "test". steps_min, steps_max: float64, optimiser steps with pretraining,
        NaN if not known.
        """
        return _frame(Cell, self.matrix.cells)

    @cached_property
    def clips(self) -> DataFrame:
        """One row for each cell on clips, for test splits whose clips are known: the columns of `cells`, with n clips."""
        return _frame(Cell, self.matrix.clips)

    @cached_property
    def gains(self) -> DataFrame:
        """One row for the gain of each adapter over `none` on each pair of datasets.

        name, adapter, sources, target, label_budget: text. mean, low, high: float64, percentage points. gap_closed: float64, in
        % of the drop, NaN if the drop is under one point. improved, seeds: int64. on_source: float64, percentage points.
        selection, target_images, steps_min, steps_max: as for cells. longer_than_none: bool.
        `dabench.analysis.results.Gain` describes the columns.
        """
        return _frame(Gain, self.matrix.gains)

    @cached_property
    def summary(self) -> DataFrame:
        """One row for each adapter with all its runs and each kind of pairs: means over all pairs, and the test of its gains.

        adapter, label_budget, kind, selection, target_images: text. pairs, seeds, targets, source_sets: int64.
        longer_than_none: bool. All others float64, NaN if there is no value;
        `dabench.analysis.summary.Summary` describes the columns.
        """
        return _frame(Summary, self.matrix.summary)

    @cached_property
    def subgroups(self) -> DataFrame:
        """One row for each subgroup (bin of an attribute) of each cell.

        adapter, backbone, sources, target, test, attribute, value, metric, label_budget, selection: text. mean, low,
        high: float64, %. seeds, n: int64. subjects: float64, number of groups in the bin, NaN if groups are not known.
        """
        return _frame(SubgroupCell, self.matrix.subgroups)

    @cached_property
    def runs(self) -> DataFrame:
        """One row for each complete run.

        run (name, for `logits` and `facts`), method, sources, target, label_budget, device: text. seed, fold (from 1; 0 without
        folds), checkpoints (their number): int64. train_seconds, test_seconds, total_seconds: float64.
        """
        from pandas import DataFrame

        runs = [record.facts for record in self.matrix.predictions.records.values()]
        columns: dict[str, tuple[str, list[Any]]] = {
            "run": ("str", [r.name for r in runs]),
            "method": ("str", [r.method for r in runs]),
            "sources": ("str", ["+".join(r.sources) for r in runs]),
            "target": ("str", [r.target or "" for r in runs]),
            "seed": ("int64", [r.seed for r in runs]),
            "fold": ("int64", [r.fold for r in runs]),
            "label_budget": ("str", [r.label_budget for r in runs]),
            "checkpoints": ("int64", [len(r.checkpoints) for r in runs]),
            **{f"{part}_seconds": ("float64", [getattr(r.seconds, part) for r in runs]) for part in ("train", "test", "total")},
            "device": ("str", [str(r.environment.get("device", "")) for r in runs]),
        }
        return DataFrame({n: c for n, (_, c) in columns.items()}).astype({n: kind for n, (kind, _) in columns.items()})

    def predictions(self, test: str, adapter: str | None = None) -> DataFrame:
        """Return the predictions of the chosen checkpoints: one row for each test image, seed and row of the matrix.

        adapter, sources, target: text. seed, image (position in the test split, or among those of all folds), label,
        predicted: int64, the last two indices into `classes`. name: text, the name of the image as `dabench human` writes it.
        file, clip, subject: text, only if the dataset has an attribute of that name. group: int64, only if groups are known.

        Args:
            test: a dataset.
            adapter: only this adapter.

        Raises:
            SpecError: the dataset or adapter is unknown.
        """
        from pandas import DataFrame

        adapters, truth = self.matrix.record.sweep.adapters, self.tests.get(test)
        for name, known in ((test, self.tests), (adapter or adapters[0], adapters)):
            if name not in known:
                raise SpecError(f"'{name}' is not in this sweep{nearest(name, known)}; known: {', '.join(known)}")
        assert truth is not None
        found = [part for c in self.matrix.cells if c.test == test and adapter in (None, c.adapter) for part in self._of(c)]
        n, images = len(truth.labels), np.arange(len(truth.labels))
        what = {k: [part[k] for part in found for _ in range(n)] for k in ("adapter", "sources", "target")}
        numbers = {"seed": np.repeat([part["seed"] for part in found], n), "image": np.tile(images, len(found))}
        names = {column: np.tile(values, len(found)) for column, values in names_of_images(truth).items()}
        predicted = np.concatenate([part["predicted"] for part in found]) if found else np.empty(0, np.int64)
        return DataFrame({**what, **numbers, **names, "label": np.tile(truth.labels, len(found)), "predicted": predicted})

    def _of(self, cell: Cell) -> list[dict[str, Any]]:
        """Return the predictions of each seed for a cell; none for a human cell."""
        tested = self.matrix.predictions.tested(cell.key)
        what = {"adapter": cell.adapter, "sources": "+".join(cell.sources), "target": cell.target or ""}
        found = zip(tested.seeds, tested.predicted, strict=True) if tested else ()
        return [{**what, "seed": seed, "predicted": predicted} for seed, predicted in found]

    def logits(self, run: str, test: str) -> NDArray[np.float32]:
        """Return the logits of each checkpoint of a run, (checkpoints, N, K) float32, read-only. Softmax gives probabilities.

        Raises:
            SpecError: the run is unknown, or was not tested on this dataset.
        """
        record = self._record(run)
        if test not in record.facts.tests:
            raise SpecError(f"run '{run}' was not tested on '{test}', but on {', '.join(record.facts.tests)}")
        return record.logits(test)

    def facts(self, run: str) -> Mapping[str, Any]:
        """Return the record of a run: losses by step, steps of its checkpoints, seconds, environment, digests."""
        found: dict[str, Any] = to_json(self._record(run).facts)
        return found

    def _record(self, run: str) -> StoredRun:
        records = {r.facts.name: r for r in self.matrix.predictions.records.values()}
        if run not in records:
            raise SpecError(f"no complete run '{run}'{nearest(run, records)}; the column 'run' of runs lists all")
        return records[run]


def _frame(of: type[Any], rows: Sequence[Any]) -> DataFrame:
    """Return dataclasses as a frame: int and bool as such, other numbers as float64 with NaN for None, all others as text."""
    from pandas import DataFrame

    kinds = {f.name: str(f.type) for f in fields(of)}
    exact = {"int": "int64", "bool": "bool"}
    numbers = {n: exact.get(k, "float64") for n, k in kinds.items() if k in exact or "int" in k or "float" in k}
    columns = {n: [v if n in numbers else _text(v) for v in (getattr(row, n) for row in rows)] for n in kinds}
    return DataFrame(columns).astype({n: numbers.get(n, "str") for n in kinds})


def _text(value: Any) -> str:
    return "+".join(value) if isinstance(value, list) else value or ""
