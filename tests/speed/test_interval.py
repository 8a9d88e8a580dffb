"""How long the intervals of one cell and of one gain take: 10,000 images with 5 seeds, on one thread.

pytest tests/speed/test_interval.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dabench.analysis.intervals import spread
from dabench.analysis.metrics import SeedPredictions, find_metric

N, SEEDS, K, SUBJECTS = 10_000, 5, 7, 174
METRICS = ("accuracy", "balanced-accuracy", "macro-f1", "ece")


def outcome(seed: int) -> SeedPredictions:
    """Return made-up predictions, 70 % right: images are easy or hard for all seeds, and each errs on its own, too."""
    labels = np.random.default_rng(0).integers(0, K, N)
    difficulty, rng = np.random.default_rng(1).normal(size=N), np.random.default_rng(seed)
    right = difficulty + 0.7 * rng.normal(size=(SEEDS, N)) > -0.5
    predicted = np.where(right, labels, rng.integers(0, K, (SEEDS, N)))
    return SeedPredictions(labels, predicted, lambda: rng.uniform(1 / K, 1, (SEEDS, N)).astype(np.float32))


@pytest.mark.parametrize("models", [1, 2], ids=["cell", "gain"])
@pytest.mark.parametrize("grouped", [False, True], ids=["images", "subjects"])
@pytest.mark.parametrize("name", METRICS)
def test_an_interval(benchmark: Any, name: str, grouped: bool, models: int) -> None:
    metric = find_metric(name, [str(i) for i in range(K)])
    kinds = [metric.encode(outcome(seed)) for seed in range(models)]
    groups = np.random.default_rng(2).integers(0, SUBJECTS, N) if grouped else None

    def interval() -> tuple[float, float]:
        found = spread(metric, kinds, groups)
        return found.difference() if models > 1 else found.interval()

    low, high = benchmark.pedantic(interval, rounds=5, warmup_rounds=1)
    assert low < high
