"""Pictures that a method shows on the page of the report."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dabench.errors import PluginError

MOST = 12
"""Images of a row."""


def picture(rows: Sequence[Tensor]) -> Tensor:
    """Return (rows, at most 12, C, h, w) uint8 on the CPU from rows of (N, C, h, w) float images in [0, 1].

    Raises:
        PluginError: `rows` are not such images, or none.
    """
    shapes = {tuple(row.shape) for row in rows}
    if len(shapes) != 1 or not all(len(shape) == 4 and shape[0] and shape[1] in (1, 3) for shape in shapes):
        found = ", ".join(str(tuple(row.shape)) for row in rows) or "nothing"
        raise PluginError(f"trainer.show was given {found}; it takes rows of images, all of one shape (N, C, h, w) with C 1 or 3")
    images = torch.stack([row[:MOST].detach().float() for row in rows])
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # also catches nan
        raise PluginError(f"trainer.show was given images with values from {low:g} to {high:g}; they must be in [0, 1]")
    return (images * 255).round().to(torch.uint8).cpu()
