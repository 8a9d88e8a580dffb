"""Compare two tables cell by cell, with intervals of the differences, and compare their conditions.

A table is the output folder of a sweep, a pack, or a committed table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dabench.analysis.baselines import Baseline, known_tables, read_baseline, records_of, short_names_of
from dabench.analysis.environments import environments_of, mixed_text, settings_of, versions_of
from dabench.analysis.export import open_results
from dabench.analysis.intervals import Spread, percent, spread
from dabench.analysis.matrix import read_matrix
from dabench.analysis.metrics import LOWER_IS_BETTER, find_metric
from dabench.analysis.predictions import Predictions
from dabench.errors import SpecError, nearest
from dabench.storage.reader import ResultsReader
from dabench.storage.remote_fs import is_remote
from dabench.storage.schema import CellKey
from dabench.training.selection import LAST

NOTE = (
    "A - B in points with its 95 % interval: image by image if both have predictions of the same seeds on the same test "
    "images; otherwise computed from both intervals as of independent numbers (Zou and Donner 2008), which is wider. A published "
    "number without an interval counts as exact. Round brackets: of one seed; other trainings may differ by more."
)
"""The note on the differences. G. Y. Zou and A. Donner, Construction of confidence limits about effect measures,
Statistics in Medicine 27, 2008, 1693-1702."""


class TableKey(NamedTuple):
    """The key of a cell, across tables."""

    key: CellKey
    backbone: str
    labels: str


@dataclass(frozen=True)
class ComparisonSide:
    """One side of a comparison.

    Attributes:
        title: the name or path given, for the heading.
        kind: "measured" or "published".
        selection: selection rule of the checkpoints; empty if not known.
        cells: cells as in results.json, by key.
        short_names: dataset -> short name.
        settings: as returned by `settings_of`; empty if not known.
        datasets: dataset -> digest of its prepared data, if known.
        missing: names of missing runs.
        mixed: in what its runs differ, as text.
        table: the committed table, if it is one.
        runs: the predictions of an output folder, a pack, or a committed table with a pack.
    """

    title: str
    kind: str
    metric: str
    selection: str
    cells: Mapping[TableKey, Mapping[str, Any]]
    short_names: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    mixed: str = ""
    table: Baseline | None = None
    runs: Predictions | None = None


def sides(
    first: str | Path, second: str | Path, metric: str | None, selection: str | None
) -> tuple[ComparisonSide, ComparisonSide]:
    """Return both sides of a comparison, with the same metric and, if predictions are available, the same selection rule.

    Args:
        metric: None: that of the committed table if there is one, else accuracy; selection: None: likewise, else last.

    Raises:
        StoreError: one of the two is damaged.
        SpecError: one of the two does not exist, or a committed table has another metric.
    """
    found = [_found(first), _found(second)]
    tables = [side for side in found if not isinstance(side, ResultsReader)]
    metric = metric or next((t["metric"] for t in tables), "accuracy")
    selection = selection or next((t["selection"] for t in tables if t.get("selection")), None) or LAST
    for table in tables:
        if table["metric"] != metric:
            raise SpecError(f"baseline '{table['name']}' has the metric {table['metric']}, not {metric}; omit --metric")
    one, other = (
        _of_results(s, metric, selection) if isinstance(s, ResultsReader) else _of_baseline(s, records_of(what))
        for what, s in zip((first, second), found, strict=True)
    )
    return one, other


def _found(what: str | Path) -> ResultsReader | Baseline:
    """Return the results of a name or path: an existing output folder or pack, else a committed table."""
    path = Path(what).expanduser()
    if is_remote(what):
        return open_results(what)
    if (path / "sweep.json").is_file() or path.suffix == ".zip":
        return open_results(path)
    if path.suffix in (".json", ".toml") or str(what) in known_tables():
        return read_baseline(what)
    if path.is_dir():
        open_results(path).read_sweep()  # raises the error that the folder is not an output folder
    known = known_tables()
    raise SpecError(
        f"unknown baseline '{what}'{nearest(str(what), known)}; known: {', '.join(known)}, or a .json or .toml file; "
        "or the path of an existing output folder or pack"
    )


def _of_results(stored: ResultsReader, metric: str, selection: str) -> ComparisonSide:
    matrix = read_matrix(stored, metric, selection)
    runs = matrix.predictions
    return ComparisonSide(
        str(stored.place),
        "measured",
        metric,
        selection,
        {place(vars(c)): vars(c) for c in matrix.cells},
        {n: f.short_name for n, f in matrix.datasets.items()},
        settings_of(matrix.record),
        {n: f.digest for n, f in matrix.datasets.items()},
        versions_of(environments_of(runs.records.values())),
        matrix.missing,
        mixed_text(matrix.mixed),
        runs=runs,
    )


def _of_baseline(table: Baseline, records: Path | None) -> ComparisonSide:
    measured = table["kind"] == "measured"
    pack = open_results(records) if measured and records else None
    return ComparisonSide(
        f"baseline {table['name']}",
        table["kind"],
        table["metric"],
        table.get("selection", ""),
        {place(c): c for c in table["cells"]},
        short_names_of(table),
        table.get("settings", {}),
        {n: f["digest"] for n, f in table["datasets"].items()} if measured else {},
        versions_of(table["provenance"]["environments"]) if measured else {},
        table=table,
        runs=Predictions(pack, pack.read_sweep(), table["selection"]) if pack else None,
    )


def place(cell: Mapping[str, Any]) -> TableKey:
    """Return the key of a cell across tables."""
    key = CellKey(cell["adapter"], tuple(cell["sources"]), cell.get("target"), cell["test"])
    return TableKey(key, cell["backbone"], cell.get("label_budget", "0"))


@dataclass(frozen=True)
class CellPair:
    """A cell on both sides, in % and in points; None where a side does not have it.

    Attributes:
        first, second: the cell as in results.json.
        difference: first minus second; low and high bound its 95 % interval, None where neither side has an interval.
        paired: whether the interval is of predictions on the same images with the same seeds.
        lower_is_better: whether the first side is better where its number is the lower one.
        interval_over: over what the interval is, as for a cell; None if it is over seeds and images but not paired.
    """

    first: Mapping[str, Any] | None
    second: Mapping[str, Any] | None
    difference: float | None
    low: float | None
    high: float | None
    paired: bool
    lower_is_better: bool = False
    interval_over: str | None = None

    @property
    def verdict(self) -> str:
        """What the difference says of the first side."""
        if self.difference is None:
            return "only in A" if self.first else "only in B"
        if self.low is None or self.high is None:
            return "no interval"
        if self.low == self.high == 0:
            return "the same"
        below, above = ("better", "worse") if self.lower_is_better else ("worse", "better")
        return below if self.high < 0 else above if self.low > 0 else "no clear change"


@dataclass(frozen=True)
class ConditionChange:
    """A condition that differs: a setting, the prepared data of a dataset, or a version. None: absent or not known."""

    what: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Comparison:
    """Two tables cell by cell."""

    first: ComparisonSide
    second: ComparisonSide
    pairs: list[CellPair]
    changes: list[ConditionChange]

    def fallen(self, points: float = 0.0) -> list[CellPair]:
        """Return the cells in which the first side is worse by more than `points`, with an interval that excludes 0."""
        return [p for p in self.pairs if p.verdict == "worse" and p.difference is not None and abs(p.difference) > points]

    def outside(self) -> list[CellPair]:
        """Return the cells in which the first side lies outside the interval of the second side."""
        both = [(p, p.first["mean"], p.second) for p in self.pairs if p.first and p.second and p.second.get("low") is not None]
        return [pair for pair, mean, second in both if not second["low"] <= mean <= second["high"]]

    @property
    def common(self) -> int:
        """Number of cells that both sides have."""
        return sum(p.difference is not None for p in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        both = (("first", self.first), ("second", self.second))
        sides = {name: {"title": s.title, "kind": s.kind, "selection": s.selection} for name, s in both}
        cells = [{**asdict(p), "verdict": p.verdict} for p in self.pairs]
        return {**sides, "metric": self.first.metric, "cells": cells, "changes": [asdict(c) for c in self.changes]}


def compared(first: ComparisonSide, second: ComparisonSide) -> Comparison:
    """Return the comparison of two tables."""
    places = dict.fromkeys([*second.cells, *first.cells])
    return Comparison(first, second, [_pair(first, second, where) for where in places], _changes(first, second))


def _pair(first: ComparisonSide, second: ComparisonSide, where: TableKey) -> CellPair:
    mine, other, lower = first.cells.get(where), second.cells.get(where), first.metric in LOWER_IS_BETTER
    if mine is None or other is None:
        return CellPair(mine, other, None, None, None, False, lower)
    difference = round(mine["mean"] - other["mean"], 4) + 0.0
    if paired := _paired(first, second, where):
        low, high = paired.difference()
        return CellPair(mine, other, difference, percent(low), percent(high), True, lower, paired.over)
    of_one_seed = "images" if any(cell.get("seeds") == 1 for cell in (mine, other)) else None
    return CellPair(mine, other, difference, *_unpaired(mine, other, difference), False, lower, of_one_seed)


def _unpaired(a: Mapping[str, Any], b: Mapping[str, Any], difference: float) -> tuple[float | None, float | None]:
    """Return the interval of the difference from those of both; a published number without an interval counts as exact."""
    if a.get("low") is None and b.get("low") is None:
        return None, None
    arms = ((0.0, 0.0) if c.get("low") is None else (c["high"] - c["mean"], c["mean"] - c["low"]) for c in (a, b))
    (up_a, down_a), (up_b, down_b) = arms
    return round(difference - math.hypot(down_a, up_b), 4), round(difference + math.hypot(up_a, down_b), 4)


def _paired(first: ComparisonSide, second: ComparisonSide, where: TableKey) -> Spread | None:
    """Return both sides' results and spread image by image, or None if the predictions cannot be paired."""
    if first.runs is None or second.runs is None:
        return None
    key, both = where.key, (first.runs, second.runs)
    if any(r.facts[key.test].sorted for r in both):  # sorted by the predictions of one side, so that images do not correspond
        return None
    mine, others = ((list(r.of(key)), r.record.classes, r.facts[key.test].digest) for r in both)
    one, other = (r.tested(key) if mine == others else None for r in both)
    if one is None or other is None:
        return None
    metric = find_metric(first.metric, first.runs.record.classes, first.runs.attributes)
    return spread(metric, [metric.encode(side.outcome) for side in (one, other)], one.groups)


def _changes(first: ComparisonSide, second: ComparisonSide) -> list[ConditionChange]:
    """Return the differences in settings, data and versions, as far as both sides have them."""
    found = []
    alone = {*first.settings.get("adapters", ())} ^ {*second.settings.get("adapters", ())}
    tables = [(first.settings, second.settings), (first.datasets, second.datasets), (first.versions, second.versions)]
    for heading, (one, other) in zip(("", "data of ", "ran with "), tables, strict=True):
        if one and other:
            # Adapters and datasets that only one side has are seen in the lists of adapters and datasets.
            shared = [k for k in one if k in other]
            keys = shared if heading else [k for k in dict.fromkeys([*one, *other]) if k.partition(".")[0] not in alone]
            found += [ConditionChange(heading + k, one.get(k), other.get(k)) for k in keys if one.get(k) != other.get(k)]
    return found
