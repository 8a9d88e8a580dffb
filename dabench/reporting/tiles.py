"""Rows of small pictures with captions, under headings: what every contact sheet is drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TILE, _GAP, _TEXT = 96, 8, 14

Tile = tuple["NDArray[np.uint8]", str]
"""A picture, (C, H, W) with C 1 or 3, and its caption."""


def contact_sheet(lines: Sequence[str | Sequence[Tile | None]]) -> Image.Image:
    """Return the lines drawn one below the other: a text is a heading, a sequence is a row of tiles, None a gap in it."""
    steps = [[_TILE + 2 if tile else _GAP for tile in line] for line in lines if not isinstance(line, str)]
    heights = [3 * _GAP if isinstance(line, str) else _TILE + _TEXT + _GAP for line in lines]
    sheet = Image.new("RGB", (2 * _GAP + max(map(sum, steps), default=_TILE), sum(heights) + _GAP), "white")
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(), _GAP
    for line, height in zip(lines, heights, strict=True):
        if isinstance(line, str):
            draw.text((_GAP, top), _plain(line), "black", font)
        else:
            left = _GAP
            for tile in line:
                if tile:
                    sheet.paste(_scaled(tile[0]), (left, top))
                    draw.text((left, top + _TILE), _plain(tile[1])[:16], "black", font)
                left += _TILE + 2 if tile else _GAP
        top += height
    return sheet


def _scaled(image: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).convert("RGB")
    scale = _TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX)


def _plain(text: str) -> str:
    # Pillow's own font knows few scripts, and without FreeType it fails on the others.
    return text.encode("latin-1", "replace").decode("latin-1")
