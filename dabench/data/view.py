"""What a method is handed: images on the device, and of the labels only what it may see."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class View:
    """Images of one dataset's training split, on the device.

    Attributes:
        images: (N, C, H, W) uint8, not yet cropped.
        labels: (N,) int64, or None where they are withheld.
        groups: (N,) int64, or None where there are none or they are withheld.
    """

    name: str
    classes: tuple[str, ...]
    images: Tensor
    labels: Tensor | None = None
    groups: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Target:
    """What a method may see of its target.

    Attributes:
        unlabelled: all training images without labels or groups; None if its access is "none".
        shots: the labelled ones: some per class for "few-shot", all for "full"; else None.
    """

    name: str
    classes: tuple[str, ...]
    unlabelled: View | None = None
    shots: View | None = None
