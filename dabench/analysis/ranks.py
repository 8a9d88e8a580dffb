"""Rank the adapters over all pairs of datasets, and find which of them cannot be told apart.

On each pair the adapters are ranked by their mean over seeds: 1 is the best, and equal results share the mean of their ranks.
The mean rank over pairs and the figure of it follow Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets,
JMLR 7, 2006.

The critical difference is another one: Demsar's assumes independent datasets, but pairs share targets and sources. Here the
adapters are exchanged at random, on all pairs of a target together. If no adapter were better than another, each exchange
would be as likely. The largest difference of mean ranks exceeds a limit in at most 5 % of them. The same is done for sets of
sources and for single pairs. The limits are combined as variances with two ways of clustering are (Cameron, Gelbach and
Miller, Robust Inference With Multiway Clustering, 2011, eq. 2.10): the squares of those of targets and sources are added,
that of single pairs is subtracted. The critical difference is never smaller than the limit of targets or that of sources. In
simulations it tells equally good adapters apart in at most 5 % of the cases.

With fewer than six targets or sets of sources even two adapters could not be told apart (2 of 2^5 ways to exchange them are 6
%). Then there is no critical difference and no interval, and no adapters are told apart.

An interval is that of a bootstrap over targets and seeds, both widened by Student's t. To the
targets one is added on which all adapters have the middle rank: an adapter with the same rank on six targets may have
another one on the next, and its interval must not have width zero.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.intervals import LEVEL, student
from dabench.analysis.metrics import Metric
from dabench.analysis.summary import Summary, kinds_of, units_needed
from dabench.storage.schema import CellKey, SweepRecord, Task

RESAMPLES, EXCHANGES = 2_000, 2_000

_SAME = 9
"""Decimals up to which results are compared, so that equal ones share a rank."""


@dataclass(frozen=True)
class MeanRank:
    """The mean rank of an adapter, 1 for the best, with its 95 % interval over targets and seeds, and its conditions.

    Attributes:
        low, high: the interval; None with too few targets or sets of sources.
    """

    adapter: str
    label_budget: str
    rank: float
    low: float | None
    high: float | None
    seeds: int
    selection: str
    target_images: str
    steps_min: int | None
    steps_max: int | None


@dataclass(frozen=True)
class Ranking:
    """The mean ranks of the adapters over all pairs of one kind.

    Attributes:
        kind: as in `Summary`; pairs, targets, source_sets: number of pairs, and of their targets and sets of sources.
        needed: least number of targets and of sets of sources with which adapters can be told apart.
        critical: adapters whose mean ranks differ by more can be told apart; None if there are fewer than `needed`.
        methods: best first.
        groups: the largest groups of adapters of which no two can be told apart, best first. An adapter may be in several.
    """

    kind: str
    pairs: int
    targets: int
    source_sets: int
    needed: int
    critical: float | None
    methods: list[MeanRank]
    groups: list[list[str]]


def rankings(
    record: SweepRecord, summary: Sequence[Summary], results: Mapping[CellKey, NDArray[np.float64]], metric: Metric
) -> list[Ranking]:
    """Return the ranking of the adapters that have means, for each kind of pairs with at least two of them.

    Args:
        results: cell -> the metric of each seed on the target, (S,).
    """
    found = []
    for kind, tasks in kinds_of(record.labelled_tasks).items():
        rows = [s for s in summary if s.kind == kind]
        if len(rows) > 1:
            values = np.array([[results[record.cell(s.adapter, task)] for task in tasks] for s in rows])
            found.append(_ranking(kind, tasks, rows, metric.won(1.0) * values))
    return found


def _ranking(kind: str, tasks: Sequence[Task], rows: Sequence[Summary], values: NDArray[np.float64]) -> Ranking:
    """Return the ranking of M adapters by their results (M, P, S) on P pairs, where higher is better."""
    targets, sources = _numbered([target for _, target in tasks]), _numbered([sources for sources, _ in tasks])
    ranks = ranks_of(values.mean(2))
    mean = ranks.mean(1)
    needed, units = units_needed(), (int(targets.max()) + 1, int(sources.max()) + 1)
    critical = None if min(units) < needed else critical_difference(ranks, targets, sources)
    unknown: list[tuple[float | None, float | None]] = [(None, None)] * len(rows)
    bounds = unknown if critical is None else _intervals(values, ranks, targets)
    order = np.argsort(mean, kind="stable").tolist()
    methods = [_mean_rank(rows[m], float(mean[m]), *bounds[m]) for m in order]
    groups = list(_groups(methods, critical))
    return Ranking(kind, len(tasks), *units, needed, None if critical is None else round(critical, 4), methods, groups)


def _mean_rank(of: Summary, rank: float, low: float | None, high: float | None) -> MeanRank:
    steps = (of.steps_min, of.steps_max)
    return MeanRank(of.adapter, of.label_budget, round(rank, 4), low, high, of.seeds, of.selection, of.target_images, *steps)


def ranks_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of M adapters by their results (M, ...), where higher is better and has rank 1."""
    values = values.round(_SAME)
    return np.stack([1 + (values > row).sum(0) + ((values == row).sum(0) - 1) / 2 for row in values])


