"""The bytes of a picture file as 8-bit pixels, grey or RGB, the right way up; of what cannot be, the reason."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Those that are read, whatever a file is called: some of pillow's others start programs, or read other files."""
_ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held; 2 to 8 mean turned or mirrored."""


def decoded(content: bytes) -> Image.Image:
    """Return a picture in pillow's mode L if it is grey, else RGB, as viewers show it.

    Palettes are looked up, black and white are 0 and 255, 16 bits become 8 (65,535 is 255), CMYK becomes RGB by pillow's
    formula, and a white ground shows through what is transparent. What EXIF says of how the camera was held is undone. Of an
    animation, or of several pages, the first is taken.

    Raises:
        ValueError: the content is no picture, is damaged, would fill the memory, or has numbers of no known scale.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd notes in a file that can be read
            # A few kilobytes may hold a picture of gigabytes: pillow warns of it, and here that is an error.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            picture.load()
            return _plain(_upright(picture))
    except UnidentifiedImageError:
        raise ValueError(f"none of {', '.join(_FORMATS)}") from None
    except Exception as e:  # each of pillow's decoders has errors of its own
        raise ValueError(str(e) or type(e).__name__) from e


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turned = picture.getexif().get(_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(picture) if turned else picture
    except Exception:  # notes that cannot be read say nothing about the picture
        return picture


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError("its numbers are no 8 or 16 bits and their scale is not known; save it with 8 bits")
        # By hand: pillow makes white of whatever is above 255.
        return Image.fromarray((values // 257).astype(np.uint8))
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture.convert("RGBA"))
        picture = ground
    return picture.convert(mode)
