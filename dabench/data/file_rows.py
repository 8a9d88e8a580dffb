"""Open the images of prepared files: small ones are mapped into memory, rows of large ones are read on access.

Pages of a mapped file count as memory of the process once they were touched, and a training touches all of them. Rows that are
read leave nothing behind but the page cache of the system, which counts for no process.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from dabench.data.lazy import LazyImages
from dabench.data.packed import PackedImages
from dabench.errors import DataError
from dabench.plugins.contract import Images

LARGEST_MAPPED = 2**28
"""Bytes of the largest images of a split that are mapped into memory (256 MiB). A constant, so that a set is read in the same way
on each machine. A run opens about six splits (training, validation and test images of a source and a target), so that what it
maps stays under 1.5 GiB. Larger splits are read at almost the same speed (docs/scaling.md)."""


class FileRows(LazyImages):
    """The images of an uncompressed file, read row by row on access.

    Args:
        file: the descriptor of an open file; a copy of it is kept, so that the caller may close it.
        start: the offset of the first image in bytes.
        shape: (N, C, H, W).
        name: the name of the file, for messages.
    """

    def __init__(self, file: int, start: int, shape: Sequence[int], name: str) -> None:
        n, c, h, w = shape
        super().__init__((n, c, h, w), self._read_rows)
        self._start, self._row, self._name = start, c * h * w, name
        self._file = os.dup(file)
        weakref.finalize(self, os.close, self._file)

    def into(self, at: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Read the images at positions `at` (n,) into `out` (n, C, H, W), which is contiguous.

        Raises:
            DataError: the file cannot be read, or has become shorter.
        """
        target = out.reshape(-1).data
        edges = np.flatnonzero(np.diff(at) != 1) + 1  # adjacent rows are read together
        starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(at)]
        for run in np.argsort(at[starts] if len(at) else at, kind="stable").tolist():  # in the order of the file
            first, end = starts[run], ends[run]
            self._fill(target[first * self._row : end * self._row], self._start + int(at[first]) * self._row)

    def _fill(self, target: memoryview, offset: int) -> None:
        while target:
            try:
                got = os.preadv(self._file, [target], offset)
            except OSError as e:
                raise DataError(f"{self._name}: cannot be read ({e.strerror or e}); {_ADVICE}") from e
            if not got:
                raise DataError(f"{self._name}: is shorter than its {len(self):,} images; {_ADVICE}")
            target, offset = target[got:], offset + got

    def _read_rows(self, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        out = np.empty((len(at), *self.shape[1:]), np.uint8)
        self.into(at, out)
        return out


_ADVICE = "prepare the dataset again: dabench prepare NAME --rebuild"


def open_images(path: str | Path, mode: Literal["r", "c"] = "r", threads: int = 1) -> Images:
    """Return the images (N, C, H, W) of a prepared file: a mapped array if they are small, else a `LazyImages`.

    Args:
        mode: of the mapping, "r" (read only) or "c" (copy on write).
        threads: threads that decode compressed images.

    Raises:
        OSError, ValueError: the file cannot be read as an array.
        DataError: the file holds compressed images that cannot be decoded here as they were.
    """
    with open(path, "rb") as file:
        shape = _shape_of(file, path)
        if len(shape) == 1:
            return PackedImages(file.fileno(), file.tell(), str(path), threads)
        if int(np.prod(shape)) > LARGEST_MAPPED and hasattr(os, "preadv"):  # Windows has no preadv
            return FileRows(file.fileno(), file.tell(), shape, str(path))
    mapped: NDArray[np.uint8] = np.load(path, mmap_mode=mode, allow_pickle=False)
    return mapped


def _shape_of(file: BinaryIO, path: str | Path) -> tuple[int, ...]:
    """Read the header of an .npy file of uint8 values, up to the first value, and return the shape."""
    version = np.lib.format.read_magic(file)
    read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype != np.uint8 or fortran:
        raise ValueError(f"{path}: must be uint8 in C order, not {dtype}")
    return tuple(shape)


def first_images(images: Images, count: int) -> Images:
    """Return at most the first `count` images, without reading them."""
    if isinstance(images, np.ndarray):
        return images[:count]
    _, c, h, w = images.shape
    return LazyImages((min(count, len(images)), c, h, w), lambda at: np.asarray(images[at]))


def gather(images: Images, at: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
    """Write the images at positions `at` (n,) into `out` (n, C, H, W), which is contiguous."""
    if isinstance(images, FileRows):
        images.into(at, out)
    elif isinstance(images, np.ndarray):
        np.take(images, at, axis=0, out=out, mode="clip")  # positions are in range, and "raise" would copy `out`
    else:
        out[:] = images[at]
