"""Confusion matrices as pictures, as in the study's Figure 2."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dabench.matrix import Matrix, key_of


def draw_confusions(matrix: Matrix, folder: Path) -> list[Path]:
    """Draw the confusion matrix of every cell into `folder` as PNG and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for cell in matrix.cells:
        adapted = f" for {cell.target}" if cell.target else ""
        name = f"{cell.adapter}_{'+'.join(cell.sources)}{'_' + cell.target if cell.target else ''}_on_{cell.test}"
        path = folder / (re.sub(r"[^A-Za-z0-9.+_-]", "-", name) + ".png")
        title = f"{cell.name}, {cell.adapter}{adapted}\n{cell.metric} {cell.mean:.1f} % [{cell.low:.1f}, {cell.high:.1f}]"
        draw_confusion(matrix.confusion[key_of(cell.adapter, cell.sources, cell.target, cell.test)], matrix.classes, title, path)
        files.append(path)
    return files


def draw_confusion(counts: NDArray[np.float64], classes: Sequence[str], title: str, path: Path) -> None:
    """Draw one confusion matrix, (K, K) counts by true and predicted class, in % of each true class."""
    k = len(classes)
    of_row = counts.sum(1, keepdims=True)
    share = 100 * np.divide(counts, of_row, out=np.zeros_like(counts), where=of_row > 0)
    side = max(3.2, 0.5 * k + 1.4)
    figure = Figure(figsize=(side, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(k), list(classes), rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(k), list(classes), parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=9, parse_math=False)
    if k <= 20:
        for row, column in np.ndindex(k, k):
            colour = "white" if share[row, column] > 55 else "black"
            axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=8)
    with warnings.catch_warnings():
        # A class named in a script that matplotlib's own font lacks becomes boxes, without a warning for every letter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, dpi=110)
