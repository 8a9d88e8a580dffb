"""95 % intervals of results over seeds and over units: groups of test images, or single images if groups are not known.

A result is a mean over S seeds of a metric on U units. Its variance is found by the jackknife (Tukey 1958; Efron and Stein, The
Jackknife Estimate of Variance, 1981, eq. 1.2), which leaves out one unit at a time. No class of two units is ever absent, so what
is measured never changes, and nothing is drawn at random. With d_us the change of the result of seed s without unit u, less its
mean over units, and x_s the result of seed s, the table of both has three parts (Searle, Casella and McCulloch, Variance
Components, 1992, section 4.3):

    V_seeds = sum_s (x_s - x)^2 / (S (S - 1))                        spread of seeds
    V_units = (U - 1) / U * sum_u d_u^2                              spread of units; d_u: mean of d_us over seeds
    V_both  = (U - 1) / U * sum_us (d_us - d_u)^2 / (S (S - 1))      noise of single predictions, which both spreads contain

The half width of an interval is sqrt(t_S^2 V_seeds + t_U^2 (V_units - V_both)): the noise counts once. t_n is the quantile of
Student's t with n - 1 degrees of freedom: 12.7 for two seeds, 4.3 for three, 2.8 for five, 2.0 for many. If there are fewer units
than seeds, the noise is taken from the spread of seeds instead, so that it has the larger t.

Results in [0, 1] have Wilson's interval (Wilson 1927, eq. 3) of this half width. It stays in [0, 1] and has a width at 0 and 1.
A gain closed in percent of a drop is a ratio; its interval is Fieller's (Fieller 1954).

`python tests/analysis/coverage.py` prints how often intervals hold the true value in simulations, and how wide they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.metrics import Metric

LEVEL = 0.95

Interval = tuple[float, float]

PredictionCodes = NDArray[Any]
"""(S, N): code of the prediction of each seed on each image (`Metric.encode`)."""

_SAME = 1e-12
"""A squared half width up to this is a rounding error: no unit and no seed differs from another."""


def of_seeds(metric: Metric, kinds: PredictionCodes) -> NDArray[np.float64]:
    """Return the metric of each seed, (S,)."""
    counted = (np.unique(row, return_counts=True) for row in kinds)
    return np.array([metric.value((times @ metric.tally(different)).astype(np.float64)) for different, times in counted])


def point(metric: Metric, kinds: PredictionCodes) -> float:
    """Return the mean of the metric over seeds; NaN if undefined."""
    return float(of_seeds(metric, kinds).mean())


@dataclass(frozen=True)
class Spread:
    """Results of M models on the same seeds and units, and covariances of their means. All are shares, not percent.

    Attributes:
        each: (M, S) the metric of each model and seed; NaN if undefined.
        seeds, units, both: (M, M) covariances: the three parts of the variance above.
        count: U, the number of units on which the metric depends.
        unit: what the units are: "groups" or "images"; "images of one group" if all images are of one.
    """

    each: NDArray[np.float64]
    seeds: NDArray[np.float64]
    units: NDArray[np.float64]
    both: NDArray[np.float64]
    count: int
    unit: str

    @property
    def over(self) -> str:
        """Over what an interval is, such as "seeds and groups", or "images" for one seed."""
        return " and ".join([*(["seeds"] if self.each.shape[1] > 1 else []), self.unit])

    def mean(self, weights: Sequence[float]) -> float:
        """Return the mean over seeds of the models' sum with these weights (M,)."""
        return float(np.asarray(weights) @ self.each.mean(1))

    def half_width(self, weights: Sequence[float]) -> float:
        """Return the half width of the interval of the models' sum with these weights (M,); infinite if nothing is known."""
        w = np.asarray(weights)
        seeds, units, both = (float(w @ part @ w) for part in (self.seeds, self.units, self.both))
        return half_width((seeds, self.each.shape[1]), (units, self.count), both)

    def interval(self, model: int = 0) -> Interval:
        """Return the interval of one model, in [0, 1]."""
        weights = np.eye(len(self.each))[model].tolist()
        return share_interval(self.mean(weights), self.half_width(weights), self.count)

    def difference(self, one: int = 0, other: int = 1) -> Interval:
        """Return the interval of the difference of two models, in [-1, 1].

        It has no width if both agree on every image, unless all are right or all are wrong: further images may then differ.
        """
        weights = np.zeros(len(self.each))
        weights[[one, other]] = 1, -1
        mean, half = self.mean(weights.tolist()), self.half_width(weights.tolist())
        return difference_bounds(mean, half, self.each[[one, other]].ravel().tolist(), self.count)

    def ratio(self, part: Sequence[float], whole: Sequence[float]) -> Interval | None:
        """Return the interval of the ratio of two weighted sums (M,) of the models; None if it is unbounded.

        It holds all ratios r for which the interval of part - r * whole contains 0. It is unbounded if that of `whole` does.
        """
        top, bottom = np.asarray(part), np.asarray(whole)
        if abs(self.mean(whole)) <= self.half_width(whole):
            return None

        def inside(ratio: float) -> bool:
            rest = (top - ratio * bottom).tolist()
            return abs(self.mean(rest)) <= self.half_width(rest)

        middle = self.mean(part) / self.mean(whole)
        return _end(inside, middle, -1.0), _end(inside, middle, 1.0)


