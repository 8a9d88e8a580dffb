"""Decode image files into 8-bit grey or RGB pixels, the right way up, or say why a file cannot be decoded."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dabench.data.folders import Picture
from dabench.data.lazy import LazyImages
from dabench.errors import DataError

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata in a readable file
            # A few kilobytes may decode to gigabytes. Pillow warns about this; here it is an error.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            picture.load()
            return _plain(_upright(picture))
    except UnidentifiedImageError:
        raise ValueError(f"it is none of {', '.join(_FORMATS)}") from None
    except Exception as e:  # each decoder of pillow raises its own errors
        raise ValueError(str(e) or type(e).__name__) from e


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


def resized_picture(picture: Image.Image, channels: int, size: int | None = None) -> NDArray[np.uint8]:
    """Return an image of mode L or RGB as (channels, H, W) uint8, resized to a square of `size` pixels if given."""
    picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    array = np.asarray(picture, dtype=np.uint8)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)


def lazy_pictures(found: Sequence[Picture], root: Path, who: str, channels: int | None, size: int | None) -> LazyImages:
    """Return the image files as images that are read on access.

    Args:
        root: the folder or zip of the files, for messages.
        channels: 1 or 3; None: those of the first readable image, and a colour image after a grey one is an error.
        size: side of the square they are resized to; None: all must have the size of the first readable image.

    Raises:
        DataError: at once, if no file is a readable image; on access, if the file cannot be read as an image, has another size,
            or is in colour while the first one is grey.
    """
    first = _first(found, root, who)
    grey = not channels and first.mode == "L"
    channels = channels or (1 if grey else 3)
    height, width = (size, size) if size else (first.height, first.width)

    def read(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = np.empty((len(at), channels, height, width), np.uint8)
        wanted = [found[i] for i in at.tolist()]
        for row, picture in enumerate(_opened(wanted, root, who)):
            if not size and (picture.height, picture.width) != (height, width):
                raise DataError(
                    f"{who}: {root}/{wanted[row][0]} is {picture.width}x{picture.height}, the other images are {width}x{height}; "
                    f"set size = {min(height, width)} to resize them all"
                )
            if grey and _has_colours(picture):
                raise DataError(
                    f"{who}: {root}/{wanted[row][0]} is in colour, others are grey; set channels = 3 to keep the colours, or 1"
                )
            images[row] = resized_picture(picture, channels, size)
        return images

    return LazyImages((len(found), channels, height, width), read)


def _first(found: Sequence[Picture], root: Path, who: str) -> Image.Image:
    """Return the first readable image, or raise the error of the first file if none is readable."""
    for picture in found:
        with contextlib.suppress(DataError):
            return next(_opened([picture], root, who))
    return next(_opened(found, root, who))


def _has_colours(picture: Image.Image) -> bool:
    pixels = np.asarray(picture)
    return pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())


def _opened(found: Sequence[Picture], root: Path, who: str) -> Iterator[Image.Image]:
    for path, read in found:
        try:
            picture = decoded(read())
        except Exception as e:  # zip files and their compressions raise errors of their own
            raise DataError(f"{who}: {root}/{path} cannot be read as an image ({e}); remove or replace it") from e
        yield picture
