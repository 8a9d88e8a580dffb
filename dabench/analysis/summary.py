"""Compute the means of each adapter over all pairs of datasets, and test whether its gain differs from zero.

Pairs with one source and pairs with several sources are different tasks, so each kind has its own means.

Pairs that share a target, or their sources, are not independent. The test therefore flips all pairs of a target together, does
the same with all pairs of a set of sources, and takes the larger p. In simulations without any true gain it finds one in at most
5 % of the cases with 3 to 6 datasets, where flipping each pair alone finds one in up to 41 %
(tests/analysis/test_summary.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.metrics import Metric
from dabench.analysis.results import Cell, Gain, gap_closed_percent, span
from dabench.storage.schema import SweepRecord, Task

LEVEL = 0.05
"""A test is done only if its corrected p can reach this level."""

ONE_SOURCE, SEVERAL_SOURCES = "one source", "several sources"

_ENUMERATED = 16


@dataclass(frozen=True)
class Summary:
    """Means over all pairs (sources, target) of one kind of a sweep, in % and in points; None where a number does not exist.

    Attributes:
        kind: ONE_SOURCE or SEVERAL_SOURCES. targets, source_sets: number of different targets and sets of sources of the pairs.
        in_domain: result on the target of networks trained on the target.
        out_of_domain: result on the target of the networks of this adapter; drop: `in_domain` minus `out_of_domain`.
        gain: mean gain over `none`; gap_closed: the mean gain in % of the mean drop of `none`, None if that is under one point.
        on_source: change of the result on the sources, compared with `none`; on_source_low, on_source_high: its interval.
        improved: number of pairs on which the adapter improves the result.
        sure: number of pairs with an improvement whose interval excludes 0.
        p: p-value of the mean gain by sign-flip tests over targets and over sets of sources (`sign_flip`), the larger of the two;
            p_holm: after Holm's correction over the adapters. Both are None if there are fewer targets or sets of sources than
            `needed`, the least with which p_holm can reach LEVEL.
        selection: the selection rule.
        target_images, steps_min, steps_max: as for a cell of the matrix, over all pairs.
        longer_than_none: whether any gain is of networks trained for more steps than those of `none`.
    """

    adapter: str
    label_budget: str
    pairs: int
    seeds: int
    in_domain: float | None
    out_of_domain: float
    drop: float | None
    gain: float | None
    gap_closed: float | None
    on_source: float | None
    improved: int | None
    p: float | None
    p_holm: float | None
    needed: int | None
    sure: int | None = None
    kind: str = ONE_SOURCE
    targets: int = 0
    source_sets: int = 0
    on_source_low: float | None = None
    on_source_high: float | None = None
    selection: str = ""
    target_images: str = ""
    steps_min: int | None = None
    steps_max: int | None = None
    longer_than_none: bool = False


def kinds_of(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    """Return the tasks with one source and those with several, by the name of the kind; a kind without tasks is left out."""
    kinds = {ONE_SOURCE: [t for t in tasks if len(t[0]) == 1], SEVERAL_SOURCES: [t for t in tasks if len(t[0]) > 1]}
    return {kind: found for kind, found in kinds.items() if found}


def summaries(
    record: SweepRecord, cells: Sequence[Cell], gains: Sequence[Gain], metric: Metric
) -> tuple[list[Summary], dict[str, str]]:
    """Return the means of each adapter with all pairs and seeds, and for each other adapter the reason why it has none.

    If there are pairs with one and with several sources, an adapter has means of each kind, and the reason names the kind.
    """
    kinds = kinds_of(record.labelled_tasks)
    found: list[Summary] = []
    incomplete: dict[str, str] = {}
    for kind, tasks in kinds.items():
        rows, lacking = _of_kind(record, tasks, kind, cells, gains, metric)
        found += rows
        incomplete |= {f"{name} with {kind}" if len(kinds) > 1 else name: why for name, why in lacking.items()}
    return found, incomplete


def _of_kind(
    record: SweepRecord, tasks: Sequence[Task], kind: str, cells: Sequence[Cell], gains: Sequence[Gain], metric: Metric
) -> tuple[list[Summary], dict[str, str]]:
    seeds = len(record.seeds)
    plain = {name for name, facts in record.methods.items() if not facts.own_networks}
    whole = [c for c in cells if c.seeds == seeds]
    at_home = {c.test: c.mean for c in whole if c.adapter in plain and c.sources == [c.test]}
    found, incomplete = [], {}
    for name in record.methods:
        on = {(tuple(c.sources), c.test): c for c in whole if c.adapter == name and c.target in (None, c.test)}
        won = {(tuple(g.sources), g.target): g for g in gains if g.adapter == name and g.seeds == seeds}
        lacking = [task for task in tasks if task not in on or not (name in plain or task in won)]
        if lacking:
            sources, target = lacking[0]
            incomplete[name] = (
                f"{len(lacking)} of {len(tasks)} pairs without all runs or a value (first: {'+'.join(sources)} -> {target})"
            )
            continue
        of = [] if name in plain else [won[task] for task in tasks]
        inside = mean_of([at_home.get(target) for _, target in tasks])
        found.append((_summary([on[task] for task in tasks], of, inside, metric, kind), of))
    return _tested(found), incomplete


def _summary(on_target: Sequence[Cell], gains: Sequence[Gain], in_domain: float | None, metric: Metric, kind: str) -> Summary:
    """Return the means of one adapter, without the test."""
    some = on_target[0]
    out = mean_of([c.mean for c in on_target]) or 0.0
    gain = mean_of([g.mean for g in gains])
    lost = 0.0 if in_domain is None or gain is None else in_domain - (out - gain)
    return Summary(
        some.adapter, some.label_budget, len(on_target), some.seeds, in_domain, out,
        None if in_domain is None else round(metric.won(in_domain - out), 4), gain,
        None if gain is None else gap_closed_percent(gain, lost, metric),
        mean_of([g.on_source for g in gains]), sum(metric.better(g.mean) for g in gains) if gains else None, None, None, None,
        sum(min(metric.won(g.low), metric.won(g.high)) > 0 for g in gains) if gains else None, kind,
        len({c.test for c in on_target}), len({tuple(c.sources) for c in on_target}),
        mean_of([g.on_source_low for g in gains]), mean_of([g.on_source_high for g in gains]),
        some.selection, some.target_images, *span(n for c in on_target for n in (c.steps_min, c.steps_max)),
        any(g.longer_than_none for g in gains),
    )  # fmt: skip


def _tested(rows: Sequence[tuple[Summary, Sequence[Gain]]]) -> list[Summary]:
    """Return the rows with p-values of the adapters that have gains, corrected over these adapters."""
    many = sum(row.gain is not None for row, _ in rows)
    needed = units_needed(many) if many else None
    tried = {row.adapter: gains for row, gains in rows if needed and gains and min(row.targets, row.source_sets) >= needed}
    p = {name: p_of(gains) for name, gains in tried.items()}
    corrected = dict(zip(p, holm(list(p.values())), strict=True))
    return [
        replace(row, p=p.get(row.adapter), p_holm=corrected.get(row.adapter), needed=None if row.gain is None else needed)
        for row, _ in rows
    ]


def units_needed(tests: int = 1) -> int:
    """Return the least number of units with which the p of `sign_flip`, corrected for so many tests, can reach LEVEL."""
    return next(n for n in itertools.count(1) if 2 * tests / 2**n <= LEVEL)


def p_of(gains: Sequence[Gain]) -> float:
    """Return the p-value of the mean of gains: the larger one of flipping targets and of flipping sets of sources."""
    by_target = summed_by([g.target for g in gains], [g.mean for g in gains])
    by_sources = summed_by([tuple(g.sources) for g in gains], [g.mean for g in gains])
    return max(sign_flip(by_target), sign_flip(by_sources))


def summed_by(units: Sequence[Hashable], values: Sequence[float]) -> list[float]:
    """Return the sum of the values of each unit."""
    sums: dict[Hashable, float] = dict.fromkeys(units, 0.0)
    for unit, value in zip(units, values, strict=True):
        sums[unit] += value
    return list(sums.values())


def sign_flip(changes: Sequence[float]) -> float:
    """Return the two-sided p-value of the mean of `changes` by the sign-flip test.

    Up to n = 16 all 2^n signs are enumerated; for larger n, 2^16 are drawn with a fixed seed (Fisher's test of paired
    differences, The Design of Experiments, 1935, section 21). The smallest possible value is 2 / 2^n.
    """
    sums = np.abs(signs(len(changes)) @ np.asarray(changes, np.float64))
    return float((sums >= sums[0] * (1 - 1e-9)).mean())


def signs(n: int) -> NDArray[np.int64]:
    """Return choices of n signs, -1 or 1, (choices, n); the first has only 1."""
    if n <= _ENUMERATED:
        flips = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        flips = np.random.default_rng(n).integers(0, 2, size=(2**_ENUMERATED, n))
        flips[0] = 0  # the observed signs are one of the possible choices
    chosen: NDArray[np.int64] = 1 - 2 * flips
    return chosen


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979)."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    scaled = [min(1.0, p[i] * (len(p) - rank)) for rank, i in enumerate(order)]
    return [value for _, value in sorted(zip(order, itertools.accumulate(scaled, max), strict=True))]


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean, or None if a value is missing or there are no values."""
    known = [v for v in values if v is not None]
    return round(sum(known) / len(known), 4) + 0.0 if known and len(known) == len(values) else None
