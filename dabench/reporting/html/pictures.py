"""Figures of the images that methods showed (`Trainer.show`), as PNG inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.analysis.matrix import Matrix
from dabench.errors import StoreError
from dabench.reporting.tables import trained
from dabench.storage.reader import StoredRun
from dabench.storage.schema import NetworkKey, RunRecord

MOST_FIGURES, MOST_BYTES = 24, 2_000_000
"""Most figures on a page, and most bytes of all of them."""

_SIDE, _GAP = 64, 4
"""Pixels of the page: the side that a small image is enlarged to and a large one reduced to, and the gap between images."""


@dataclass(frozen=True)
class PictureFigure:
    """A figure: rows of images under one heading.

    Attributes:
        caption: method, task, seed and heading; text: what it shows, for those who cannot see it.
        address: a data: address of the PNG; width, height: its size on the page, a multiple of the PNG's own size.
    """

    caption: str
    text: str
    address: str
    width: int
    height: int


def pictures_of(matrix: Matrix) -> tuple[list[PictureFigure], int]:
    """Return the first figures that fit onto the page, and the number of all: one for each method, task and heading.

    They are of the first seed that is complete.
    """
    runs, left = _first_runs(matrix), MOST_BYTES
    figures: list[PictureFigure] = []
    for figure in _drawn(matrix, runs):
        left -= len(figure.address)
        if left < 0 or len(figures) == MOST_FIGURES:
            break
        figures.append(figure)
    return figures, sum(len(run.facts.pictures) for run in runs)


def _first_runs(matrix: Matrix) -> list[StoredRun]:
    """Return the run of the first seed of each network whose method showed images, method by method."""
    names, seeds = list(matrix.record.methods), matrix.record.seeds
    shown = [run for run in matrix.predictions.records.values() if run.facts.pictures and run.facts.method in names]
    first: dict[NetworkKey, StoredRun] = {}
    for run in sorted(shown, key=lambda run: seeds.index(run.facts.seed)):
        first.setdefault(run.facts.network, run)
    return sorted(first.values(), key=lambda run: names.index(run.facts.method))


def _number(run: RunRecord) -> str:
    return f"seed {run.seed}, fold {run.fold}" if run.fold else f"seed {run.seed}"


def _drawn(matrix: Matrix, runs: list[StoredRun]) -> Iterator[PictureFigure]:
    for run in runs:
        try:
            shown = run.pictures()
        except (OSError, ValueError) as e:
            raise StoreError(f"run {run.facts.name}: its pictures cannot be read ({e}); run it again with --redo") from e
        for heading, images in shown.items():
            rows, columns = images.shape[:2]
            of = f"{run.facts.method}, {trained(matrix, run.facts.sources, run.facts.target)}, {_number(run.facts)}: {heading}"
            text = f"{rows} {'row' if rows == 1 else 'rows'} of {columns} {'image' if columns == 1 else 'images'}: {heading}"
            yield PictureFigure(of, text, *_png(images))


def _png(images: NDArray[np.uint8]) -> tuple[str, int, int]:
    """Return the address of a PNG of (rows, N, C, h, w) images, and its width and height on the page; gaps are transparent.

    The page enlarges it, so that small images are few bytes.
    """
    rows, columns, channels, *size = images.shape
    scale = max(1, _SIDE // max(size))
    gap, (height, width) = _GAP // min(scale, _GAP), (max(1, round(side * min(1, _SIDE / max(size)))) for side in size)
    sheet = Image.new("LA" if channels == 1 else "RGBA", (columns * (width + gap) - gap, rows * (height + gap) - gap))
    for row, column in np.ndindex(rows, columns):
        pixels = images[row, column]
        tile = Image.fromarray(np.ascontiguousarray(pixels[0] if channels == 1 else np.moveaxis(pixels, 0, -1)))
        sheet.paste(tile.resize((width, height), Image.Resampling.BOX), (column * (width + gap), row * (height + gap)))
    content = io.BytesIO()
    sheet.save(content, "PNG", optimize=True)
    address = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    return address, scale * sheet.width, scale * sheet.height
