"""Images that a prepared file holds as JPEG, one after another. They are decoded on access.

The file is an .npy file with one dimension, so that it is copied, checked and granted like every other prepared file:

    N JPEG images | their N + 1 offsets, int64 | N, C, H, W, int64 | SHA-256 of the first decoded images | mark

The digest of a dataset is that of the decoded images. Another decoder may return other values for the same bytes. A file is
therefore opened only where its first images decode to the values that they had when it was written.
"""

from __future__ import annotations

import hashlib
import io
import os
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from dabench.data.lazy import LazyImages, position_chunks
from dabench.errors import DataError
from dabench.plugins.contract import Images

_MARK = b"dabench JPEG 1\0\0"

_TAIL = 4 * 8 + 32 + len(_MARK)

_TRIED = 16
"""Images that are decoded when a file is opened."""


class PackedImages(LazyImages):
    """The images of a file of JPEG images.

    Args:
        file: the descriptor of an open file; a copy of it is kept, so that the caller may close it.
        start: the offset of the first image in bytes.
        name: the name of the file, for messages.
        threads: threads that decode.

    Raises:
        DataError: the file is damaged, or this machine decodes it otherwise than the machine that wrote it.
    """

    def __init__(self, file: int, start: int, name: str, threads: int = 1) -> None:
        self._file, self._name, self.threads = os.dup(file), name, threads
        weakref.finalize(self, os.close, self._file)
        end = os.fstat(self._file).st_size
        tail = os.pread(self._file, _TAIL, end - _TAIL)
        if tail[-len(_MARK) :] != _MARK:
            raise DataError(f"{name}: is not a file of JPEG images, or is incomplete; {_AGAIN}")
        n, c, h, w = np.frombuffer(tail[:32], "<i8").tolist()
        super().__init__((n, c, h, w), self._decoded)
        index = os.pread(self._file, 8 * (n + 1), end - _TAIL - 8 * (n + 1))
        self._at = np.frombuffer(index, "<i8") + start
        self.encoded = self._encoded
        if _sample(self[:_TRIED]) != tail[32:64]:
            raise DataError(f"{name}: this machine decodes its JPEG images to other values than the one that wrote it; {_AGAIN}")

    def _encoded(self, at: NDArray[np.int64]) -> list[bytes]:
        try:
            return [os.pread(self._file, int(self._at[i + 1] - self._at[i]), int(self._at[i])) for i in at.tolist()]
        except OSError as e:
            raise DataError(f"{self._name}: cannot be read ({e.strerror or e}); {_AGAIN}") from e

    def _decoded(self, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        out = np.empty((len(at), *self.shape[1:]), np.uint8)

        def one(row: int) -> None:
            try:
                out[row] = decoded_jpeg(self._encoded(at[row : row + 1])[0])
            except (OSError, ValueError, SyntaxError) as e:
                raise DataError(f"{self._name}: image {at[row]} cannot be decoded ({e}); {_AGAIN}") from e

        if self.threads > 1 and len(at) > 1:
            with ThreadPoolExecutor(self.threads) as pool:  # Pillow decodes without holding the interpreter
                list(pool.map(one, range(len(at))))
        else:
            for row in range(len(at)):
                one(row)
        return out


_AGAIN = "prepare the dataset again: dabench prepare NAME --rebuild"


def encoded_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Return an image (C, H, W) as JPEG, with colours at full resolution (4:4:4)."""
    from PIL import Image

    file = io.BytesIO()
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def decoded_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Return a JPEG image as (C, H, W) uint8."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
        pixels = np.asarray(picture, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def write_packed(file: BinaryIO, images: Images, quality: int) -> str:
    """Write images as JPEG, some megabytes at a time; return the SHA-256 of the decoded images, as an .npy file of them.

    Images that come from such a file are copied as they are: JPEG loses something each time that it is encoded.
    """
    header, found = io.BytesIO(), hashlib.sha256()
    write_header(header, images.shape)
    found.update(header.getvalue())
    write_header(file, (0,))
    start, ends, first = file.tell(), [0], np.empty((0, *images.shape[1:]), np.uint8)
    copied = getattr(images, "encoded", None)
    for at in position_chunks(images):
        parts = copied(at) if copied else [encoded_jpeg(image, quality) for image in images[at[0] : at[-1] + 1]]
        decoded = np.empty((len(parts), *images.shape[1:]), np.uint8)
        for row, part in enumerate(parts):
            decoded[row] = decoded_jpeg(part)
        found.update(decoded.data)
        first = np.concatenate([first, decoded[: _TRIED - len(first)]]) if len(first) < _TRIED else first
        file.write(b"".join(parts))
        ends += (ends[-1] + np.cumsum([len(part) for part in parts])).tolist()
    file.write(np.array(ends, "<i8").tobytes() + np.array(images.shape, "<i8").tobytes() + _sample(first) + _MARK)
    size = file.tell() - start
    file.seek(0)
    write_header(file, (size,))
    assert file.tell() == start, "numpy leaves room in a header for a larger first dimension"
    file.seek(0, os.SEEK_END)
    return found.hexdigest()


def write_header(file: BinaryIO, shape: Sequence[int]) -> None:
    """Write the header of an .npy file of uint8 values."""
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, shape))}
    np.lib.format.write_array_header_1_0(file, header)


def _sample(images: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).digest()
