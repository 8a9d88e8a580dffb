"""Confusion matrices as pictures, as in the study's Figure 2."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont as find_font
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dabench.matrix import Matrix, key_of
from dabench.reporting.tables import foremost

MOST = 250
"""Pictures at most, some seconds and 8 MB; fewer where they are large. The counts of all cells are in confusion.csv."""
_DPI = 110


def draw_confusions(matrix: Matrix, folder: Path) -> list[Path]:
    """Draw the confusion matrices of the foremost cells into `folder` as PNG and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    sheet = Sheet(matrix.classes)
    files = []
    for cell in foremost(matrix.cells, most(len(matrix.classes))):
        adapted = f" for {cell.target}" if cell.target else ""
        name = f"{cell.adapter}_{'+'.join(cell.sources)}{'_' + cell.target if cell.target else ''}_on_{cell.test}"
        path = folder / (re.sub(r"[^A-Za-z0-9.+_-]", "-", name) + ".png")
        title = f"{cell.name}, {cell.adapter}{adapted}\n{cell.metric} {cell.mean:.1f} % [{cell.low:.1f}, {cell.high:.1f}]"
        sheet.draw(matrix.confusion[key_of(cell.adapter, cell.sources, cell.target, cell.test)], title, path)
        files.append(path)
    return files


def most(classes: int) -> int:
    """Return how many pictures are drawn at most: as many as take some seconds."""
    return int(MOST * min(1.0, (_side(20) / _side(classes)) ** 4))


def _side(classes: int) -> float:
    """Return the side of a picture in inches: room for numbers, and from 21 classes on for names alone."""
    return max(3.2, 0.5 * classes + 1.4) if classes <= 20 else 0.12 * classes + 9


class Sheet:
    """Draws confusion matrices of the same classes: names and axes once, the numbers of each over a copy of them."""

    def __init__(self, classes: Sequence[str]) -> None:
        k = len(classes)
        figure = Figure(figsize=(_side(k), _side(k)), layout="constrained", dpi=_DPI)
        self._canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        self._image = axes.imshow(np.zeros((k, k)), cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(k), list(classes), rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(k), list(classes), parse_math=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        self._title = axes.set_title("\n", fontsize=9)
        self._title.set_parse_math(False)
        self._changing = [self._image, *axes.spines.values(), self._title]
        for artist in self._changing:
            artist.set_animated(True)
        with _any_script():
            self._canvas.draw()
        figure.set_layout_engine("none")
        self._empty = self._canvas.copy_from_bbox(figure.bbox)
        # matplotlib takes a millisecond for each number, Pillow some microseconds.
        self._font = ImageFont.truetype(find_font("DejaVu Sans"), 8 * _DPI / 72)
        places = axes.transData.transform([(c, r) for r, c in np.ndindex(k, k)]) if k <= 20 else np.zeros((0, 2))
        self._places = [(x, figure.bbox.height - y) for x, y in places]

    def draw(self, counts: NDArray[np.float64], title: str, path: Path) -> None:
        """Draw one confusion matrix, (K, K) counts by true and predicted class, in % of each true class."""
        of_row = counts.sum(1, keepdims=True)
        share = 100 * np.divide(counts, of_row, out=np.zeros_like(counts), where=of_row > 0)
        self._image.set_data(share)
        self._title.set_text(title)
        self._canvas.restore_region(self._empty)
        with _any_script():
            for artist in self._changing:
                artist.draw(self._canvas.get_renderer())
        picture = Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")
        pen = ImageDraw.Draw(picture)
        for place, value in zip(self._places, share.flat, strict=False):
            pen.text(place, f"{value:.0f}", "white" if value > 55 else "black", self._font, anchor="mm")
        picture.save(path, compress_level=3)


@contextmanager
def _any_script() -> Iterator[None]:
    with warnings.catch_warnings():
        # A class named in a script that matplotlib's own font lacks becomes boxes, without a warning for every letter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
