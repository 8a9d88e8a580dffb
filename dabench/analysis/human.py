"""Write test images without labels for people to label. `dabench.analysis.answers` reads their answers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.answers import COLUMNS
from dabench.data.cache import Prepared
from dabench.data.csv_files import image_name
from dabench.errors import SpecError, StoreError

HUMAN = "human"

_USUAL = 70

_SIDE = 224
"""Largest size in pixels to which the smaller side is enlarged, by repeating pixels without interpolation."""


def write_quiz(prepared: Prepared, folder: Path, images: int | None, seed: int) -> list[Path]:
    """Write test images as PNG, answers.csv with an empty line for each, and classes.txt; return the files.

    Pictures are named by the digest of the dataset and their position in the test split; the names do not reveal the class.

    Args:
        folder: a new or empty folder.
        images: number of images, balanced over classes as far as possible, drawn by `seed`; None: 70, or all if fewer.

    Raises:
        SpecError: there are fewer test images.
        StoreError: the folder is not empty or cannot be written.
    """
    labels = prepared.labels("test")
    images = min(_USUAL, len(labels)) if images is None else images
    if not 1 <= images <= len(labels):
        raise SpecError(f"--images {images}: must be 1 to {len(labels)}, the number of test images of {prepared.name}")
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: exists; use another folder with --to")
    pictures = prepared.samples("test").images
    names = {int(i): image_name(prepared.digest, int(i)) for i in quiz_images(labels, images, seed)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [_write_picture(np.asarray(pictures[i]), folder / f"{name}.png") for i, name in names.items()]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *(("", name, "") for name in names.values())])
        for name, content in (("answers.csv", text.getvalue()), ("classes.txt", "\n".join(prepared.classes) + "\n")):
            (folder / name).write_text(content, encoding="utf-8")
            files.append(folder / name)
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --to") from e
    return files


def quiz_images(labels: NDArray[np.int64], images: int, seed: int) -> NDArray[np.int64]:
    """Return ascending positions (images,) int64, balanced over classes as far as possible."""
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = np.argsort(labels[order], kind="stable")
    sizes = np.bincount(labels[order])
    rank = np.empty(len(order), np.int64)
    rank[by_class] = np.concatenate([np.arange(n) for n in sizes])
    return np.sort(order[np.argsort(rank, kind="stable")[:images]])


def _write_picture(image: NDArray[np.uint8], path: Path) -> Path:
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    times = max(1, _SIDE // min(pixels.shape[:2]))
    Image.fromarray(pixels.repeat(times, 0).repeat(times, 1)).save(path)
    return path
