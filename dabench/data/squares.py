"""The ways in which an image that is not square becomes square, as an option of datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Square = Literal["stretch", "crop", "pad"]

SQUARE_HELP = "how an image becomes square: stretch it, crop its middle, or pad it with black"

MADE_SQUARE: Mapping[Square, str] = {
    "stretch": "stretched (square = 'stretch')",
    "crop": "cropped to their middle (square = 'crop')",
    "pad": "padded with black (square = 'pad')",
}
"""What happens to images that are not square, for notes."""
