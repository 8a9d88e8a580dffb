"""Images that are read on access, for datasets that are larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.errors import DataError
from dabench.plugins.contract import Images

_BYTES = 16_000_000
"""Bytes in memory at a time while a dataset is written or searched."""

_SMALL = 8
"""Images of up to so many times _BYTES are small."""


class LazyImages:
    """Images that are read on access, for `Samples.images` of a dataset that may not fit into memory.

    `len`, `shape` and `dtype` are known without reading. Indexing with a position, a slice, a mask or an array of positions
    reads only those images; `np.asarray` reads all.

    Args:
        shape: (N, C, H, W).
        read: takes (n,) int64 positions and returns those images, (n, C, H, W) uint8, in that order.

    Attributes:
        encoded: set by dabench: of images from a compressed file, a function from positions to the bytes of these images there.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, int, int, int], read: Callable[[NDArray[np.int64]], NDArray[np.uint8]]) -> None:
        self.shape, self._read = shape, read
        self.encoded: Callable[[NDArray[np.int64]], list[bytes]] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: Any, /) -> NDArray[np.uint8]:
        """Read images. Further indices in a tuple select parts of these images, as in numpy.

        Raises:
            DataError: the images cannot be read, or `read` returns another shape or dtype.
        """
        first, *rest = at if isinstance(at, tuple) else (at,)
        positions = _positions(first, len(self))
        images = self._images(np.atleast_1d(positions))
        taken: NDArray[np.uint8] = images if positions.ndim else images[0]
        return taken[(slice(None), *rest) if positions.ndim else tuple(rest)] if rest else taken

    def _images(self, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        who = f"LazyImages read by {getattr(self._read, '__qualname__', self._read)}"
        try:
            images = np.asarray(self._read(at))
        except OSError as e:
            raise DataError(f"{who}: cannot be read ({e}); are the raw files still there and complete?") from e
        expected = (len(at), *self.shape[1:])
        if images.shape != expected or images.dtype != np.uint8:
            raise DataError(f"{who}: is {images.dtype} {images.shape}; must be uint8 {expected}, one image for each position")
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all images, for `np.asarray`."""
        return np.asarray(self[:], dtype=dtype)


def _positions(at: Any, n: int) -> NDArray[np.int64]:
    """Return the positions that an index of one dimension of length `n` selects, without making all `n` of them."""
    if isinstance(at, slice):
        return np.arange(*at.indices(n))
    found = np.asarray(at)
    if found.dtype.kind not in "iu":
        return np.asarray(np.arange(n)[at])  # a mask, or an error
    if found.size and not -n <= int(found.min()) <= int(found.max()) < n:
        raise IndexError(f"positions {found.min()} to {found.max()} are not all in 0 to {n - 1}")
    return np.asarray(np.where(found < 0, found + n, found), dtype=np.int64)


def select_images(images: Images, at: NDArray[np.int64]) -> LazyImages:
    """Return the images at positions `at`, in that order, without reading them."""
    _, c, h, w = images.shape
    selected = LazyImages((len(at), c, h, w), lambda positions: np.asarray(images[at[positions]]))
    if encoded := getattr(images, "encoded", None):
        selected.encoded = lambda positions: encoded(at[positions])
    return selected


def decoded_if_small(images: Images) -> Images:
    """Return small images in memory, so that who reads them twice decodes them once; return others as they are."""
    return np.asarray(images) if int(np.prod(images.shape)) <= _SMALL * _BYTES else images


def chunks(images: Images) -> Iterator[NDArray[np.uint8]]:
    """Yield all images in order, some megabytes at a time."""
    for at in position_chunks(images):
        yield np.ascontiguousarray(images[at[0] : at[-1] + 1])


def position_chunks(images: Images) -> Iterator[NDArray[np.int64]]:
    """Yield all positions in order, those of some megabytes of images at a time."""
    rows = max(1, _BYTES // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), rows):
        yield np.arange(start, min(start + rows, len(images)))
