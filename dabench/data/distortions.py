"""Random changes of geometry and light for whole batches on the device, drawn for each image.

Letters in shapes: B batch, C channels, H height, W width, K classes; h and w are those of the result.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from dabench.data.transfer import sent

_ERASED = (0.02, 0.33)
"""Smallest and largest area of an erased rectangle, as a fraction of the image.

Random erasing is of Zhong et al. 2020. The two numbers are the defaults of torchvision's RandomErasing.
"""

_ASPECT = 3.3
"""Largest ratio of the sides of an erased rectangle."""

_TRIES, _RATIO = 10, 4 / 3
"""Draws of a box that may not fit, and the largest ratio of its sides: the defaults of torchvision's RandomResizedCrop."""

_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""Y, I and Q of red, green and blue (NTSC). The rows of I and Q sum up to 0, so that grey has no chroma."""

_SHIFTS = ((-15, 15), (0.8, 1.2), (-0.2, 0.2), (-0.05, 0.05), (-0.05, 0.05), (0.6, 1.4), (-0.2, 0.2), (0.6, 1.6))
"""Ranges of `shifted`: angle in degrees, scale, shear, move right and down in sides, contrast, brightness, gamma."""


def between(ranges: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return (R, n) float32 numbers, each row drawn evenly from one of the (R, 2) `ranges`; all on the generator's device."""
    low, high = ranges[:, :1], ranges[:, 1:]
    return torch.rand(len(ranges), n, generator=generator, device=generator.device) * (high - low) + low


