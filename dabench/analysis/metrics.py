"""Metrics as functions of sums over images, computed from stored predictions. A metric without an image is that of a smaller sum.

A metric has three steps:

- encode(outcome): (S, N) code per prediction; for accuracy: right or wrong.
- tally(codes): contribution of a prediction with this code to T sums.
- value(sums): the metric.

Only the first step needs labels, confidences or attribute bins; the other steps are the same for all callers.
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

CLASS_AVERAGED = ("balanced-accuracy", "macro-f1")
"""Metrics that are means over classes. They leave out classes with too few test images, see `rare_classes`."""

FEWEST_IMAGES, FEWEST_GROUPS = 30, 10
"""A class with fewer test images or groups is rare: its recall is too uncertain to count as much as that of others."""

LOWER_IS_BETTER = ("ece",)
"""Metrics for which lower is better."""

BINS = 15
"""Number of bins (of equal width) of the expected calibration error."""


@dataclass(frozen=True)
class SeedPredictions:
    """Predictions of the networks of S seeds on N test images.

    Attributes:
        labels: (N,) int64, the true classes.
        predicted: (S, N) int64, the predicted classes.
        confidence: returns (S, N) floats in (0, 1], the probability of each prediction; a function, because few metrics need it.
        parts: attribute -> its bins.
        rare: number -> name of the classes that class-averaged metrics leave out.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: Callable[[], NDArray[np.floating]]
    parts: Mapping[str, AttributeBins] = field(default_factory=dict)
    rare: Mapping[int, str] = field(default_factory=dict)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(S, N), whether each prediction is correct."""
        return np.asarray(self.predicted == self.labels)


@dataclass(frozen=True)
class Metric:
    """A metric in [0, 1] of the predictions of a seed.

    Attributes:
        name: name for `--metric`; title: name in sentences.
        encode: outcome -> (S, N) code of each prediction.
        tally: (...) codes -> (..., T) float32, contribution of a prediction with each code to T sums.
        value: (..., T) sums -> (...) values; NaN if undefined, such as the recall of a class without images.
    """

    name: str
    title: str
    encode: Callable[[SeedPredictions], NDArray[Any]]
    tally: Callable[[NDArray[Any]], NDArray[np.float32]]
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    @property
    def class_averaged(self) -> bool:
        """Whether the metric is a mean over classes, which leaves out rare classes."""
        return self.name in CLASS_AVERAGED

    @property
    def lower_is_better(self) -> bool:
        """Whether lower values are better."""
        return self.name in LOWER_IS_BETTER

    def won(self, change: float) -> float:
        """Return the improvement of a change of the metric: positive if better, negative if worse."""
        return -change if self.lower_is_better else change

    def better(self, change: float) -> bool:
        """Whether a change of the metric is an improvement."""
        return self.won(change) > 0


def share_metric(
    name: str,
    title: str,
    part: Callable[[SeedPredictions], NDArray[np.int64]],
    one: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Metric:
    """Return a metric based on the share of correct predictions in parts of the test split.

    Args:
        part: outcome -> (N,) part of each image, -1: none.
        one: shares (..., parts), NaN for a part without images -> the metric (...).
    """
    return Metric(
        name, title,
        lambda o: np.where(part(o) < 0, -1, 2 * part(o) + o.right).astype(np.int32),
        lambda kinds: _one_hot(kinds, 2 * (max(kinds.max(), 0) // 2 + 1)),
        lambda sums: one(_share(sums[..., 1::2], sums[..., ::2] + sums[..., 1::2])),
    )  # fmt: skip


def accuracy() -> Metric:
    """Return accuracy: the share of correctly classified images."""
    return share_metric("accuracy", "accuracy", lambda o: np.zeros_like(o.labels), _mean)


def balanced_accuracy() -> Metric:
    """Return balanced accuracy: the mean recall over the classes with images, without rare classes."""
    return share_metric("balanced-accuracy", "balanced accuracy", lambda o: np.where(_rare(o, o.labels), -1, o.labels), _mean)


def recall(name: str, number: int) -> Metric:
    """Return the recall of one class: the share of its images that are classified correctly."""
    return share_metric(f"recall:{name}", f"recall of {name}", lambda o: np.where(o.labels == number, 0, -1), _mean)


def worst_group(attribute: str) -> Metric:
    """Return the lowest accuracy over the bins of an attribute, without bins of too few images (`AttributeBins.too_few`)."""

    def part(outcome: SeedPredictions) -> NDArray[np.int64]:
        if attribute not in outcome.parts:
            return np.full_like(outcome.labels, -1)
        parts = outcome.parts[attribute]
        return np.where(parts.too_few[parts.bin_of], -1, parts.bin_of)

    lowest = partial(np.fmin.reduce, axis=-1)  # ignores NaN
    return share_metric(f"worst-group:{attribute}", f"accuracy of the worst group by {attribute}", part, lowest)


def macro_f1(classes: int) -> Metric:
    """Return macro F1: the mean of 2 TP / (2 TP + FP + FN) over the classes with images or predictions.

    Rare classes are left out of the mean; their images still count as FP of the classes for which they are taken.
    """

    def kinds(outcome: SeedPredictions) -> NDArray[np.int32]:
        # A rare class has the number `classes`, which no sum counts.
        true, predicted = (np.where(_rare(outcome, of), classes, of) for of in (outcome.labels, outcome.predicted))
        return (true * (classes + 1) + predicted).astype(np.int32)

    def tally(kinds: NDArray[Any]) -> NDArray[np.float32]:
        true, predicted = (_one_hot(of, classes) for of in np.divmod(kinds, classes + 1))
        return np.concatenate([true * predicted, true + predicted], axis=-1)

    return Metric(
        "macro-f1", "macro F1",
        kinds,
        tally,
        lambda sums: _mean(_share(2 * sums[..., :classes], sums[..., classes:])),
    )  # fmt: skip


def calibration_error() -> Metric:
    """Return the expected calibration error over 15 bins of equal width.

    It is the mean distance between confidence and accuracy of a bin, weighted by images (Guo et al., On Calibration of Modern
    Neural Networks, 2017, eq. 3).
    """

    def kinds(outcome: SeedPredictions) -> NDArray[np.floating]:
        confidence = outcome.confidence()
        # The sign encodes right or wrong, so that one number suffices.
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
    """Return the metric with this name.

    Args:
        classes: classes for "recall:CLASS".
        attributes: attributes for "worst-group:ATTRIBUTE".

    Raises:
        SpecError: the metric is unknown.
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
        none = "" if attributes else " (worst-group: no attribute has a bin with enough images and subjects)"
        raise SpecError(f"unknown metric '{name}'{nearest(name, makers)}; known: {', '.join(makers)}{none}")
    return makers[name]()


