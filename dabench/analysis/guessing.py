"""Accuracies that need no training: of random guesses, and of answering the most frequent class for every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Guessing:
    """Accuracy on one test split without any training, in %.

    Attributes:
        chance: expected accuracy of a uniform guess among all classes of the sweep.
        majority: accuracy of always answering `majority_class`, the most frequent class of the test split.
    """

    chance: float
    majority: float
    majority_class: str


def guessing(labels: NDArray[np.int64], classes: Sequence[str]) -> Guessing:
    """Return the accuracies of guessing.

    Args:
        labels: (N,) labels of the test images, indices into `classes`.
    """
    counts = np.bincount(labels, minlength=len(classes))
    most = int(counts.argmax())
    return Guessing(round(100 / len(classes), 4), round(100 * int(counts[most]) / len(labels), 4), classes[most])
