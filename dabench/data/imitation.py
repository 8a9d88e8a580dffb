"""Made-up pictures for `Dataset.imitate`: each class looks different, no two are alike, and nobody is on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def made_up(label: int, rng: np.random.Generator, height: int = 48, width: int = 48, channels: int = 1) -> NDArray[np.uint8]:
    """Return (H, W) or (H, W, 3) uint8: stripes whose direction and number are those of the class `label`, with noise.

    Args:
        label: number of the class; each eight have directions of their own, and the next eight narrower stripes.
        channels: 1 or 3.
    """
    down, right = np.mgrid[:height, :width] / max(height, width)
    turn, waves = np.pi * (label % 8) / 8, 20 + 8 * (label // 8)
    stripes = np.sin(waves * (down * np.cos(turn) + right * np.sin(turn)) + rng.uniform(0, 0.5))
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = 128 + 70 * (stripes if channels == 1 else stripes[..., None]) + rng.normal(0, 20, shape)
    return np.asarray(pixels.clip(0, 255), dtype=np.uint8)


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture in the format that its suffix names; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
