"""Figures of the mistakes of cells (`dabench report --errors`), as PNG inside the page."""

from __future__ import annotations

import base64

from dabench.analysis.matrix import Matrix
from dabench.reporting.html.pictures import PictureFigure
from dabench.reporting.mistakes import heading, sheet_png

MOST_BYTES = 8_000_000
"""Most bytes of all sheets on a page."""


def mistake_figures(matrix: Matrix) -> list[PictureFigure]:
    """Return a figure for each cell, as far as they fit onto the page."""
    figures, left = [], MOST_BYTES
    for of in matrix.mistakes:
        content, width, height = sheet_png(matrix, of)
        address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        left -= len(address)
        if left < 0:
            break
        text = f"{len(of.images)} test images with true class, predicted class and confidence"
        figures.append(PictureFigure(heading(matrix, of), text, address, width, height))
    return figures
