"""Metrics, made of sums over images: all of them come from the same stored predictions, and a resample of images is a new sum.

A metric is three steps. `kinds` says as one number what the metric looks at of each prediction: for accuracy, right or wrong.
`tally` says what a prediction of each kind adds to some sums, and `value` makes the metric of the sums. So a metric takes what it
needs (labels, confidences, parts of the test set) in its first step, and nothing after that asks which metric it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import AttributeBins
from dabench.errors import SpecError, nearest

LOWER_IS_BETTER = ("ece",)
"""Names of the metrics of which a gain is a change below 0."""

BINS = 15
"""Bins of equal width of the expected calibration error."""


@dataclass(frozen=True)
class SeedPredictions:
    """What networks of S seeds made of N test images.

    Attributes:
        labels: (N,) int64, the true classes.
        predicted: (S, N) int64, the classes predicted.
        confidence: returns (S, N) floats in (0, 1], the probability that each prediction was given: a function, for the few
            metrics that ask.
        parts: attribute -> what it divides the images into.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: Callable[[], NDArray[np.floating]]
    parts: Mapping[str, AttributeBins] = field(default_factory=dict)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(S, N), whether each prediction is right."""
        return np.asarray(self.predicted == self.labels)


@dataclass(frozen=True)
class Metric:
    """A number in [0, 1] of the predictions of a seed.

    Attributes:
        name: as `--metric` takes it; title: as a sentence says it.
        encode: outcome -> (S, N) numbers, what the metric looks at of each prediction.
        tally: (...) kinds -> (..., T) float32, what a prediction of each kind adds to T sums.
        value: (..., T) sums -> (...) values; NaN where there is none, such as the recall of a class without images.
    """

    name: str
    title: str
    encode: Callable[[SeedPredictions], NDArray[Any]]
    tally: Callable[[NDArray[Any]], NDArray[np.float32]]
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    @property
    def lower_is_better(self) -> bool:
        """Whether a gain is a change below 0."""
        return self.name in LOWER_IS_BETTER

    def won(self, change: float) -> float:
        """Return by how much a change of the metric is one for the better; below 0 for one for the worse."""
        return -change if self.lower_is_better else change

    def better(self, change: float) -> bool:
        """Whether a change of the metric is one for the better."""
        return self.won(change) > 0


def share_metric(
    name: str,
    title: str,
    part: Callable[[SeedPredictions], NDArray[np.int64]],
    one: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Metric:
    """Return a metric made of the share of right predictions in parts of the test set.

    Args:
        part: outcome -> (N,) the part of each image, -1: in none.
        one: shares (..., parts), NaN for a part without images -> the metric (...).
    """
    return Metric(
        name, title,
        lambda o: np.where(part(o) < 0, -1, 2 * part(o) + o.right).astype(np.int32),
        lambda kinds: _one_hot(kinds, 2 * (max(kinds.max(), 0) // 2 + 1)),
        lambda sums: one(_share(sums[..., 1::2], sums[..., ::2] + sums[..., 1::2])),
    )  # fmt: skip


def accuracy() -> Metric:
    """Return the share of images classified right."""
    return share_metric("accuracy", "accuracy", lambda o: np.zeros_like(o.labels), _mean)


def balanced_accuracy() -> Metric:
    """Return the mean recall over the classes that have images."""
    return share_metric("balanced-accuracy", "balanced accuracy", lambda o: o.labels, _mean)


def recall(name: str, number: int) -> Metric:
    """Return the recall of one class: the share of its images classified right."""
    return share_metric(f"recall:{name}", f"recall of {name}", lambda o: np.where(o.labels == number, 0, -1), _mean)


def worst_group(attribute: str) -> Metric:
    """Return the lowest accuracy over the parts by an attribute that are not of too few (`AttributeBins.too_few`)."""

    def part(outcome: SeedPredictions) -> NDArray[np.int64]:
        if attribute not in outcome.parts:
            return np.full_like(outcome.labels, -1)
        parts = outcome.parts[attribute]
        return np.where(parts.too_few[parts.bin_of], -1, parts.bin_of)

    lowest = partial(np.fmin.reduce, axis=-1)  # that is not NaN
    return share_metric(f"worst-group:{attribute}", f"accuracy of the worst group by {attribute}", part, lowest)


def macro_f1(classes: int) -> Metric:
    """Return the mean F1 = 2 TP / (2 TP + FP + FN) over the classes that have images or predictions."""

    def tally(kinds: NDArray[Any]) -> NDArray[np.float32]:
        true, predicted = _one_hot(kinds // classes, classes), _one_hot(kinds % classes, classes)
        return np.concatenate([true * predicted, true + predicted], axis=-1)

    return Metric(
        "macro-f1", "macro F1",
        lambda o: (o.labels * classes + o.predicted).astype(np.int32),
        tally,
        lambda sums: _mean(_share(2 * sums[..., :classes], sums[..., classes:])),
    )  # fmt: skip


def calibration_error() -> Metric:
    """Return the expected calibration error over 15 bins of equal width (Guo et al., On Calibration of Modern Neural Networks,
    2017, eq. 3): the mean distance of a bin's confidence from its accuracy, bins weighed by their images.
    """  # fmt: skip

    def kinds(outcome: SeedPredictions) -> NDArray[np.floating]:
        confidence = outcome.confidence()
        # Right or wrong goes into the sign: one number is all that it looks at.
        return np.where(outcome.right, confidence, -confidence)

    def tally(kinds: NDArray[Any]) -> NDArray[np.float32]:
        confidence = np.abs(kinds)[..., None]
        # Bin m is ((m - 1) / 15, m / 15], as in the paper.
        bins = _one_hot(np.ceil(confidence[..., 0] * BINS) - 1, BINS)
        return np.concatenate([bins * (confidence - (kinds > 0)[..., None]), np.ones_like(confidence)], axis=-1, dtype=np.float32)

    return Metric(
        "ece", "expected calibration error",
        kinds,
        tally,
        lambda sums: _share(np.abs(sums[..., :BINS]).sum(-1), sums[..., BINS]),
    )  # fmt: skip


def find_metric(name: str, classes: Sequence[str], attributes: Collection[str] = ()) -> Metric:
    """Return the metric of that name.

    Args:
        classes: those that "recall:CLASS" may name.
        attributes: those that "worst-group:ATTRIBUTE" may name.

    Raises:
        SpecError: there is no such metric.
    """
    makers: dict[str, Callable[[], Metric]] = {
        "accuracy": accuracy,
        "balanced-accuracy": balanced_accuracy,
        "macro-f1": partial(macro_f1, len(classes)),
        "ece": calibration_error,
        **{f"recall:{c}": partial(recall, c, i) for i, c in enumerate(classes)},
        **{f"worst-group:{a}": partial(worst_group, a) for a in attributes},
    }
    if name not in makers:
        none = "" if attributes else " (worst-group: no attribute of a test set has a part of enough images and subjects)"
        raise SpecError(f"unknown metric '{name}'{nearest(name, makers)}; known: {', '.join(makers)}{none}")
    return makers[name]()


def confusions(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return the confusion matrix of each row of `predictions` (S, N) against `labels` (N,), as (S, K, K)."""
    flat = labels * classes + predictions
    counts = [np.bincount(row, minlength=classes * classes) for row in flat]
    return np.stack(counts).reshape(len(predictions), classes, classes).astype(np.float64)


def _one_hot(at: NDArray[Any], width: int) -> NDArray[np.float32]:
    """Return (..., width) zeros with a 1 in column `at` (...) of each row; a row whose `at` is below 0 has none."""
    return np.asarray(at[..., None] == np.arange(width), dtype=np.float32)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return part / whole, NaN where the whole is nothing."""
    with np.errstate(invalid="ignore"):
        return part / whole


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the last axis without NaN, by products: numpy's sums over so few numbers take far longer."""
    known, ones = ~np.isnan(values), np.ones(values.shape[-1])
    return _share(np.where(known, values, 0.0) @ ones, known @ ones)