def _end(inside: Callable[[float], bool], start: float, step: float) -> float:
    """Return the last number inside, from `start` in the direction of `step`, by doubling the step and then by bisection."""
    within, step = start, step * 1e-6
    while inside(within + step):
        within, step = within + step, 2 * step
    for _ in range(40):
        step /= 2
        within = within + step if inside(within + step) else within
    return within


def half_width(seeds: tuple[float, int], units: tuple[float, int], both: float = 0.0) -> float:
    """Return the half width of an interval, infinite if there is one seed and one unit.

    Args:
        seeds, units: variance of the mean due to each, and their number; both: the part that the two variances share.
    """
    (of_seeds, s), (of_units, u) = seeds, units
    if s < 2 and u < 2:
        return float("inf")
    if s <= u:
        of_units -= both
    else:
        of_seeds -= both
    squared = student(s) ** 2 * max(of_seeds, 0.0) + student(u) ** 2 * max(of_units, 0.0)
    # By chance both parts may vanish. An interval has at least the standard error over units.
    return float(np.sqrt(max(squared, units[0])))


@lru_cache(maxsize=1024)
def student(n: int) -> float:
    """Return the 97.5 % quantile of Student's t for n units; 0 for one unit, which has no spread."""
    if n < 2:
        return 0.0
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + LEVEL) / 2))


def share_interval(mean: float, half: float, count: int) -> Interval:
    """Return Wilson's interval of a result in [0, 1] with this half width.

    If no unit differs from another, such as at 0 and 1, it is that of `count` independent units: how errors would cluster in
    groups is not known, so each group counts once.
    """
    variance = mean * (1 - mean)
    ratio = half**2 / variance if variance > _SAME and half**2 > _SAME else _nothing_seen(count)
    if not np.isfinite(ratio):
        return 0.0, 1.0
    middle = (mean + ratio / 2) / (1 + ratio)
    reach = np.sqrt(ratio * variance + ratio**2 / 4) / (1 + ratio)
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def difference_bounds(mean: float, half: float, each: Sequence[float], count: int) -> Interval:
    """Return the interval of a difference of two results in [-1, 1] with this half width.

    Args:
        each: the results of both sides with every seed. If all are 0 or 1 and no unit differs from another, further units may,
            so the interval has a width.
        count: number of units.
    """
    if half**2 <= _SAME and np.isin(each, (0, 1)).all():
        half = 1 - 1 / (1 + _nothing_seen(count))
    return max(mean - half, -1.0), min(mean + half, 1.0)


def _nothing_seen(count: int) -> float:
    """Return t^2 / n of units of which none differs from another."""
    return student(count) ** 2 / count if count > 1 else float("inf")


def spread(metric: Metric, models: Sequence[PredictionCodes], groups: NDArray[np.int64] | None) -> Spread:
    """Return results and covariances of models.

    Args:
        models: codes (S, N) of each model; seed s and image n correspond in all of them.
        groups: (N,) groups of images that are left out together; None: each image is left out alone, as if all are of one group.
    """
    unit = "images" if groups is None else "groups"
    if groups is not None and (groups == groups[0]).all():
        groups, unit = None, "images of one group"
    order = None if groups is None else np.argsort(groups, kind="stable")
    starts = None if groups is None else np.flatnonzero(np.diff(groups[order], prepend=groups[order][0] - 1))
    rows = [_without_each(metric, row, order, starts) for model in models for row in model]
    shape = (len(models), len(models[0]))
    each = np.array([value for value, _, _ in rows]).reshape(shape)
    if np.isnan(each).any():
        unknown = np.full((len(models), len(models)), np.nan)
        return Spread(each, unknown, unknown, unknown, 0, unit)
    used = np.any([counts for _, _, counts in rows], axis=0)
    changes = np.stack([change[used] for _, change, _ in rows]).reshape(*shape, -1)
    return Spread(each, *_parts(each, changes), int(used.sum()), unit)


def _without_each(
    metric: Metric, row: PredictionCodes, order: NDArray[np.int64] | None, starts: NDArray[np.int64] | None
) -> tuple[float, NDArray[np.float64], NDArray[np.bool_]]:
    """Return the metric of one seed, its change without each unit (U,), and which units it depends on (U,).

    The change is that of the metric with all units compared with all but one; 0 where the metric is then undefined.
    """
    if order is None or starts is None:
        codes, at, times = np.unique(row, return_inverse=True, return_counts=True)
        sums = metric.tally(codes).astype(np.float64)
        total = times @ sums
    else:
        sums = np.add.reduceat(metric.tally(row[order]), starts, axis=0, dtype=np.float64)
        total, at = sums.sum(0), np.arange(len(sums))
    value = float(metric.value(total))
    changes = np.nan_to_num(value - metric.value(total - sums))
    return value, changes[at], np.asarray(sums.any(axis=1))[at]


def _parts(
    each: NDArray[np.float64], changes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the covariances of the M models due to seeds, to units and to both, from each (M, S) and changes (M, S, U)."""
    models, s, u = changes.shape
    changes = changes - changes.mean(2, keepdims=True)
    of_units = changes.mean(1)
    scale = (u - 1) / u
    units = scale * of_units @ of_units.T
    if s < 2:
        return np.zeros((models, models)), units, np.zeros((models, models))
    apart = each - each.mean(1, keepdims=True)
    rest = (changes - of_units[:, None]).reshape(models, -1)
    return apart @ apart.T / (s * (s - 1)), units, scale * rest @ rest.T / (s * (s - 1))


def percent(value: float) -> float:
    """Return a share in %, rounded to four decimals."""
    return round(100 * value, 4) + 0.0  # turns -0.0 into 0.0
