"""Bootstrap intervals over seeds and groups of test images (single images if groups are not known).

A resample draws as many groups and as many seeds as there are, with replacement. Its value is the result, plus the change due to
the drawn groups, plus that due to the drawn seeds. With few seeds or groups a bootstrap is too narrow. Therefore each of the
two changes is widened by Student's t for n units, by t(n - 1) / z * sqrt(n / (n - 1)): 9.2 for two seeds, 2.7 for three, 1.6 for
five, 1.2 for ten, and 1 for many. Both sides of a comparison share the resamples, so that common variation does not widen the
interval of the difference.

Coverage of the 95 % intervals, measured on simulated results (tests/analysis/test_intervals.py): with 3, 5 and 10 clearly
different seeds 95, 96 and 94 % (without widening 80, 90 and 92 %), with 5, 10 and 30 subjects 95, 94 and 95 % (without widening
84, 89 and 94 %). With nearly equal seeds it is up to 99 %. With one seed the interval is over images or groups only, and covered
the mean over all seeds in 41 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.metrics import Metric

RESAMPLES = 10_000

LEVEL = 0.95

_TABLE = 2**28

_AT_ONCE = 2**22

_CACHED = 2**18
"""Numbers in the largest table of resamples (half a gigabyte), in one block of work, and in the cache of a processor."""

PredictionCodes = NDArray[Any]
"""(S, N): code of the prediction of each seed on each image (`Metric.encode`)."""


def of_seeds(metric: Metric, kinds: PredictionCodes) -> NDArray[np.float64]:
    """Return the metric of each seed, (S,)."""
    counted = (np.unique(row, return_counts=True) for row in kinds)
    return np.array([metric.value((times @ metric.tally(different)).astype(np.float64)) for different, times in counted])


def point(metric: Metric, kinds: PredictionCodes) -> float:
    """Return the mean of the metric over seeds; NaN if undefined."""
    return float(of_seeds(metric, kinds).mean())


class Resampled(NamedTuple):
    """The metric of M models, NaN if undefined.

    Attributes:
        each: (M, S), for each seed.
        values: (M, resamples), mean over seeds in each resample.
    """

    each: NDArray[np.float64]
    values: NDArray[np.float64]


class Resampler:
    """Draw resamples for one metric: the same for all models, test splits and calls.

    It keeps the last table of draws, which the cells of a test split share, so it should live for one report.
    """

    def __init__(self, metric: Metric, resamples: int = RESAMPLES) -> None:
        self.metric, self.resamples = metric, resamples
        self._table: NDArray[Any] | None = None
        self._each: NDArray[np.float32] | None = None
        self._seeds: dict[int, NDArray[np.float64]] = {}

    def resample(self, models: Sequence[PredictionCodes], groups: NDArray[np.int64] | None) -> Resampled:
        """Return the metric of each model, and its values in resamples that all models share.

        Args:
            models: codes (S, N) of each model; seed s and image n correspond in all of them.
            groups: (N,) groups that are drawn together; None: each image is drawn alone.
        """
        metric = self.metric
        units, sizes = _units(metric, np.concatenate(models), groups)
        shape = (len(models), len(models[0]))
        each = metric.value(np.tensordot(sizes, units, 1)).reshape(shape)
        if np.isnan(each).any():
            return Resampled(each, np.full((len(models), self.resamples), np.nan))
        # A product, because a numpy mean over a short last axis takes ten times as long.
        over_seeds = np.full(shape[1], 1 / shape[1])
        rows = units.reshape(len(units), -1)
        sums = ((counts @ rows).reshape(len(counts), *units.shape[1:]).astype(np.float64) for counts in self.units(sizes))
        values = np.concatenate([metric.value(s).reshape(-1, *shape) @ over_seeds for s in sums]).T
        # Deviations from the mean of the resamples, so that a metric with a bias in resamples (calibration error) is not shifted.
        of_units = values - np.nanmean(values, axis=1, keepdims=True)
        mean = each.mean(1, keepdims=True)
        of_drawn = (each - mean) @ self.seeds(shape[1])
        return Resampled(each, mean + widening(int(sizes.sum())) * of_units + widening(shape[1]) * of_drawn)

    def units(self, sizes: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yield how often each kind of unit is drawn in each resample, as blocks (some resamples, U)."""
        total, step = int(sizes.sum()), max(1, _AT_ONCE // len(sizes))
        if len(sizes) == total and total * self.resamples <= _AT_ONCE:
            table = self._drawn(total)
            if self._each is None:  # each unit is its own kind, such as subjects: the same for all cells
                self._each = np.diff(table, axis=0).T.astype(np.float32)
            yield self._each
            return
        starts = range(0, self.resamples, step)
        if (total + 1) * self.resamples > _TABLE:
            rng = np.random.default_rng([0, total])
            for start in starts:
                yield rng.multinomial(total, sizes / total, size=min(step, self.resamples - start)).astype(np.float32)
            return
        table, edges = self._drawn(total), np.concatenate([[0], np.cumsum(sizes)])
        for start in starts:
            yield np.diff(table[edges, start : start + step], axis=0).T.astype(np.float32)

    def seeds(self, seeds: int) -> NDArray[np.float64]:
        """Return the share of each seed among the drawn seeds of each resample, (S, resamples)."""
        if seeds not in self._seeds:
            drawn = np.random.default_rng([1, seeds]).multinomial(seeds, np.full(seeds, 1 / seeds), size=self.resamples)
            self._seeds[seeds] = np.ascontiguousarray(drawn.T / seeds)
        return self._seeds[seeds]

    def _drawn(self, units: int) -> NDArray[Any]:
        if self._table is None or len(self._table) != units + 1:
            self._table = self._each = None  # frees the old table before the new one is made
            self._table = _table(units, self.resamples)
        return self._table


@lru_cache(maxsize=1024)
def widening(n: int) -> float:
    """Return the factor that widens the spread of bootstrap means of n units to that of Student's t; 1 for one unit."""
    if n < 2:
        return 1.0
    from scipy.special import ndtri, stdtrit

    upper = (1 + LEVEL) / 2
    return float(stdtrit(n - 1, upper) / ndtri(upper) * np.sqrt(n / (n - 1)))


def _units(
    metric: Metric, rows: PredictionCodes, groups: NDArray[np.int64] | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the contribution of each kind of unit to the sums of each row (M, N), as (U, M, T), and its frequency, (U,).

    Images with equal codes in all rows are one kind of unit. So are groups with equal sums, if there are many. The order of the
    kinds does not depend on the order of the images.
    """
    order = np.lexsort(rows) if groups is None else np.argsort(groups, kind="stable")
    rows = rows[:, order]
    changes = (rows[:, 1:] != rows[:, :-1]).any(0) if groups is None else np.diff(groups[order]) != 0
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    if groups is None:
        return metric.tally(rows[:, starts].T), np.diff(np.append(starts, rows.shape[1]))
    sums = np.add.reduceat(metric.tally(rows.T), starts, axis=0, dtype=np.float64).astype(np.float32)
    if len(starts) * RESAMPLES <= _AT_ONCE:  # few groups: each is its own kind, so that all cells share their resamples
        return sums, np.ones(len(starts), np.int64)
    different, sizes = np.unique(sums.reshape(len(sums), -1), axis=0, return_counts=True)
    return different.reshape(-1, *sums.shape[1:]), sizes


def _table(units: int, resamples: int) -> NDArray[Any]:
    """Return how many draws of each resample fall on the first j units, (units + 1, resamples).

    The units of a kind are adjacent, so the difference of two rows is how often the kind is drawn. The resamples of a test split
    are thus drawn once for all cells of the matrix.
    """
    rng = np.random.default_rng([0, units])
    table = np.zeros((units + 1, resamples), np.min_scalar_type(units))
    step = max(1, _CACHED // units)
    for start in range(0, resamples, step):
        size = (min(step, resamples - start), units)
        drawn = rng.integers(0, units, size=size) + units * np.arange(size[0])[:, None]
        counts = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(size)
        table[1:, start : start + step] = np.cumsum(counts, axis=1, out=counts).T
    return table


def interval(values: NDArray[np.float64], least: float = 0.0) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled values, ignoring resamples without a value.

    Args:
        least: smallest possible value: 0 for a metric, -1 for a difference. The largest is 1.
    """
    tail = 100 * (1 - LEVEL) / 2
    known = values[~np.isnan(values)]
    low, high = np.clip(np.percentile(known, [tail, 100 - tail]) if len(known) else [np.nan, np.nan], least, 1.0)
    return float(low), float(high)


def percent(value: float) -> float:
    """Return a share in %, rounded to four decimals."""
    return round(100 * value, 4) + 0.0  # turns -0.0 into 0.0
