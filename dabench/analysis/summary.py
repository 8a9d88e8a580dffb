"""Compute the means of each adapter over all pairs of datasets, and test whether its gain differs from zero."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dabench.analysis.metrics import Metric
from dabench.analysis.results import Cell, Gain, gap_closed_percent
from dabench.storage.schema import SweepRecord

LEVEL = 0.05
"""A test is done only if its corrected p can reach this level."""

_ENUMERATED = 16


@dataclass(frozen=True)
class Summary:
    """Means over all pairs (sources, target) of a sweep, in % and in points; None where a number does not exist.

    Attributes:
        in_domain: result on the target of networks trained on the target.
        out_of_domain: result on the target of the networks of this adapter; drop: `in_domain` minus `out_of_domain`.
        gain: mean gain over `none`; gap_closed: the mean gain in % of the mean drop of `none`, None if that is under one point.
        on_source: change of the result on the sources, compared with `none`.
        improved: number of pairs on which the adapter improves the result.
        p: p-value of the mean gain by a sign-flip test over the pairs (`sign_flip`); p_holm: after Holm's correction over the
            adapters. Both are None if there are fewer pairs than `needed`, the least with which p_holm can reach LEVEL.
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


def summaries(
    record: SweepRecord, cells: Sequence[Cell], gains: Sequence[Gain], metric: Metric
) -> tuple[list[Summary], dict[str, str]]:
    """Return the means of each adapter with all pairs and seeds, and for each other adapter the reason why it has none."""
    tasks, seeds = record.tasks, len(record.seeds)
    plain = {name for name, facts in record.methods.items() if not facts.own_networks}
    whole = [c for c in cells if c.seeds == seeds]
    at_home = {c.test: c.mean for c in whole if c.adapter in plain and c.sources == [c.test]}
    found, incomplete = [], {}
    for name in record.methods if tasks else ():
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
        found.append(_summary([on[task] for task in tasks], of, inside, metric))
    return _tested(found, gains), incomplete


def _summary(on_target: Sequence[Cell], gains: Sequence[Gain], in_domain: float | None, metric: Metric) -> Summary:
    some = on_target[0]
    out = mean_of([c.mean for c in on_target]) or 0.0
    gain = mean_of([g.mean for g in gains])
    lost = 0.0 if in_domain is None or gain is None else in_domain - (out - gain)
    return Summary(
        some.adapter, some.label_budget, len(on_target), some.seeds, in_domain, out,
        None if in_domain is None else round(metric.won(in_domain - out), 4), gain,
        None if gain is None else gap_closed_percent(gain, lost, metric),
        mean_of([g.on_source for g in gains]), sum(metric.better(g.mean) for g in gains) if gains else None, None, None, None,
    )  # fmt: skip


def _tested(rows: Sequence[Summary], gains: Sequence[Gain]) -> list[Summary]:
    """Return the rows with p-values of the adapters that have gains, corrected over these adapters."""
    many = sum(row.gain is not None for row in rows)
    needed = next(n for n in itertools.count(1) if 2 * many / 2**n <= LEVEL) if many else None
    tried = [row.adapter for row in rows if needed and row.gain is not None and row.pairs >= needed]
    p = {name: sign_flip([g.mean for g in gains if g.adapter == name]) for name in tried}
    corrected = dict(zip(p, holm(list(p.values())), strict=True))
    return [
        replace(row, p=p.get(row.adapter), p_holm=corrected.get(row.adapter), needed=None if row.gain is None else needed)
        for row in rows
    ]


def sign_flip(changes: Sequence[float]) -> float:
    """Return the two-sided p-value of the mean of `changes` by the sign-flip test.

    Up to n = 16 all 2^n signs are enumerated; for larger n, 2^16 are drawn with a fixed seed (Fisher's test of paired
    differences, The Design of Experiments, 1935, section 21). The smallest possible value is 2 / 2^n.
    """
    values, n = np.asarray(changes, np.float64), len(changes)
    if n <= _ENUMERATED:
        flips = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        flips = np.random.default_rng(n).integers(0, 2, size=(2**_ENUMERATED, n))
        flips[0] = 0  # the observed signs are one of the possible choices
    sums = np.abs((1 - 2 * flips) @ values)
    return float((sums >= sums[0] * (1 - 1e-9)).mean())


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979)."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    scaled = [min(1.0, p[i] * (len(p) - rank)) for rank, i in enumerate(order)]
    return [value for _, value in sorted(zip(order, itertools.accumulate(scaled, max), strict=True))]


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean, or None if a value is missing or there are no values."""
    known = [v for v in values if v is not None]
    return round(sum(known) / len(known), 4) + 0.0 if known and len(known) == len(values) else None
