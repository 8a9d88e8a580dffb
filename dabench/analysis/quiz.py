"""Test images to show to people: a folder of pictures without labels, and the CSV that takes the answers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.human import COLUMNS
from dabench.data.cache import Prepared
from dabench.data.csv_files import image_name
from dabench.errors import SpecError, StoreError

_USUAL = 70

_SIDE = 224
"""Pixels to which the smaller side of a small image is enlarged, at most, each pixel to a square: nothing is made up."""


def write_quiz(prepared: Prepared, folder: Path, images: int | None, seed: int) -> list[Path]:
    """Write test images as PNG, answers.csv with a line for each to be filled in, and classes.txt; return the files.

    Pictures are named by the split's digest and their position in the test split, and nothing of them says the class.

    Args:
        folder: must not be there, or be empty.
        images: how many in all, as many of each class as far as there are, drawn by `seed`; None: 70, or all if there are fewer.

    Raises:
        SpecError: there are not so many.
        StoreError: the folder holds something or cannot be written.
    """
    labels = prepared.labels("test")
    images = min(_USUAL, len(labels)) if images is None else images
    if not 1 <= images <= len(labels):
        raise SpecError(f"--images {images}: must be 1 to {len(labels)}, the test images of {prepared.name}")
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: is there already; give another folder with --to")
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
    """Return positions (images,) int64, ascending: as many of each class, as far as there are."""
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