def boxes(smallest: float, n: int, sides: tuple[int, int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the first pixels (2, n) and the sides (2, n) of random boxes in an image, in whole pixels, rows before columns.

    Area, the logarithm of the ratio of the sides, and place are drawn from uniform distributions. The area is between `smallest`
    and 1 of that of the image, the ratio between 3/4 and 4/3. If a box does not fit into the image, it is drawn again, up to nine
    times. If none fits, the box is the whole image.

    Args:
        sides: (H, W) of the image.
    """
    drawn = torch.rand(2 * _TRIES + 2, n, generator=generator, device=generator.device)
    area = (smallest + (1 - smallest) * drawn[:_TRIES]) * (sides[0] * sides[1])
    ratio = torch.exp(math.log(_RATIO) * (2 * drawn[_TRIES:-2] - 1))
    found = [(area / ratio).sqrt().round(), (area * ratio).sqrt().round()]
    fits = torch.ones(_TRIES + 1, n, device=drawn.device)
    for length, side in zip(found, sides, strict=True):
        fits[:-1] *= (length >= 1) & (length <= side)
    # The first that fits has the largest number; the last one, the whole image, always does.
    first = (fits * torch.arange(_TRIES + 1, 0, -1, device=drawn.device)[:, None]).argmax(0, keepdim=True)
    lengths = torch.cat(
        [F.pad(length, (0, 0, 0, 1), value=float(side)).gather(0, first) for length, side in zip(found, sides, strict=True)]
    )
    left = torch.stack([side - length for side, length in zip(sides, lengths, strict=True)])
    return torch.minimum((drawn[-2:] * (left + 1)).floor(), left), lengths


def pixels_within(start: Tensor, length: Tensor, side: int, count: int) -> Tensor:
    """Return (B, 1, count): places along an axis, from the centre of an image, of the pixels of a box resized to `count` pixels.

    They are in the middle of equal parts of the box, and not outside of the middles of its first and its last pixel.

    Args:
        start, length: (B,) first pixel and length of the box. side: length of the image.
    """
    parts = (torch.arange(count, device=start.device) + 0.5) / count
    at = start[:, None] + parts * length[:, None] - 0.5
    return (at.clamp(start[:, None], (start + length - 1)[:, None]) - (side - 1) / 2)[:, None]


def affine(degrees: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """Return the matrices that map pixels of a result to pixels of its image, both from the centre: (B, 2, 2), x before y.

    Args:
        degrees: (B,) angle of the rotation. scale: (B,) factor of the size. shear: (B,) horizontal move for each pixel down.
    """
    angle = torch.deg2rad(degrees)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    return torch.stack([cos, shear - sin, sin, cos], dim=1).view(-1, 2, 2)


def warped(
    images: Tensor, matrix: Tensor, move: Tensor, size: tuple[int, int], places: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Return (B, C, h, w) images whose pixel p, from the centre, is the pixel matrix p + move of (B, C, H, W) `images`.

    Values between pixels are bilinear. Outside the image the pixels of its edge are repeated.

    Args:
        images: floating-point numbers.
        matrix, move: (B, 2, 2) and (B, 2) in pixels, x before y; or of one image, for all of them.
        size: (h, w).
        places: what p is for each row and each column of a result, (B, 1, h) and (B, 1, w), in place of its own pixels.
    """
    # The grid is two planes that one addition makes: affine_grid multiplies matrices for every pixel, and each further pass over
    # the planes costs a quarter of the sampling. grid_sample counts in half sides.
    y, x = places or (torch.arange(n, device=images.device, dtype=torch.float32) - (n - 1) / 2 for n in size)
    sides = (images.shape[3], images.shape[2])
    matrix = torch.stack([matrix[:, i] * (2 / side) for i, side in enumerate(sides)], dim=1)
    move = torch.stack([move[:, i] * (2 / side) for i, side in enumerate(sides)], dim=1)
    columns = matrix[:, :, 0, None] * x + move[:, :, None]  # (B, 2, w)
    rows = matrix[:, :, 1, None] * y  # (B, 2, h)
    grid = (rows[:, :, :, None] + columns[:, :, None, :]).permute(0, 2, 3, 1)
    return F.grid_sample(images, grid.expand(len(images), -1, -1, -1), padding_mode="border", align_corners=False)


def lit(values: Tensor, contrast: Tensor, brightness: Tensor, gamma: Tensor) -> Tensor:
    """Return `values` in [0, 1] with other contrast around 0.5, brightness and gamma, clipped to [0, 1] before gamma."""
    return ((values - 0.5) * contrast + 0.5 + brightness).clamp(0, 1).pow(gamma)


def colour_parts(device: torch.device) -> Tensor:
    """Return (3, 3, 3): matrices of RGB that keep the luma Y alone, the chroma alone, and the chroma turned by a quarter."""
    yiq = torch.tensor(_YIQ, dtype=torch.float64)
    turns = torch.zeros(3, 3, 3, dtype=torch.float64)
    turns[0, 0, 0] = turns[1, 1, 1] = turns[1, 2, 2] = turns[2, 2, 1] = 1
    turns[2, 1, 2] = -1
    return (yiq.inverse() @ turns @ yiq).float().to(device)


def coloured(images: Tensor, saturation: Tensor, hue: Tensor, parts: Tensor) -> Tensor:
    """Return (B, 3, H, W) images in [0, 1] with their chroma times a factor and turned by an angle, clipped to [0, 1].

    Args:
        saturation: (B,) factors. hue: (B,) angles, as fractions of the circle. parts: those of `colour_parts`.
    """
    cos, sin = saturation * (2 * math.pi * hue).cos(), saturation * (2 * math.pi * hue).sin()
    matrix = parts[0] + cos[:, None, None] * parts[1] + sin[:, None, None] * parts[2]
    with torch.autocast(images.device.type, enabled=False):  # it would round colours to bfloat16
        pixels = images.permute(0, 2, 3, 1).flatten(1, 2) @ matrix.mT  # (B, H W, 3)
    return pixels.clamp_(0, 1).view(len(images), *images.shape[2:], 3).permute(0, 3, 1, 2)


def erased(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Fill, in place, a rectangle of some of (B, C, H, W) images in [0, 1] with a random grey (erasing, Zhong et al. 2020).

    The area is 2 to 33 % of the image, the ratio of the sides 1 / 3.3 to 3.3; a side longer than the image is cut.
    """
    b, _, height, width = images.shape
    chosen, area, aspect, y, x, grey = torch.rand(6, b, generator=generator, device=images.device)
    area = _ERASED[0] + (_ERASED[1] - _ERASED[0]) * area
    aspect = torch.exp(math.log(_ASPECT) * (2 * aspect - 1))
    inside = []
    for side, place, part in ((height, y, (area * aspect).sqrt()), (width, x, (area / aspect).sqrt())):
        length = (part * side).round().clamp(1, side)
        pixels, start = torch.arange(side, device=images.device, dtype=torch.float32), (place * (side - length + 1)).floor()
        inside.append(((pixels >= start[:, None]) & (pixels < (start + length)[:, None])).float())
    rows, columns = inside
    rows = rows * (chosen < probability)[:, None]
    where = rows[:, None, :, None] * columns[:, None, None, :]  # 0 or 1: products of floats are faster than torch.where
    return images.lerp_(grey[:, None, None, None], where)


def shifted(images: Tensor, generator: torch.Generator, each: bool = False) -> Tensor:
    """Return (B, C, H, W) images in [0, 1] under a random shift: rotation, scale, shear and move; contrast, brightness and gamma.

    Args:
        each: every image has a shift of its own; otherwise all images have the same one.
    """
    size = (len(_SHIFTS), len(images) if each else 1)
    drawn = sent(torch.rand(size, generator=generator, device=generator.device), images.device)
    # A tensor of the ranges would make a GPU wait for its copy.
    angle, scale, shear, x, y, *light = [low + (high - low) * row for (low, high), row in zip(_SHIFTS, drawn, strict=True)]
    move = torch.stack([x * images.shape[3], y * images.shape[2]], dim=1)
    moved = warped(images, affine(angle, scale, shear), move, (images.shape[2], images.shape[3]))
    return lit(moved, *(of[:, None, None, None] for of in light))


def mixed(images: Tensor, labels: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Return mixtures of each image with another one of the batch, and of their labels (mixup, Zhang et al. 2018, Section 1).

    The share of each pair is drawn from Beta(alpha, alpha), with torch's global random numbers.

    Args:
        images: (B, C, H, W). labels: (B, K) probabilities.
    """
    other = torch.randperm(len(images), device=images.device)
    both = torch.full((len(images),), alpha, device=images.device)
    share = torch.distributions.Beta(both, both, validate_args=False).sample()
    return images.lerp(images[other], share[:, None, None, None]), labels.lerp(labels[other], share[:, None])
