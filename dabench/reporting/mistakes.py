"""Draw the mistakes of a cell as a sheet of images."""

from __future__ import annotations

import io

from PIL import Image

from dabench.analysis.matrix import Matrix
from dabench.analysis.mistakes import Mistakes
from dabench.reporting.contact_sheet import Tile, contact_sheet
from dabench.reporting.tables import trained

IN_A_ROW = 10

RULE = (
    "Test images that the networks of a cell classify wrongly, most confident first: true class, predicted class, probability of "
    "the predicted class (mean over seeds) and position in the test split. The images are as the networks see them."
)
"""The note on the sheets."""


def heading(matrix: Matrix, of: Mistakes) -> str:
    """Return the heading of a sheet, such as "dann, FONT -> UCI, tested on UCI: 88 of 360 images wrong, the first 60"."""
    cell, shown = of.cell, len(of.images)
    where = f"{trained(matrix, cell.sources, cell.target)}, tested on {matrix.datasets[cell.test].short_name}"
    first = f", the {shown} most confident" if shown < len(of.image) else ""
    return f"{cell.adapter}, {where}: {len(of.image):,} of {of.of:,} images wrong{first}"


def mistake_sheet(matrix: Matrix, of: Mistakes) -> Image.Image:
    """Return the sheet of a cell: one row below the other, each image with its classes and its confidence."""
    seeds = "1 seed" if of.seeds == 1 else f"mean of {of.seeds} seeds"
    about = f"checkpoint '{of.cell.selection}', {seeds}, digest {matrix.digest[:12]}"
    tiles = [_tile(matrix, of, number) for number in range(len(of.images))]
    rows = [tiles[i : i + IN_A_ROW] for i in range(0, len(tiles), IN_A_ROW)]
    return contact_sheet([heading(matrix, of), about, *rows])


def _tile(matrix: Matrix, of: Mistakes, number: int) -> Tile:
    true, predicted = (matrix.classes[classes[number]] for classes in (of.labels, of.predicted))
    return of.images[number], f"true: {true}\nas: {predicted}\n{100 * of.confidence[number]:.0f} %, {of.image[number]}"


def sheet_png(matrix: Matrix, of: Mistakes) -> tuple[bytes, int, int]:
    """Return the sheet as PNG, and its width and height."""
    sheet, content = mistake_sheet(matrix, of), io.BytesIO()
    sheet.save(content, "PNG", optimize=True)
    return content.getvalue(), sheet.width, sheet.height
