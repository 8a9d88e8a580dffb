"""Read image files as arrays of one shape: square, of one size, grey or RGB."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dabench.data.decoding import decoded, header
from dabench.data.file_rows import FileRows
from dabench.data.folders import Picture
from dabench.data.lazy import LazyImages
from dabench.data.squares import MADE_SQUARE, Square
from dabench.errors import DataError, StoreError
from dabench.plugins.contract import Images

LARGEST_SIDE = 256
"""Side in pixels of the largest square that is chosen for images of different sizes."""

_IN_MEMORY = 128_000_000
"""Bytes of decoded images that are kept in memory."""


def resized(images: NDArray[np.uint8], at: NDArray[np.int64], channels: int, size: int) -> NDArray[np.uint8]:
    """Return the images at positions `at` as (len(at), channels, size, size) uint8.

    Grey becomes RGB by repetition; RGB becomes grey by the ITU-R 601-2 luma weights.
    """
    result = np.empty((len(at), channels, size, size), dtype=np.uint8)
    for row, position in enumerate(at):
        image = images[position]
        pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        result[row] = resized_picture(Image.fromarray(pixels), channels, size)
    return result


def resized_picture(
    picture: Image.Image, channels: int, size: int | None = None, square: Square = "stretch"
) -> NDArray[np.uint8]:
    """Return an image of mode L or RGB as (channels, H, W) uint8, made a square of `size` pixels if given."""
    picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None and picture.size != (size, size):
        if square == "stretch":
            picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        else:
            make = ImageOps.fit if square == "crop" else ImageOps.pad
            picture = make(picture, (size, size), Image.Resampling.BILINEAR)
    array = np.asarray(picture, dtype=np.uint8)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)


def lazy_pictures(found: Sequence[Picture], root: Path, who: str, channels: int, size: int) -> LazyImages:
    """Return the image files as square images that are read on access.

    Args:
        root: the folder or zip of the files, for messages.
        channels: 1 or 3.
        size: side of the square they are resized to.

    Raises:
        DataError: on access, if a file cannot be read as an image.
    """

    def read(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = np.empty((len(at), channels, size, size), np.uint8)
        for row, i in enumerate(at.tolist()):
            path, content = found[i]
            try:
                picture = decoded(content())
            except Exception as e:  # zip files and their compressions raise errors of their own
                raise DataError(f"{who}: {root}/{path} cannot be read as an image ({e}); remove or replace it") from e
            images[row] = resized_picture(picture, channels, size)
        return images

    return LazyImages((len(found), channels, size, size), read)


@dataclass
class ReadPictures:
    """The images of files that could be read, and why the others could not.

    Attributes:
        images: (N, C, H, W) uint8.
        kept: positions of the files that were read, (N,).
        bad: path -> why the file cannot be read as an image.
        notes: how images of different sizes, or images that are not square, became squares of one size.
    """

    images: Images
    kept: NDArray[np.int64]
    bad: dict[PurePosixPath, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_pictures(found: Sequence[Picture], channels: int | None, size: int | None, square: Square, work: Path) -> ReadPictures:
    """Decode image files once, and leave out those that cannot be read.

    Images that are all squares of one size stay as they are. Otherwise they become squares of `size`.

    Args:
        channels: 1 or 3; None: 1 if all images are grey.
        size: side in pixels; None: the median of their shorter sides, at most `LARGEST_SIDE`.
        square: how images that are not square become square.
        work: a folder for decoded images that do not fit into memory.

    Raises:
        OSError: a file cannot be opened.
        StoreError: `work` cannot be written.
    """
    bad: dict[PurePosixPath, str] = {}
    seen = list(_headers(found)) if not (channels and size) else []
    planes = channels or (1 if all(grey for _, grey in seen) else 3)
    chosen = size or _side([shape for shape, _ in seen])
    kept: list[int] = []
    shown: list[tuple[int, int]] = []

    def rows() -> Iterator[NDArray[np.uint8]]:
        for i, (path, content) in enumerate(found):
            try:
                picture = decoded(_content(content))
            except ValueError as e:
                bad[path] = str(e)
                continue
            kept.append(i)
            shown.append(picture.size)
            yield resized_picture(picture, planes, chosen, square)

    images = _collected(rows(), work)
    return ReadPictures(images, np.array(kept, np.int64), bad, _resizing(shown, chosen, square, size is None))


def _collected(images: Iterator[NDArray[np.uint8]], folder: Path) -> Images:
    """Return images of one shape (C, H, W) that come one after another as (N, C, H, W); N may be 0.

    Small images stay in memory. Others are written to a file in `folder` that has no name, so that no failure leaves it there.

    Raises:
        StoreError: the file cannot be written.
    """
    n, shape = 0, (1, 1, 1)
    with SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(folder)) as file:
        for image in images:
            n, shape = n + 1, image.shape
            try:
                if n * image.nbytes > _IN_MEMORY:
                    folder.mkdir(parents=True, exist_ok=True)
                file.write(image.tobytes())
                file.flush()
            except OSError as e:
                raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); set DABENCH_CACHE to another folder") from e
        if n * int(np.prod(shape)) <= _IN_MEMORY:
            file.seek(0)
            return np.frombuffer(file.read(), np.uint8).reshape(n, *shape)
        if not hasattr(os, "preadv"):
            return np.memmap(file, np.uint8, "r", shape=(n, *shape))
        return FileRows(file.fileno(), 0, (n, *shape), f"decoded images in {folder}")


def _content(read: Callable[[], bytes]) -> bytes:
    """Return the bytes of a file; raise ValueError if it is a damaged part of a zip."""
    try:
        return read()
    except OSError:
        raise
    except Exception as e:
        raise ValueError(f"is damaged ({e})") from e


def _headers(found: Sequence[Picture]) -> Iterator[tuple[tuple[int, int], bool]]:
    """Return the size of each image, and whether it is grey; files that are no images are left out."""
    for _, content in found:
        with suppress(ValueError):
            yield header(_content(content))


def _side(sizes: Sequence[tuple[int, int]]) -> int:
    """Return the side of images that are all squares of one size, else the median of the shorter sides within limits."""
    if len(set(sizes)) == 1 and sizes[0][0] == sizes[0][1]:
        return sizes[0][0]
    return min(LARGEST_SIDE, int(np.median([min(size) for size in sizes]))) if sizes else 1


def _resizing(shown: Sequence[tuple[int, int]], size: int, square: Square, chosen: bool) -> list[str]:
    """Return the note about how images of different sizes became squares of `size`; none if they were."""
    oblong = sum(width != height for width, height in shown)
    if len(set(shown)) < 2 and not oblong:
        return []
    small, large = (f"{width}x{height}" for width, height in (min(shown, key=math.prod), max(shown, key=math.prod)))
    what = f"images of {small}" if small == large else f"images of {small} to {large}"
    side = f" (the median of their shorter sides, at most {LARGEST_SIDE}; set size for another)" if chosen else ""
    how = f"; {oblong:,} that are not square are {MADE_SQUARE[square]}" if oblong else ""
    return [f"{what} are resized to {size}x{size}{side}{how}"]