def critical_difference(ranks: NDArray[np.float64], targets: NDArray[np.int64], sources: NDArray[np.int64]) -> float:
    """Return the difference of mean ranks above which two adapters can be told apart.

    Args:
        ranks: (M, P) ranks of M adapters on P pairs.
        targets, sources: (P,) target and set of sources of each pair, numbered from 0.
    """
    by_target, by_sources, by_pair = (limit(ranks, units) for units in (targets, sources, np.arange(len(targets))))
    return max(by_target, by_sources, math.sqrt(max(0.0, by_target**2 + by_sources**2 - by_pair**2)))


def limit(ranks: NDArray[np.float64], units: NDArray[np.int64]) -> float:
    """Return the difference of mean ranks that the largest one exceeds in at most 5 % of random exchanges of the adapters.

    Args:
        units: (P,) unit of each pair, from 0; adapters are exchanged on all pairs of a unit together.
    """
    rng, exchanged = np.random.default_rng(0), np.zeros((EXCHANGES, len(ranks)))
    for unit in range(int(units.max()) + 1):
        exchanged += rng.permuted(np.tile(ranks[:, units == unit].sum(1), (EXCHANGES, 1)), axis=1)
    largest = np.ptp(exchanged, axis=1) / ranks.shape[1]
    return float(np.sort(largest)[::-1][int((1 - LEVEL) * EXCHANGES)])


def _intervals(
    values: NDArray[np.float64], ranks: NDArray[np.float64], targets: NDArray[np.int64]
) -> list[tuple[float | None, float | None]]:
    """Return the 95 % interval of each mean rank."""
    rng, seeds, many, middle = np.random.default_rng(0), values.shape[2], int(targets.max()) + 2, (len(ranks) + 1) / 2
    drawn = rng.multinomial(many, np.full(many, 1 / many), size=RESAMPLES)
    times = drawn[:, targets]
    added = drawn[:, -1] * (len(targets) / (many - 1))  # the added target has as many pairs as the others
    by_targets = (ranks @ times.T + middle * added) / (times.sum(1) + added)
    shares = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES).T / seeds
    by_seeds = np.mean([ranks_of(values[:, pair] @ shares) for pair in range(values.shape[1])], axis=0)
    mean = ranks.mean(1)
    found = mean[:, None] + np.zeros(RESAMPLES)
    for units, changed in ((many - 1, by_targets), (seeds, by_seeds)):
        found += _widening(units) * (changed - changed.mean(1, keepdims=True))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.clip(np.percentile(found, [tail, 100 - tail], axis=1), 1, len(ranks))
    bounds = zip(np.minimum(low, mean).tolist(), np.maximum(high, mean).tolist(), strict=True)
    return [(round(one, 4), round(other, 4)) for one, other in bounds]


def _groups(methods: Sequence[MeanRank], critical: float | None) -> Iterator[list[str]]:
    """Yield the largest runs of the sorted adapters whose mean ranks differ by at most the critical difference."""
    last = 0
    for first, best in enumerate(methods):
        near = [m.adapter for m in methods[first:] if critical is None or m.rank - best.rank <= critical + 10**-_SAME]
        if first + len(near) > last:
            last = first + len(near)
            yield near


def _numbered(units: Sequence[Hashable]) -> NDArray[np.int64]:
    """Return the number of each unit, from 0 in the order of first occurrence."""
    numbers = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    return np.array([numbers[unit] for unit in units])


def _widening(n: int) -> float:
    """Return the factor that widens the spread of bootstrap means of n units to that of Student's t; 1 for one unit."""
    return float(student(n) / NormalDist().inv_cdf((1 + LEVEL) / 2) * np.sqrt(n / (n - 1))) if n > 1 else 1.0
