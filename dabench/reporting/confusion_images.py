"""Draw confusion matrices as images, as in Figure 2 of the study."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Cell
from dabench.hashing import shortened
from dabench.reporting.intervals import interval_text
from dabench.reporting.tables import foremost

_NAMED = 200
"""Most classes whose names stand beside an image, which is then 3,630 pixels wide. Of more classes, some are named."""


def max_pictures(classes: int) -> int:
    """Return the most images to draw, which takes some seconds. confusion.csv has the counts of all cells."""
    return max(6, min(12, 240 // classes))


def cell_file(cell: Cell) -> str:
    """Return the name of a file of a cell, without suffix."""
    name = "_".join([cell.adapter, "+".join(cell.sources), *([cell.target] if cell.target else []), "on", cell.test])
    return shortened(re.sub(r"[^A-Za-z0-9.+_-]", "-", name))


def draw_confusions(matrix: Matrix, folder: Path) -> list[Path]:
    """Draw the confusion matrices of the most important cells into `folder` as PNG and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for cell in foremost(matrix.cells, max_pictures(len(matrix.classes))):
        files.append(folder / f"{cell_file(cell)}.png")
        title = f"{cell.name}, {cell.adapter}{f' for {cell.target}' if cell.target else ''}"
        title += f"\n{cell.metric} {cell.mean:.1f} % {interval_text(vars(cell))}"
        draw_confusion(matrix.confusion[cell.key], matrix.classes, title, files[-1])
    return files


def draw_confusion(counts: NDArray[np.float64], classes: Sequence[str], title: str, path: Path) -> None:
    """Draw (K, K) counts by true and predicted class, in % of each true class; numbers only for up to 20 classes."""
    k = len(classes)
    named = range(0, k, -(-k // _NAMED))
    names = [classes[i] for i in named]
    side = max(3.2, 0.5 * k + 1.4) if k <= 20 else 0.12 * len(named) + 9
    figure = Figure(figsize=(side, side), layout="constrained", dpi=110)
    axes = figure.subplots()
    share = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(named, names, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(named, names, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, fontsize=9, parse_math=False)
    for (row, column), value in np.ndenumerate(share) if k <= 20 else ():
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if value > 55 else "black")
    with warnings.catch_warnings():
        # Class names in scripts that the font lacks become boxes; without this filter every letter gives a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasAgg(figure).print_png(path)  # figure.savefig draws twice
