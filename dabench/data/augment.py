"""Whole-batch augmentation on the device: one gather of uint8 pixels does crop, mirror and rotation at once.

Each image's pixels are looked up through an index table, so nothing is computed per pixel but the gather. Rotation takes
the nearest pixel, at angles a quarter of a degree apart; outside the image the edge repeats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dabench.errors import SpecError
from dabench.protocols import Augment

_STEPS_PER_DEGREE = 4


class Augmenter:
    """Augments for training and crops for testing; made once per run for images of one size."""

    def __init__(self, augment: Augment, height: int, width: int, device: torch.device) -> None:
        self.flip = augment.flip
        self.rotate = augment.rotate > 0
        self.crop = augment.crop or min(height, width)
        if self.crop > min(height, width):
            raise SpecError(f"augment.crop = {self.crop}: larger than the images ({height}x{width}); set size or crop")
        self.whole = augment.crop is None or (self.crop == height == width)
        self.height, self.width, self.device = height, width, device
        self._table = _rotations(augment.rotate, height, width).to(device)
        self._line = torch.arange(self.crop, device=device)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what comes out."""
        return (self.height, self.width) if self.whole else (self.crop, self.crop)

    def train(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return randomly augmented copies of `images` (B, C, H, W) uint8, as (B, C, *size) uint8."""
        if self.whole and not self.flip and not self.rotate:
            return images
        b, c = images.shape[:2]
        rows, cols = self._lines(b, generator)
        if self.rotate:
            turn = self._random(len(self._table), b, generator)
            index = self._table[turn[:, None, None], rows[:, :, None], cols[:, None, :]]
        else:
            index = rows[:, :, None] * self.width + cols[:, None, :]
        flat = images.reshape(b, c, self.height * self.width)
        picked = flat.gather(2, index.reshape(b, 1, -1).expand(b, c, -1))
        return picked.reshape(b, c, index.shape[1], index.shape[2])

    def _lines(self, b: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the rows and the columns to look at, (B, height out) and (B, width out) int64."""
        if self.whole:
            rows = torch.arange(self.height, device=self.device).expand(b, -1)
            cols = torch.arange(self.width, device=self.device).expand(b, -1)
        else:
            rows = self._random(self.height - self.crop + 1, b, generator)[:, None] + self._line
            cols = self._random(self.width - self.crop + 1, b, generator)[:, None] + self._line
        if self.flip:
            mirrored = self._random(2, b, generator)[:, None].bool()
            cols = torch.where(mirrored, cols.flip(1), cols)
        return rows, cols

    def _random(self, below: int, b: int, generator: torch.Generator) -> Tensor:
        return torch.randint(below, (b,), generator=generator, device=self.device)

    def test(self, images: Tensor) -> Tensor:
        """Return the centre crops of (B, C, H, W), as (B, C, *size)."""
        if self.whole:
            return images
        top, left = (self.height - self.crop) // 2, (self.width - self.crop) // 2
        return images[..., top : top + self.crop, left : left + self.crop]

    def ten(self, images: Tensor) -> list[Tensor]:
        """Return ten views of (B, C, H, W): four corners and the centre, and their mirror images."""
        below, right = self.height - self.crop, self.width - self.crop
        corners = [(0, 0), (0, right), (below, 0), (below, right), (below // 2, right // 2)]
        crops = [images[..., y : y + self.crop, x : x + self.crop] for y, x in corners]
        return crops + [crop.flip(-1) for crop in crops]


def _rotations(limit: float, height: int, width: int) -> Tensor:
    """Return (angles, H, W) int64: for each angle and output pixel the flat index of the nearest input pixel."""
    steps = math.ceil(limit * _STEPS_PER_DEGREE)
    angles = torch.linspace(-limit, limit, 2 * steps + 1, dtype=torch.float64) * math.pi / 180
    y = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64)[None, :] - (width - 1) / 2
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    rows = (cos * y - sin * x + (height - 1) / 2).round().clamp(0, height - 1)
    cols = (cos * x + sin * y + (width - 1) / 2).round().clamp(0, width - 1)
    return (rows * width + cols).long()


def as_floats(images: Tensor) -> Tensor:
    """Return uint8 images as float32 in [0, 1], channels last in memory."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)
