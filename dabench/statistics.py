"""Intervals by the bootstrap, over seeds and over groups of test images (single images where groups are not known).

A resample draws as many seeds as there are, and as many groups as there are, with replacement. Both sides of a comparison
share the resample, so that what they have in common does not widen the interval of their difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dabench.metrics import Metric, confusions

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK = 500


def point(labels: NDArray[np.int64], predictions: NDArray[np.int64], metric: Metric, classes: int) -> float:
    """Return the mean over seeds of the metric of `predictions` (S, N)."""
    return float(metric(confusions(labels, predictions, classes)).mean())


def resampled(
    labels: NDArray[np.int64],
    models: Sequence[NDArray[np.int64]],
    groups: NDArray[np.int64] | None,
    metric: Metric,
    classes: int,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Return the metric's mean over seeds of each model in each resample, (models, resamples).

    Args:
        labels: (N,) true classes.
        models: predicted classes (S, N) of each model; seed s and image n are the same in all of them.
        groups: (N,) what is drawn together; None: each image on its own.
    """
    units, counts = _units(labels, models, groups, classes)
    seeds = models[0].shape[0]
    rng = np.random.default_rng(0)
    parts = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        drawn = rng.multinomial(int(counts.sum()), counts / counts.sum(), size=size).astype(np.float32)
        of_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=size) / seeds
        values = [_values(drawn, unit, metric, classes) for unit in units]
        parts.append(np.stack([(v * of_seed).sum(1) for v in values]))
    return np.concatenate(parts, axis=1)


def _values(drawn: NDArray[np.float32], unit: NDArray[np.float32], metric: Metric, classes: int) -> NDArray[np.float64]:
    """Return the metric of each seed in each resample, (resamples, S); `unit` is (U, S, K * K)."""
    flat = drawn @ unit.reshape(len(unit), -1)
    return metric(flat.reshape(len(drawn), unit.shape[1], classes, classes).astype(np.float64))


def _units(
    labels: NDArray[np.int64], models: Sequence[NDArray[np.int64]], groups: NDArray[np.int64] | None, classes: int
) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
    """Return what is drawn: for each model the confusion counts of each kind of unit (U, S, K * K), and how often it occurs.

    Images with the same label and the same predictions are one kind of unit: drawing from the kinds is the same as drawing
    from the images, and far fewer numbers.
    """
    if groups is None:
        rows, times = np.unique(np.vstack([labels, *models]).T, axis=0, return_counts=True)
        labels, flat = rows[:, 0], rows[:, 1:].T
        seeds = models[0].shape[0]
        models = [flat[i * seeds : (i + 1) * seeds] for i in range(len(models))]
        member, counts = np.arange(len(labels)), times.astype(np.float64)
    else:
        member = np.unique(groups, return_inverse=True)[1].reshape(-1)
        counts = np.ones(int(member.max()) + 1)
    units = []
    for model in models:
        unit = np.zeros((len(counts), len(model), classes * classes), np.float32)
        for seed, predicted in enumerate(model):
            np.add.at(unit[:, seed], (member, labels * classes + predicted), 1)
        units.append(unit)
    return units, counts


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled values, leaving out resamples without a value."""
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def percent(value: float) -> float:
    """Return a share as %, with four decimals."""
    return round(100 * value, 4) + 0.0  # no -0.0
