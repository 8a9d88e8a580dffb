"""Images of one size and channel count, by pillow's antialiased bilinear filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resized(images: NDArray[np.uint8], at: NDArray[np.int64], channels: int, size: int) -> NDArray[np.uint8]:
    """Return the images at positions `at` as (len(at), channels, size, size) uint8.

    Grey becomes RGB by repetition; RGB becomes grey by the ITU-R 601-2 luma weights.
    """
    result = np.empty((len(at), channels, size, size), dtype=np.uint8)
    for row, position in enumerate(at):
        result[row] = fitted(_picture(images[position]), channels, size)
    return result


def _picture(image: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(image[0]) if len(image) == 1 else Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def fitted(picture: Image.Image, channels: int, size: int | None = None) -> NDArray[np.uint8]:
    """Return a picture of mode L or RGB as (channels, H, W) uint8, resized to a square of `size` pixels if given."""
    picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    array = np.asarray(picture, dtype=np.uint8)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)