def rare_classes(labels: NDArray[np.int64], groups: NDArray[np.int64] | None, classes: Sequence[str]) -> dict[int, str]:
    """Return number -> name of the classes with fewer than 30 test images, or 10 groups where groups are known.

    If fewer than two classes would be left, as where the whole test split has few groups, none is left out.

    Args:
        labels: (N,) true classes of a test split; groups: (N,) groups of its images, None if not known.
    """
    images = np.bincount(labels, minlength=len(classes))
    rare = images < FEWEST_IMAGES
    if groups is not None:
        of_groups = np.unique(np.stack([labels, groups]), axis=1)[0]
        rare |= np.bincount(of_groups, minlength=len(classes)) < FEWEST_GROUPS
    left = len(classes) - int(rare.sum())
    return {i: name for i, name in enumerate(classes) if rare[i]} if left >= 2 else {}


def confusions(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return the confusion matrix of each row of `predictions` (S, N) against `labels` (N,), as (S, K, K)."""
    flat = labels * classes + predictions
    counts = [np.bincount(row, minlength=classes * classes) for row in flat]
    return np.stack(counts).reshape(len(predictions), classes, classes).astype(np.float64)


def _rare(outcome: SeedPredictions, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.isin(numbers, list(outcome.rare))


def _one_hot(at: NDArray[Any], width: int) -> NDArray[np.float32]:
    """Return (..., width) zeros with a 1 in column `at` (...) of each row; none if `at` is below 0."""
    return np.asarray(at[..., None] == np.arange(width), dtype=np.float32)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return part / whole, NaN if the whole is 0."""
    with np.errstate(invalid="ignore"):
        return part / whole


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the last axis, ignoring NaN. Matrix products are much faster than sums over such short axes."""
    known, ones = ~np.isnan(values), np.ones(values.shape[-1])
    return _share(np.where(known, values, 0.0) @ ones, known @ ones)
