"""Write the figures of a matrix into a folder, with a caption for each that states its conditions."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dabench.analysis.matrix import Matrix
from dabench.errors import SpecError, StoreError
from dabench.hashing import shortened
from dabench.reporting.figures.plots import all_figures
from dabench.reporting.tables import conditions, counted
from dabench.storage.atomic import write_text

FORMATS = ("pdf", "svg", "png")

STYLE = Path(__file__).with_name("paper.mplstyle")

CAPTIONS = "captions.md"

_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}

_NARROWEST, _WIDEST = 2.0, 20.0


def inches_of(width: str) -> float:
    """Return a width such as "3.25in", "84mm", "8.4cm" or "240pt" in inches.

    Raises:
        SpecError: it is no such width, or not between 2 and 20 inches.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(in|cm|mm|pt)", width.strip())
    value = float(found[1]) * _INCHES[found[2]] if found else 0.0
    if not _NARROWEST <= value <= _WIDEST:
        raise SpecError(
            f"--width {width}: must be a number with a unit (in, cm, mm or pt), {_NARROWEST:g}in to {_WIDEST:g}in, such as 3.25in"
        )
    return value


def write_figures(matrix: Matrix, folder: Path, form: str, width: float, style: Path | None = None) -> list[Path]:
    """Draw the figures of a matrix into `folder` and return their files and that of the captions.

    Figures of the same names in the folder are replaced; other files stay.

    Args:
        form: one of FORMATS.
        width: in inches.
        style: a matplotlib style file, applied after STYLE.

    Raises:
        SpecError: the style file does not exist or is none.
        StoreError: the folder cannot be written.
    """
    captions = {}
    with _styled(style):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, (figure, caption) in all_figures(matrix, width):
                file = folder / f"{shortened(re.sub(r'[^A-Za-z0-9.+_-]', '-', name))}.{form}"
                _save(figure, file, form)
                captions[file] = caption
            write_text(folder / CAPTIONS, _captions(matrix, captions))
        except OSError as e:
            raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --to") from e
    return [*captions, folder / CAPTIONS]


@contextmanager
def _styled(style: Path | None) -> Iterator[None]:
    """Draw with the style of dabench, then that of the user; matplotlib's own settings are as before afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        matplotlib.style.use(str(STYLE))
        if style is not None:
            _use(style)
        with warnings.catch_warnings():
            # Names in scripts that the font lacks become boxes; without this filter every letter gives a warning.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            yield


def _use(style: Path) -> None:
    """Apply a style file of the user. Matplotlib only logs a wrong line, so its log is heard."""
    log, heard = logging.getLogger("matplotlib"), BufferingHandler(capacity=1000)
    heard.setLevel(logging.WARNING)
    log.addHandler(heard)
    try:
        matplotlib.style.use(str(style))
        wrong = heard.buffer[0].getMessage() if heard.buffer else ""
    except OSError as e:
        wrong = str(e)
    finally:
        log.removeHandler(heard)
    if wrong:
        raise SpecError(f"--style {style}: {' '.join(wrong.split())}; {STYLE} is an example")


def _save(figure: Figure, file: Path, form: str) -> None:
    FigureCanvasAgg(figure)
    # Without a date, the same results give the same file.
    undated = {"pdf": "CreationDate", "svg": "Date"}
    figure.savefig(file, format=form, metadata={undated[form]: None} if form in undated else {})


def _captions(matrix: Matrix, captions: Mapping[Path, str]) -> str:
    common = f"{conditions(matrix)}; {counted(len(matrix.record.seeds), 'seed')}; backbone {matrix.record.backbone.name}."
    lines = [f"# {matrix.record.title}: figures", "", common, ""]
    return "\n".join([*lines, *(f"- `{file.name}`: {caption}" for file, caption in captions.items()), ""])
