"""Confusion matrices as tables of counts; of large sweeps the first that there is room for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Cell
from dabench.reporting.html.colors import shade
from dabench.reporting.tables import foremost, trained
from dabench.storage.schema import CellKey

MOST_COUNTS = 12_000
"""Counts that a page holds at most: some 400 kB."""


@dataclass(frozen=True)
class Confusion:
    """What the images of each class were taken for, summed over seeds.

    Attributes:
        rows: for each true class its name, (count, step of the scale) for each class it was taken for, its images, and its
            recall in %.
    """

    number: int
    adapter: str
    name: str
    result: str
    rows: tuple[tuple[str, tuple[tuple[int, int], ...], int, str], ...]


def confusions_of(matrix: Matrix) -> dict[CellKey, Confusion]:
    """Return key -> confusion matrix, of the foremost cells that there is room for, in the order of the matrix."""
    places = len(matrix.classes) * (len(matrix.classes) + 2)
    chosen = {id(c) for c in foremost(matrix.cells, MOST_COUNTS // places)}
    return {c.key: _confusion(matrix, c, number) for number, c in enumerate(matrix.cells) if id(c) in chosen}


def _confusion(matrix: Matrix, cell: Cell, number: int) -> Confusion:
    counts = matrix.confusion[cell.key]
    images = counts.sum(1)
    shares = 100 * np.divide(counts, images[:, None], out=np.zeros_like(counts), where=images[:, None] > 0)
    rows = tuple(
        (
            name,
            tuple((int(n), shade(s)) for n, s in zip(row, share, strict=True)),
            int(total),
            f"{share[true]:.1f}" if total else "",
        )
        for true, (name, row, share, total) in enumerate(zip(matrix.classes, counts, shares, images, strict=True))
    )
    name = f"{trained(matrix, cell.sources, cell.target)}, tested on {matrix.datasets[cell.test].short_name}"
    result = f"{cell.mean:.1f} [{cell.low:.1f}, {cell.high:.1f}]"
    return Confusion(number, cell.adapter, name, result, rows)
