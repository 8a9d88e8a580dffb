"""A sweep's results as pandas frames and numpy arrays, for those who plot and test their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
    """What `dabench.load` returns. Several sources are one text, "a+b"; where there is no target, the text is empty.

    Attributes:
        matrix: the numbers as `dabench.report` returns them.
    """

    matrix: Matrix

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the K classes, in the order of the logits."""
        return self.matrix.classes

    @property
    def tests(self) -> Mapping[str, StoredLabels]:
        """Dataset -> the truth of its N test images.

        `labels`: (N,) int64, indices into `classes`; `groups`: (N,) int64 or None; `attributes`: name -> (N,).
        """
        return self.matrix.predictions.tests

    @cached_property
    def cells(self) -> DataFrame:
        """A row for each number of the matrix, as results.json has it.

        name (VGG-FER-NAE), adapter, backbone, sources, target, test, label_budget (target labels: "0", "5 per class", "all"),
        selection, metric: text. mean, low, high: float64, %, low and high bound the 95 % interval. seeds: int64. n: int64, test
        images.
        """
        return _frame(Cell, self.matrix.cells)

    @cached_property
    def gains(self) -> DataFrame:
        """A row for what each adapter wins on each target over `none`.

        name, adapter, sources, target, label_budget: text. mean, low, high: float64, percentage points. gap_closed: float64, %
        of what is lost out of domain, NaN where less than a point is lost. improved, seeds: int64. on_source: float64,
        percentage points. `dabench.analysis.results.Gain` describes every column.
        """
        return _frame(Gain, self.matrix.gains)

    @cached_property
    def summary(self) -> DataFrame:
        """A row for each adapter of which every run is there: means over all pairs of datasets, and the test of its gains.

        adapter, label_budget: text. pairs, seeds: int64. All else float64, NaN where there is no number;
        `dabench.analysis.summary.Summary` describes every column.
        """
        return _frame(Summary, self.matrix.summary)

    @cached_property
    def subgroups(self) -> DataFrame:
        """A row for each part of the test images by each attribute, of each cell.

        adapter, backbone, sources, target, test, attribute, value, metric, label_budget, selection: text. mean, low,
        high: float64, %. seeds, n: int64. subjects: float64, groups in this part, NaN where groups are not known.
        """
        return _frame(SubgroupCell, self.matrix.subgroups)

    @cached_property
    def runs(self) -> DataFrame:
        """A row for each finished run.

        run (its name, for `logits` and `facts`), method, sources, target, label_budget, device: text. seed, checkpoints: int64,
        the latter how many. train_seconds, test_seconds, total_seconds: float64.
        """
        from pandas import DataFrame

        runs = [record.facts for record in self.matrix.predictions.records.values()]
        columns: dict[str, tuple[str, list[Any]]] = {
            "run": ("str", [r.name for r in runs]),
            "method": ("str", [r.method for r in runs]),
            "sources": ("str", ["+".join(r.sources) for r in runs]),
            "target": ("str", [r.target or "" for r in runs]),
            "seed": ("int64", [r.seed for r in runs]),
            "label_budget": ("str", [r.label_budget for r in runs]),
            "checkpoints": ("int64", [len(r.checkpoints) for r in runs]),
            **{f"{part}_seconds": ("float64", [getattr(r.seconds, part) for r in runs]) for part in ("train", "test", "total")},
            "device": ("str", [str(r.environment.get("device", "")) for r in runs]),
        }
        return DataFrame({n: c for n, (_, c) in columns.items()}).astype({n: kind for n, (kind, _) in columns.items()})

    def predictions(self, test: str, adapter: str | None = None) -> DataFrame:
        """Return a row for each test image, each seed and each row of the matrix: what the chosen checkpoint predicted.

        adapter, sources, target: text. seed, image (position in the test split), label, predicted: int64, the last two indices
        into `classes`. group: int64, of the image, a column only where groups are known.

        Args:
            test: a dataset.
            adapter: of this alone.

        Raises:
            SpecError: there is no such dataset or adapter.
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
        groups = {} if truth.groups is None else {"group": np.tile(truth.groups, len(found))}
        predicted = np.concatenate([part["predicted"] for part in found]) if found else np.empty(0, np.int64)
        return DataFrame({**what, **numbers, **groups, "label": np.tile(truth.labels, len(found)), "predicted": predicted})

    def _of(self, cell: Cell) -> list[dict[str, Any]]:
        """Return what networks of each seed predicted for a cell; nothing for people's."""
        tested = self.matrix.predictions.tested(cell.key)
        what = {"adapter": cell.adapter, "sources": "+".join(cell.sources), "target": cell.target or ""}
        found = zip(tested.seeds, tested.predicted, strict=True) if tested else ()
        return [{**what, "seed": seed, "predicted": predicted} for seed, predicted in found]

    def logits(self, run: str, test: str) -> NDArray[np.float32]:
        """Return the logits of each checkpoint of a run, (checkpoints, N, K) float32, read-only; their softmax are probabilities.

        Raises:
            SpecError: there is no such run, or it was not tested on that dataset.
        """
        record = self._record(run)
        if test not in record.facts.tests:
            raise SpecError(f"run '{run}' was not tested on '{test}'; it was on {', '.join(record.facts.tests)}")
        return record.logits(test)

    def facts(self, run: str) -> Mapping[str, Any]:
        """Return what a run says of itself: losses by step, steps of its checkpoints, seconds, environment, digests."""
        found: dict[str, Any] = to_json(self._record(run).facts)
        return found

    def _record(self, run: str) -> StoredRun:
        records = {r.facts.name: r for r in self.matrix.predictions.records.values()}
        if run not in records:
            raise SpecError(f"there is no finished run '{run}'{nearest(run, records)}; the column 'run' of runs has all")
        return records[run]


def _frame(of: type[Any], rows: Sequence[Any]) -> DataFrame:
    """Return dataclasses as a frame: "int" as int64, all other numbers as float64 with NaN for None, the rest as text."""
    from pandas import DataFrame

    kinds = {f.name: str(f.type) for f in fields(of)}
    numbers = {n: "int64" if k == "int" else "float64" for n, k in kinds.items() if "int" in k or "float" in k}
    columns = {n: [v if n in numbers else _text(v) for v in (getattr(row, n) for row in rows)] for n in kinds}
    return DataFrame(columns).astype({n: numbers.get(n, "str") for n in kinds})


def _text(value: Any) -> str:
    return "+".join(value) if isinstance(value, list) else value or ""
