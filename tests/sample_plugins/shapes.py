"""Two small datasets with a shift between them, without files: bars and boxes on 16x16, drawn bright and drawn pale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dabench import Dataset, Samples


class Shapes(Dataset):
    """Four shapes at random places; the noise, and so the order of the labels, is the set's own."""

    classes = ("row", "column", "box", "cross")
    seed = 0
    contrast = 1.0

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Draw the set."""
        return {"train": self._drawn(96, 2 * self.seed), "test": self._drawn(48, 2 * self.seed + 1)}

    def _drawn(self, n: int, seed: int) -> Samples:
        import numpy as np

        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.arange(n) % 4).astype(np.int64)
        images: Any = rng.normal(0.1, 0.05, (n, 1, 16, 16))
        for image, label in zip(images[:, 0], labels, strict=True):
            y, x = rng.integers(0, 6, 2)
            part = image[y : y + 10, x : x + 10]
            part[4:6, :] += label in (0, 3)
            part[:, 4:6] += label in (1, 3)
            part[2:8, 2:8] += label == 2
        pixels = (255 * images * self.contrast + 60 * (1 - self.contrast)).clip(0, 255).astype(np.uint8)
        return Samples(pixels, labels, np.arange(n, dtype=np.int64) % 6)


class Bright(Shapes):
    """Bright shapes."""

    name = "bright"
    seed = 11


class Pale(Shapes):
    """The same shapes at less contrast on a lighter ground."""

    name = "pale"
    seed = 22
    contrast = 0.4
