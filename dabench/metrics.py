"""Metrics as functions of confusion matrices, so that all of them come from the same stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dabench.errors import SpecError, nearest

Metric = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""(..., K, K) counts, true class by predicted class -> (...) values in [0, 1]."""


def accuracy(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of images classified right."""
    # einsum: on the many small matrices of a bootstrap it takes a quarter of the time of trace and sum.
    return _part(np.einsum("...kk->...", confusion), np.einsum("...kl->...", confusion))


def recalls(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the recall of each class, (..., K); NaN for a class without images."""
    return _part(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def balanced_accuracy(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean recall over the classes that have images."""
    return _mean(recalls(confusion))


def macro_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean F1 = 2 TP / (2 TP + FP + FN) over the classes that have images or predictions."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _mean(_part(2 * right, confusion.sum(-1) + confusion.sum(-2)))


def _part(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    return _part(np.where(known, values, 0.0).sum(-1), known.sum(-1).astype(np.float64))


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced-accuracy": balanced_accuracy,
    "macro-f1": macro_f1,
}


def find_metric(name: str, classes: Sequence[str]) -> Metric:
    """Return the metric of that name; "recall:CLASS" is the recall of one class. Raise SpecError for another name."""
    if name in METRICS:
        return METRICS[name]
    known = [*METRICS, *(f"recall:{c}" for c in classes)]
    if name not in known:
        raise SpecError(f"unknown metric '{name}'{nearest(name, known)}; known: {', '.join(known)}")
    number = classes.index(name.removeprefix("recall:"))
    return lambda confusion: recalls(confusion)[..., number]


def confusions(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return the confusion matrix of each row of `predictions` (S, N) against `labels` (N,), as (S, K, K)."""
    flat = labels * classes + predictions
    counts = [np.bincount(row, minlength=classes * classes) for row in flat]
    return np.stack(counts).reshape(len(predictions), classes, classes).astype(np.float64)
