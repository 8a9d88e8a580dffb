"""Two tables beside each other: cell by cell with the interval of the difference, and what differs in their conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dabench.analysis.bootstrap import Resampler, interval, percent
from dabench.analysis.metrics import LOWER_IS_BETTER, find_metric
from dabench.analysis.sides import ComparisonSide, TableKey

NOTE = (
    "A - B in points, with its 95 % interval: a bootstrap of both at once where both hold predictions of the same seeds on the "
    "same test images, else from both intervals as of independent numbers (Zou and Donner 2008), which is wider. A published "
    "number without an interval counts as exact."
)
"""What a reader of the differences must know. G. Y. Zou and A. Donner, Construction of confidence limits about effect measures,
Statistics in Medicine 27, 2008, 1693-1702."""


@dataclass(frozen=True)
class CellPair:
    """A cell on both sides, in % and in points; None where a side does not have it.

    Attributes:
        first, second: the cell as in results.json.
        difference: first minus second; low and high bound its 95 % interval, None where neither side has an interval.
        paired: whether the interval is of predictions on the same images with the same seeds.
        lower_is_better: whether the first side is better where its number is the lower one.
    """

    first: Mapping[str, Any] | None
    second: Mapping[str, Any] | None
    difference: float | None
    low: float | None
    high: float | None
    paired: bool
    lower_is_better: bool = False

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
    """A condition that differs: a setting, a dataset's prepared data, a version. None: not there, or not known."""

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
        """Return the cells of which the first is worse by more than `points`, and the interval of the difference says so."""
        return [p for p in self.pairs if p.verdict == "worse" and p.difference is not None and abs(p.difference) > points]

    def outside(self) -> list[CellPair]:
        """Return the cells of which the first's number lies outside the interval of the second's, on whichever side."""
        both = [(p, p.first["mean"], p.second) for p in self.pairs if p.first and p.second and p.second.get("low") is not None]
        return [pair for pair, mean, second in both if not second["low"] <= mean <= second["high"]]

    @property
    def common(self) -> int:
        """How many cells both sides have."""
        return sum(p.difference is not None for p in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        both = (("first", self.first), ("second", self.second))
        sides = {name: {"title": s.title, "kind": s.kind, "selection": s.selection} for name, s in both}
        cells = [{**asdict(p), "verdict": p.verdict} for p in self.pairs]
        return {**sides, "metric": self.first.metric, "cells": cells, "changes": [asdict(c) for c in self.changes]}


def compared(first: ComparisonSide, second: ComparisonSide) -> Comparison:
    """Lay two tables beside each other."""
    places = dict.fromkeys([*second.cells, *first.cells])
    return Comparison(first, second, [_pair(first, second, where) for where in places], _changes(first, second))


def _pair(first: ComparisonSide, second: ComparisonSide, where: TableKey) -> CellPair:
    mine, other, lower = first.cells.get(where), second.cells.get(where), first.metric in LOWER_IS_BETTER
    if mine is None or other is None:
        return CellPair(mine, other, None, None, None, False, lower)
    difference = round(mine["mean"] - other["mean"], 4) + 0.0
    bounds = _paired(first, second, where)
    if bounds:
        return CellPair(mine, other, difference, *bounds, True, lower)
    if mine.get("low") is None and other.get("low") is None:
        return CellPair(mine, other, difference, None, None, False, lower)
    (up_a, down_a), (up_b, down_b) = _arms(mine), _arms(other)
    low, high = difference - math.hypot(down_a, up_b), difference + math.hypot(up_a, down_b)
    return CellPair(mine, other, difference, round(low, 4), round(high, 4), False, lower)


def _arms(cell: Mapping[str, Any]) -> tuple[float, float]:
    """Return how far an interval goes above and below its number; a published number without one is taken as it stands."""
    return (0.0, 0.0) if cell.get("low") is None else (cell["high"] - cell["mean"], cell["mean"] - cell["low"])


def _paired(first: ComparisonSide, second: ComparisonSide, where: TableKey) -> tuple[float, float] | None:
    """Return the interval of the difference by a bootstrap of both at once, or None where they do not pair."""
    if first.runs is None or second.runs is None:
        return None
    key = where.key
    seeds = [list(r.of(key)) for r in (first.runs, second.runs)]
    classes = [r.record.classes for r in (first.runs, second.runs)]
    truths = [r.tests[key.test] for r in (first.runs, second.runs)]
    if any(truth.facts.sorted for truth in truths):  # by what one side predicted: the other's images come otherwise
        return None
    if seeds[0] != seeds[1] or classes[0] != classes[1] or truths[0].facts.digest != truths[1].facts.digest:
        return None
    one, other = (r.tested(key) for r in (first.runs, second.runs))
    if one is None or other is None:
        return None
    metric = find_metric(first.metric, classes[0], first.runs.attributes)
    values = Resampler(metric).resample([metric.encode(side.outcome) for side in (one, other)], one.groups).values
    low, high = interval(values[0] - values[1], least=-1.0)
    return percent(low), percent(high)


def _changes(first: ComparisonSide, second: ComparisonSide) -> list[ConditionChange]:
    """Return what differs in settings, data and versions, of what both sides know."""
    found = []
    alone = {*first.settings.get("adapters", ())} ^ {*second.settings.get("adapters", ())}
    tables = [(first.settings, second.settings), (first.datasets, second.datasets), (first.versions, second.versions)]
    for heading, (one, other) in zip(("", "data of ", "ran with "), tables, strict=True):
        if one and other:
            # Options of an adapter, and data, that one side does not have at all: the lists of them say so.
            shared = [k for k in one if k in other]
            keys = shared if heading else [k for k in dict.fromkeys([*one, *other]) if k.partition(".")[0] not in alone]
            found += [ConditionChange(heading + k, one.get(k), other.get(k)) for k in keys if one.get(k) != other.get(k)]
    return found
