"""The mistakes of a cell: test images that its networks classify wrongly, most confident first, with the images themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.results import Cell


@dataclass(frozen=True)
class Mistakes:
    """The M mistakes of a cell, most confident first.

    The probability of a class is the mean over seeds of the softmax of the logits. A mistake is an image whose most probable
    class is not its label; its confidence is the probability of that class.

    Attributes:
        of: number of test images.
        image: (M,) positions in the test split, or among the test images of all folds.
        labels, predicted: (M,) classes; confidence: (M,) in (0, 1].
        wrong_seeds: (M,) number of the `seeds` seeds whose own most probable class is wrong.
        names: column -> (M,) what names the image, see `dabench.analysis.attributes.names_of_images`.
        images: (D, C, H, W) uint8, the first D of these images, as the networks see them.
    """

    cell: Cell
    of: int
    seeds: int
    image: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    wrong_seeds: NDArray[np.int64]
    names: Mapping[str, NDArray[Any]]
    images: NDArray[np.uint8]
