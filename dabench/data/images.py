"""Decode image files into 8-bit grey or RGB pixels, the right way up, or say why a file cannot be decoded."""

from __future__ import annotations

import io
import math
import re
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from dabench.data.folders import Picture
from dabench.data.lazy import LazyImages
from dabench.errors import DataError, StoreError
from dabench.plugins.contract import Images

Square = Literal["stretch", "crop", "pad"]
"""How an image becomes square: both sides are scaled, the middle is cut out, or black is added."""

LARGEST_SIDE = 256
"""Side in pixels of the largest square that is chosen for images of different sizes."""

_IN_MEMORY = 128_000_000
"""Bytes of decoded images that are kept in memory."""

_FORMATS = (*(["AVIF"] if features.check("avif") else []), "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The formats that are read, regardless of the suffix. Some other formats of pillow start programs or read other files."""

_ORIENTATION = 0x0112
"""The EXIF tag of the camera's orientation; 2 to 8 mean rotated or mirrored."""


def decoded(content: bytes) -> Image.Image:
    """Return an image in pillow's mode L if it is grey, else RGB, as image viewers show it.

    Palettes are resolved, black and white become 0 and 255, 16 bits become 8 (65,535 becomes 255), CMYK becomes RGB by pillow's
    formula, and transparent pixels are put on white. The image is rotated as its EXIF orientation says. Of an animation, or of
    several pages, the first image is taken.

    Raises:
        ValueError: the content is not an image, is damaged, would fill the memory, or has pixel values of unknown scale.
    """
    picture = _loaded(content)
    try:
        return _plain(_upright(picture))
    except Exception as e:
        raise ValueError(str(e) or type(e).__name__) from e


def _loaded(content: bytes, pixels: bool = True) -> Image.Image:
    """Return an image, with its pixels or only with its size and mode; raise ValueError if it cannot be read."""
    try:
        return _opened(content, pixels)
    except Exception as e:  # each decoder of pillow raises its own errors
        if (whole := _mended(content)) is not None:
            return _loaded(whole, pixels)
        unknown = f"it is none of {', '.join(_FORMATS)}"
        raise ValueError(unknown if isinstance(e, UnidentifiedImageError) else str(e) or type(e).__name__) from e


def _opened(content: bytes, pixels: bool = True) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata in a readable file
        # A few kilobytes may decode to gigabytes. Pillow warns about this; here it is an error.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        if pixels:
            picture.load()
        return picture


def _mended(content: bytes) -> bytes | None:
    """Return a file with the same pixels that pillow reads, or None: viewers show a JPEG without end and a PNG with odd notes."""
    if content.startswith(b"\xff\xd8"):
        return _ended_jpeg(content)
    return _bare_png(content) if content.startswith(_PNG) else None


def _ended_jpeg(content: bytes) -> bytes | None:
    """Return a JPEG with its end mark, or None if pixels are missing.

    The decoder takes what follows the content for pixels only if some are missing, so different bytes then give different pixels.
    """
    body = content.rstrip(b"\xff")
    if not _has_all_scans(body):
        return None
    ends = [bytes([value]) * 64 + b"\xff\xd9" for value in (0x00, 0x55, 0xAA)]
    try:
        first, *others = (_opened(body + end).tobytes() for end in ends)
    except Exception:  # each decoder of pillow raises its own errors; the caller reports the first one
        return None
    return body + ends[0] if others == [first, first] else None


def _has_all_scans(content: bytes) -> bool:
    """Whether a JPEG holds every coefficient of every colour to its last bit. A progressive one may end between two scans."""
    colours, bits, at = 0, dict[tuple[int, int], int](), 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker, end = content[at + 1], at + 2 + int.from_bytes(content[at + 2 : at + 4])
        segment, at = content[at + 4 : end], end
        if marker in (0xC0, 0xC1, 0xC2) and len(segment) > 5:
            colours = segment[5]
        elif marker == 0xDA and len(segment) >= 4:
            first, last, low = segment[-3], segment[-2], segment[-1] & 15
            bits |= {(c, k): low for c in segment[1 : 1 + 2 * segment[0] : 2] for k in range(first, last + 1)}
            found = _AFTER_SCAN.search(content, at)
            at = found.start() if found else len(content)
    return len(bits) == 64 * colours > 0 and not any(bits.values())


_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker that ends the pixels of a scan: neither an escaped byte nor a restart."""

_PNG = b"\x89PNG\r\n\x1a\n"

_SHOWN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")
"""The chunks of a PNG that decide what is shown, and which way up. Others hold text, times and colour profiles."""


def _bare_png(content: bytes) -> bytes | None:
    """Return a PNG without the chunks that are not shown, or None if its form is broken."""
    parts, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            return None
        if kind in _SHOWN:
            parts.append(content[at:end])
        at = end
    bare = b"".join(parts)
    return bare if bare != content else None


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turned = picture.getexif().get(_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(picture) if turned else picture
    except Exception:  # unreadable metadata does not make the image unreadable
        return picture


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError("its pixel values are not 8 or 16 bit integers, so their scale is not known; save it with 8 bits")
        # Not with pillow, which clips all values above 255 to white.
        return Image.fromarray((values // 257).astype(np.uint8))
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture.convert("RGBA"))
        picture = ground
    return picture.convert(mode)


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
    seen = [head for picture in found if (head := _header(picture))] if not (channels and size) else []
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
        file.seek(0)
        if n * int(np.prod(shape)) <= _IN_MEMORY:
            return np.frombuffer(file.read(), np.uint8).reshape(n, *shape)
        return np.memmap(file, np.uint8, "r", shape=(n, *shape))


def _content(read: Callable[[], bytes]) -> bytes:
    """Return the bytes of a file; raise ValueError if it is a damaged part of a zip."""
    try:
        return read()
    except OSError:
        raise
    except Exception as e:
        raise ValueError(f"is damaged ({e})") from e


def _header(picture: Picture) -> tuple[tuple[int, int], bool] | None:
    """Return the size of an image, and whether it is grey, without decoding its pixels; None if it is no image."""
    try:
        head = _loaded(_content(picture[1]), pixels=False)
    except ValueError:
        return None
    return head.size, head.mode in ("1", "L", "LA", "La", "F") or head.mode.startswith("I")


def _side(sizes: Sequence[tuple[int, int]]) -> int:
    """Return the side of images that are all squares of one size, else the median of the shorter sides within limits."""
    if len(set(sizes)) == 1 and sizes[0][0] == sizes[0][1]:
        return sizes[0][0]
    return min(LARGEST_SIDE, int(np.median([min(size) for size in sizes]))) if sizes else 1


_MADE_SQUARE = {"stretch": "stretched", "crop": "cropped to their middle", "pad": "padded with black"}


def _resizing(shown: Sequence[tuple[int, int]], size: int, square: Square, chosen: bool) -> list[str]:
    """Return the note about how images of different sizes became squares of `size`; none if they were."""
    oblong = sum(width != height for width, height in shown)
    if len(set(shown)) < 2 and not oblong:
        return []
    small, large = (f"{width}x{height}" for width, height in (min(shown, key=math.prod), max(shown, key=math.prod)))
    what = f"images of {small}" if small == large else f"images of {small} to {large}"
    side = f" (the median of their shorter sides, at most {LARGEST_SIDE}; set size for another)" if chosen else ""
    how = f"; {oblong:,} that are not square are {_MADE_SQUARE[square]} (square = '{square}')" if oblong else ""
    return [f"{what} are resized to {size}x{size}{side}{how}"]
