"""The largest face of a picture, by the frontal Haar cascade inside OpenCV 4's package: nothing is downloaded."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_WINDOW = 24
"""Side in pixels of the cascade's window, which is the smallest face that it can find."""
_SMALLEST = 0.1
"""Least side of a face, as a part of the picture's shorter side: what is smaller is more often a mistake."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are outside."""


def largest_face(grey: Image.Image) -> Box | None:
    """Return the square box of the largest frontal face in a grey picture (mode "L"), or None where none is found."""
    # The search costs as the area does, so the picture is shrunk until the smallest face fills the window.
    shrink = max(1.0, _SMALLEST * min(grey.size) / _WINDOW)
    small = (
        grey if shrink == 1 else grey.resize((round(grey.width / shrink), round(grey.height / shrink)), Image.Resampling.BILINEAR)
    )
    pixels: NDArray[np.uint8] = np.asarray(small, dtype=np.uint8)
    found = _detector().detectMultiScale(pixels, scaleFactor=1.1, minNeighbors=5, minSize=(_WINDOW, _WINDOW))
    if len(found) == 0:
        return None
    # Of equally large ones the topmost, then the leftmost: the answer must not depend on the order of the search.
    left, top, width, height = min(found.tolist(), key=lambda f: (-f[2] * f[3], f[1], f[0]))
    return (
        max(0, round(left * shrink)),
        max(0, round(top * shrink)),
        min(grey.width, round((left + width) * shrink)),
        min(grey.height, round((top + height) * shrink)),
    )


@functools.cache
def _detector() -> Any:
    """Return the cascade, read once a process; it searches on one thread, since every core has a process of its own."""
    import cv2
    from cv2.data import haarcascades

    cv2.setNumThreads(1)
    return cv2.CascadeClassifier(f"{haarcascades}haarcascade_frontalface_default.xml")
