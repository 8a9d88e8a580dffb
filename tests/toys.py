"""Toy plugins that need neither files nor torch: what the tests of the data and of the plan are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dabench.plugins.contract import Adapter, Dataset, Samples

CLASSES = ("a", "b", "c")


def samples(labels: Sequence[int], seed: int = 0, shape: tuple[int, int, int] = (1, 8, 8), **rest: Any) -> Samples:
    """Return random images with these labels, sorted as given; the first pixel of image i is i modulo 256."""
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), *shape), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels)) % 256
    return Samples(images, np.array(labels, np.int64), **rest)


def even(each: int, classes: int = len(CLASSES)) -> list[int]:
    """Return labels sorted by class, `each` of every class."""
    return [k for k in range(classes) for _ in range(each)]


def toy(name: str = "toy", splits: Mapping[str, Samples] | None = None, **facts: Any) -> Dataset:
    """Return a dataset whose prepare() gives `splits` (by default 60 training and 30 test images of three classes)."""
    given = splits if splits is not None else {"train": samples(even(20), 1), "test": samples(even(10), 2)}

    class Toy(Dataset):
        classes = CLASSES
        calls = 0

        def prepare(self, raw: Path) -> Mapping[str, Samples]:
            type(self).calls += 1
            return given

    Toy.name = name
    for fact, value in facts.items():
        setattr(Toy, fact, value)
    return Toy()


def adapter(name: str = "toy-adapter", **facts: Any) -> type[Adapter]:
    """Return an adapter class with these facts that does nothing."""
    return type("ToyAdapter", (Adapter,), {"name": name, "__module__": __name__, **facts})
