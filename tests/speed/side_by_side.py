"""Two ways to the same thing, timed in turn in one run: what a case of tests/speed is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def side_by_side(
    benchmark: Any,
    case: str,
    ours: Callable[[], object],
    usual: Callable[[], float | object],
    *,
    way: str,
    least: float,
    aim: float,
    rounds: int = 5,
    warm: bool = True,
    **facts: object,
) -> float:
    """Time `usual` and then `ours`, `rounds` times over, print the ratio with its spread, and return its median.

    Neighbours in time share what else the machine does, so the ratio is taken within each round.

    Args:
        case: what is measured; way: what the usual way is; both as a table says them.
        usual: may return its seconds itself (the best of several ways); else it is timed.
        least, aim: the ratio that must be, and the one that is aimed at.
        warm: do both once before, untimed.
        facts: further numbers for the table.
    """
    seconds: list[float] = []

    def before() -> None:
        seconds.append(timed(usual))

    if warm:
        usual()
        ours()
    benchmark.pedantic(ours, setup=before, rounds=rounds)
    ratios = np.array(seconds[-rounds:]) / np.array(benchmark.stats.stats.data)
    low, median, high = np.percentile(ratios, [25, 50, 75])
    benchmark.extra_info.update(
        case=case, way=way, least=least, aim=aim, ratio=median, low=low, high=high, rounds=rounds,
        ours=float(np.median(benchmark.stats.stats.data)), usual=float(np.median(seconds)), facts=facts,
    )  # fmt: skip
    more = "".join(f"; {name} {value}" for name, value in facts.items())
    print(
        f"\n{case}: {median:.2f}x [{low:.2f}, {high:.2f}] in {rounds} rounds (at least {least:g}, aim {aim:g}); "
        f"{way} {np.median(seconds):.3f} s, dabench {np.median(benchmark.stats.stats.data):.3f} s{more}"
    )
    return float(median)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes, or those that it returns."""
    started = time.perf_counter()
    own = work()
    return own if isinstance(own, float) else time.perf_counter() - started
