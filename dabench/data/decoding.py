"""Decode an image file into 8-bit grey or RGB pixels, the right way up, or say why it cannot be decoded."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from dabench.data.mended_images import mended

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
        return plain_picture(picture)
    except Exception as e:
        raise ValueError(str(e) or type(e).__name__) from e


def header(content: bytes) -> tuple[tuple[int, int], bool]:
    """Return the width and height of an image, and whether it is grey, without decoding its pixels.

    Raises:
        ValueError: the content is not an image.
    """
    picture = _loaded(content, pixels=False)
    return picture.size, picture.mode in ("1", "L", "LA", "La", "F") or picture.mode.startswith("I")


def _loaded(content: bytes, pixels: bool = True) -> Image.Image:
    """Return an image, with its pixels or only with its size and mode; raise ValueError if it cannot be read."""
    try:
        return _opened(content, pixels)
    except Exception as e:  # each decoder of pillow raises its own errors
        if (whole := mended(content, lambda body: _opened(body).tobytes())) is not None:
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


def plain_picture(picture: Image.Image) -> Image.Image:
    """Return a pillow image as `decoded` returns the content of a file."""
    return _plain(_upright(picture))


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
