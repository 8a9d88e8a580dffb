"""Faces that a dataset gives as boxes in larger images."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

from dabench.data.folders import Picture

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def face(picture: Picture, box: Box) -> Picture:
    """Return the part of an image inside a box as an image of its own; where the box leaves the image, it ends at its edge.

    Reading it raises ValueError if the image cannot be decoded, or if nothing of it is inside the box.
    """
    path, read = picture
    return path, partial(_cut, read, box)


def _cut(read: Callable[[], bytes], box: Box) -> bytes:
    from dabench.data.decoding import decoded

    picture = decoded(read())
    edges = (*picture.size, *picture.size)
    left, top, right, bottom = (min(max(round(at), 0), edge) for at, edge in zip(box, edges, strict=True))
    if left >= right or top >= bottom:
        raise ValueError(f"the face box {box} is outside the image of {picture.width}x{picture.height}")
    out = io.BytesIO()
    picture.crop((left, top, right, bottom)).save(out, "PPM")  # as it is: not compressed
    return out.getvalue()
