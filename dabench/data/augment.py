"""Endless shuffled batches, augmented on the device.

One gather of uint8 pixels does crop, flip and rotation at once. The pixels of each image are looked up through an index table;
the gather is the only computation per pixel. For small images the tables of all crops, flips and angles are made beforehand,
one row each. Rotation takes the nearest pixel, at angles a quarter of a degree apart. With scale, translation, shear or a resized
crop, one bilinear resampling does all of the geometry instead. Outside the image the pixels of its edge are repeated.

Contrast, brightness and gamma are one table of 256 values for each image, saturation and hue one matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dabench.data.distortions import affine, between, boxes, colour_parts, coloured, erased, lit, pixels_within, shifted, warped
from dabench.data.host_images import HostImages, RowReader
from dabench.errors import SpecError
from dabench.plugins.contract import Augment, Batch, View

_STEPS_PER_DEGREE = 4

_READY_MADE = 2**23
"""Entries of the largest index table made in advance (32 MB); crops of 44 from 48 pixels, flipped and rotated, need 4 million."""


class Augmenter:
    """Augment images for training and crop them for testing. Made once per run, for images of one size."""

    def __init__(self, augment: Augment, height: int, width: int, device: torch.device) -> None:
        self.augment = augment
        self.flip = augment.flip
        self.rotate = augment.rotate > 0
        self.crop = augment.crop or min(height, width)
        if self.crop > min(height, width):
            raise SpecError(f"augment.crop = {self.crop}: larger than the images, which are {height}x{width}; set size or crop")
        self.whole = augment.crop is None or (self.crop == height == width)
        self.height, self.width, self.device = height, width, device
        self._ranges = _ranges(augment).to(device)
        self._colour_parts = colour_parts(device)
        self._colours = torch.tensor(
            [[1 - augment.saturation, 1 + augment.saturation], [-augment.hue, augment.hue]], device=device
        )
        self._levels = torch.arange(256, device=device) / 255
        self._turns = _rotations(augment.rotate, height, width).to(device)
        self._ready = self._ready_made()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return (self.height, self.width) if self.whole else (self.crop, self.crop)

    def train(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return randomly augmented copies of `images` (B, C, H, W) uint8, as (B, C, *size) float32 in [0, 1].

        `generator` is on the device.
        """
        wanted = self.augment
        if wanted.resized_crop:
            floats = self._resized(self._lit(images, generator), generator)
        elif wanted.scale or wanted.translate or wanted.shear:
            floats = self._warped(self._lit(images, generator), generator)
        else:
            floats = self._lit(self.cut(images, generator), generator)
        if (wanted.saturation or wanted.hue) and images.shape[1] == 3:
            saturation, hue = between(self._colours, len(images), generator)
            floats = coloured(floats, saturation, hue, self._colour_parts)
        return erased(floats, wanted.erasing, generator) if wanted.erasing else floats

    def _lit(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return (B, C, H, W) uint8 images as float32 in [0, 1], under random contrast, brightness and gamma."""
        a = self.augment
        if not (a.contrast or a.brightness or a.gamma):
            return as_floats(images)
        contrast, brightness, gamma = between(self._ranges[5:], len(images), generator)[:, :, None]
        table = lit(self._levels, contrast, brightness, gamma.exp())  # (B, 256)
        found = table.gather(1, images.flatten(1).long()).view(images.shape)
        return found.contiguous(memory_format=torch.channels_last)

    def _warped(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the crops of (B, C, H, W) float32 images under a random flip, rotation, scale, shear and translation."""
        b, (height, width) = len(images), self.size
        top, left, mirrored = (self._random(n, b, generator) for n in self._choices[:3])
        angle, scale, shear, x, y = between(self._ranges[:5], b, generator)
        matrix, move = affine(angle, scale, shear), torch.stack([x * self.width, y * self.height], dim=1)
        start = torch.stack([left - (self.width - width) / 2, top - (self.height - height) / 2], dim=1)
        move += (matrix @ start[:, :, None])[:, :, 0]
        matrix[:, :, 0] *= (1 - 2 * mirrored)[:, None]
        return warped(images, matrix, move, self.size)

    def _resized(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return random boxes of (B, C, H, W) float32 images, resized, under a random flip and what else `_warped` does.

        The bilinear resampling does not smooth. Boxes are smaller than the result, or larger by little, where `crop` is close to
        the side of the images.
        """
        b, sides = len(images), (self.height, self.width)
        starts, lengths = boxes(self.augment.resized_crop, b, sides, generator)
        y, x = (pixels_within(*of) for of in zip(starts, lengths, sides, self.size, strict=True))
        mirrored = self._random(self._choices[2], b, generator)
        x = torch.where(mirrored[:, None, None].bool(), x.flip(2), x)
        angle, scale, shear, right, down = between(self._ranges[:5], b, generator)
        move = torch.stack([right * self.width, down * self.height], dim=1)
        return warped(images, affine(angle, scale, shear), move, self.size, (y, x))

    def cut(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return `images` (B, C, H, W) uint8 under a random crop, flip and rotation, as (B, C, *size) uint8."""
        if self.whole and not self.flip and not self.rotate:
            return images
        b, c = images.shape[:2]
        drawn = [self._random(n, b, generator) if n > 1 else torch.zeros(b, dtype=torch.int64, device=self.device)
                 for n in self._choices]  # fmt: skip
        if self._ready is None:
            index = self._index(*drawn)
        else:
            row = torch.zeros_like(drawn[0])
            for n, choice in zip(self._choices, drawn, strict=True):
                row = row * n + choice
            index = self._ready.index_select(0, row).long()
        picked = images.reshape(b, c, self.height * self.width).gather(2, index[:, None].expand(b, c, -1))
        return picked.reshape(b, c, *self.size)

    @property
    def _choices(self) -> tuple[int, int, int, int]:
        """The numbers of top edges, left edges, flips and angles to choose from, in the order in which they are drawn."""
        tops, lefts = (1, 1) if self.whole else (self.height - self.crop + 1, self.width - self.crop + 1)
        return tops, lefts, 2 if self.flip else 1, len(self._turns) if self.rotate else 1

    def _ready_made(self) -> Tensor | None:
        """Return the index table of all choices, (choices, pixels out) int32, or None if it would be too large."""
        if math.prod(self._choices) * math.prod(self.size) > _READY_MADE:
            return None
        every = torch.cartesian_prod(*(torch.arange(n, device=self.device) for n in self._choices))
        return self._index(*every.unbind(1)).int()

    def _index(self, top: Tensor, left: Tensor, mirrored: Tensor, turn: Tensor) -> Tensor:
        """Return the flat index of the input pixel of each output pixel, (B, pixels out) int64; each choice is (B,) int64."""
        height, width = self.size
        rows = top[:, None] + torch.arange(height, device=self.device)
        cols = left[:, None] + torch.arange(width, device=self.device)
        cols = torch.where(mirrored[:, None].bool(), cols.flip(1), cols)
        if not self.rotate:
            return (rows[:, :, None] * self.width + cols[:, None, :]).flatten(1)
        return self._turns[turn[:, None, None], rows[:, :, None], cols[:, None, :]].flatten(1)

    def _random(self, below: int, b: int, generator: torch.Generator) -> Tensor:
        return torch.randint(below, (b,), generator=generator, device=self.device)

    def test(self, images: Tensor) -> Tensor:
        """Return the centre crops of (B, C, H, W), as (B, C, *size)."""
        if self.whole:
            return images
        top, left = (self.height - self.crop) // 2, (self.width - self.crop) // 2
        return images[..., top : top + self.crop, left : left + self.crop]

    def crops(self, images: Tensor) -> list[Tensor]:
        """Return crops of (B, C, H, W): the four corners and the centre, and with `flip` the mirror image of each."""
        below, right = self.height - self.crop, self.width - self.crop
        corners = [(0, 0), (0, right), (below, 0), (below, right), (below // 2, right // 2)]
        crops = [images[..., y : y + self.crop, x : x + self.crop] for y, x in corners]
        return crops + [crop.flip(-1) for crop in crops] if self.flip else crops


def _ranges(of: Augment) -> Tensor:
    """Return (8, 2): limits of angle in degrees, scale, shear, moves right and down in sides; contrast, brightness, log gamma."""
    log_gamma = math.log(1 + of.gamma)
    limits = [of.rotate, of.scale, of.shear, of.translate, of.translate, of.contrast, of.brightness, log_gamma]
    middle = torch.tensor([0, 1, 0, 0, 0, 1, 0, 0])
    return torch.stack([middle - torch.tensor(limits), middle + torch.tensor(limits)], dim=1)


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


class _EpochOrder:
    """Endless positions of one view in random order, each position once per epoch."""

    def __init__(self, n: int, generator: torch.Generator, device: torch.device) -> None:
        self.n, self.generator, self.device = n, generator, device
        self.rest = torch.empty(0, dtype=torch.long, device=device)

    def take(self, count: int) -> Tensor:
        while len(self.rest) < count:
            fresh = torch.randperm(self.n, generator=self.generator, device=self.device)
            self.restore(torch.cat([self.rest, fresh]))
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def restore(self, rest: Tensor) -> None:
        """Continue with these positions."""
        self.rest = rest.to(self.device)


class _HostOrder(_EpochOrder):
    """The same positions, also kept on the CPU: the device is asked for them once per epoch, not for each batch."""

    def __init__(self, images: HostImages, generator: torch.Generator, device: torch.device) -> None:
        super().__init__(len(images), generator, device)
        self.reader, self.known = RowReader(images), self.rest.cpu()

    def restore(self, rest: Tensor) -> None:
        super().restore(rest)
        self.known = self.rest.cpu()

    def rows(self, count: int) -> Tensor:
        """Return the images at the positions last taken. Those of the next batch are gathered ahead if they are drawn already."""
        taken, self.known = self.known[:count], self.known[count:]
        return self.reader.rows(taken, self.known[:count] if len(self.known) >= count else None)


def _shares(sizes: Sequence[int], batch: int, proportional: bool) -> list[int]:
    """Return how many of `batch` images come from each view: the same number, or by its size and at least one."""
    if not proportional:
        return [batch // len(sizes) + (i < batch % len(sizes)) for i in range(len(sizes))]
    counts = [1] * len(sizes)
    for _ in range(batch - len(sizes)):  # to the view that is furthest below its share (Sainte-Lague)
        counts[max(range(len(sizes)), key=lambda i: sizes[i] / (counts[i] + 0.5))] += 1
    return counts


class Stream(Iterator[Batch]):
    """Endless batches of `batch` images, or fewer if the views hold fewer images.

    Each view gives the same number; with `proportional`, a number by its size and at least one. Images of a view that are not on
    the device are gathered for each batch; labels must be on the device.

    Args:
        copies: copies of each image, each augmented by itself. strong: the last copy is augmented strongly.
    """

    def __init__(
        self,
        views: Sequence[View],
        batch: int,
        augmenter: Augmenter,
        generator: torch.Generator,
        augment: bool = True,
        copies: int = 1,
        strong: bool = False,
        proportional: bool = False,
    ) -> None:
        self.views, self.augmenter, self.generator, self.augment = list(views), augmenter, generator, augment
        self.copies, self.strong = copies, strong
        device = augmenter.device
        sizes = [len(v) for v in views]
        self.counts = [*map(min, sizes, _shares(sizes, batch, proportional))]
        self.orders = [
            _HostOrder(v.images, generator, device)
            if isinstance(v.images, HostImages)
            else _EpochOrder(len(v), generator, device)
            for v in views
        ]
        self.numbers = torch.cat([torch.full((c,), i, device=device) for i, c in enumerate(self.counts)])
        self.labelled = all(v.labels is not None for v in views)

    def __next__(self) -> Batch:
        at = [order.take(count) for order, count in zip(self.orders, self.counts, strict=True)]
        # On a CPU, index_select is twenty times as fast as indexing with brackets for rows of bytes.
        images = torch.cat([
            order.rows(len(a)) if isinstance(order, _HostOrder) else v.images.index_select(0, a)
            for v, order, a in zip(self.views, self.orders, at, strict=True)
        ])  # fmt: skip
        labels = None
        if self.labelled:
            labels = torch.cat([v.labels[a] for v, a in zip(self.views, at, strict=True) if v.labels is not None])
        copies = [self._floats(images) for _ in range(self.copies)]
        if self.strong:
            copies[-1] = erased(shifted(copies[-1], self.generator, each=True), 1.0, self.generator)
        return Batch(copies[0], labels, self.numbers, torch.cat(at), tuple(copies))

    def _floats(self, images: Tensor) -> Tensor:
        return self.augmenter.train(images, self.generator) if self.augment else as_floats(self.augmenter.test(images))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the stream: the positions left in each view's epoch, and the state of its generator."""
        return {"generator": self.generator.get_state(), "left": [order.rest.clone() for order in self.orders]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the state that `state_dict` returned."""
        self.generator.set_state(state["generator"])
        for order, left in zip(self.orders, state["left"], strict=True):
            order.restore(left)
