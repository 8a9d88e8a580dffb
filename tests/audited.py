"""Made-up sets for audits: different pictures of a few large patches, in three splits, into which tests plant faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from toys import even, toy

from dabench.data.audit import Audit, audit_datasets
from dabench.data.prepare import prepare_dataset
from dabench.plugins.contract import Samples


def smooth(n: int, seed: int, size: int = 24) -> NDArray[np.uint8]:
    """Return n pictures (n, 1, size, size) of a few large patches, as photographs have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 1, 4, 4))
    return coarse.repeat(size // 4, 2).repeat(size // 4, 3).astype(np.uint8)


def splits(seed: int = 0, **rest: Any) -> dict[str, Samples]:
    """Return train, val and test of 30, 12 and 12 different pictures: a third each of the classes a, b and c, in that order."""
    sizes = {"train": 10, "val": 4, "test": 4}
    return {
        s: Samples(smooth(3 * n, 10 * seed + k), np.array(even(n), np.int64), **rest) for k, (s, n) in enumerate(sizes.items())
    }


def found(tmp_path: Path, *sets: dict[str, Samples], radius: int | None = None, names: str = "abc") -> Audit:
    """Return the audit of sets, prepared as set-a, set-b and so on."""
    made = [
        prepare_dataset(toy(f"set-{n}", s), tmp_path, tmp_path / n, notify=lambda _: None)
        for n, s in zip(names, sets, strict=False)
    ]
    return audit_datasets(made, radius=radius)
