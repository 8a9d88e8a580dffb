"""A small sweep over folders of image files, really trained: its networks are used on the files themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("left", "right")

ADAPTERS = ("none", "dann", "dann + em-prior", "mcd", "shot", "cycada", "tent")


def write_images(root: Path, seed: int, ground: int, images: int = 8) -> Path:
    """Write colour images of several sizes with a bright half, below train/CLASS and test/CLASS, and return the root."""
    rng = np.random.default_rng(seed)
    for split in ("train", "test"):
        for label, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(images):
                height, width = (30, 24) if i % 3 else (26, 36)
                pixels = rng.integers(ground, ground + 40, (height, width, 3), dtype=np.uint8)
                half = width // 2
                pixels[:, half * label : half * label + half] += 100
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def table(raw: Path) -> dict[str, object]:
    """Return the sweep: two datasets that are resized in different ways, and once more to 20x20, of which 16x16 are seen."""
    return {
        "name": "halves",
        "datasets": ["day", "night"],
        "pairs": ["day -> night"],
        "adapters": list(ADAPTERS),
        "backbone": "conv4",
        "seeds": 2,
        "size": 20,
        "train": {"steps": 4, "batch": 8, "checkpoints": 1, "precision": "fp32", "device": "cpu"},
        "augment": {"crop": 16, "flip": False, "rotate": 0},
        "conv4": {"width": 4},
        "cycada": {"width": 4},
        "dataset": {
            "day": {"path": str(raw / "day")},
            "night": {"path": str(raw / "night"), "size": 28, "square": "pad", "license": "CC0", "short_name": "NIGHT"},
        },
    }


def train(folder: Path) -> Path:
    """Write the images into `folder`, sweep them, and return the results folder."""
    import dabench

    write_images(folder / "raw" / "day", 1, 40)
    write_images(folder / "raw" / "night", 2, 0)
    dabench.sweep(table(folder / "raw"), out=folder / "runs", engine="inline", quiet=True)
    return folder / "runs"


def raw_files(runs: Path, dataset: str) -> list[Path]:
    """Return the image files of the test split of a dataset."""
    return sorted((runs.parent / "raw" / dataset / "test").rglob("*.png"))
