"""Writes a sweep's report folder."""

from __future__ import annotations

import re
from pathlib import Path

from dabench.analysis.matrix import Matrix
from dabench.errors import StoreError
from dabench.reporting.formats import FILES, files_of, one_text
from dabench.storage.atomic import write_text
from dabench.training.selection import LAST


def write_report(matrix: Matrix, report: Path) -> Path:
    """Write the report folder and return it: index.html, results.json, tables as Markdown, CSV and LaTeX, confusion matrices.

    Where there are no results by group or by rule, subgroups.md|csv|tex and rules.md|csv|tex of an earlier report are removed.

    Another metric than accuracy, or another rule than the usual one, gets a folder of its own in the report folder, and
    overwrites nothing.

    Raises:
        StoreError: the report folder cannot be written.
    """
    # Imported here: drawing needs matplotlib, which other commands do without.
    from dabench.reporting.confusion_images import draw_confusions

    texts = {"index.html": one_text(matrix, "html")} | {name: FILES[name](matrix) for name in files_of(matrix)}
    folder = report_folder(matrix, report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_text(folder / name, text)
        for name in FILES.keys() - texts.keys():
            (folder / name).unlink(missing_ok=True)
        draw_confusions(matrix, folder / "confusion")
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e})") from e
    return folder


def report_folder(matrix: Matrix, report: Path) -> Path:
    """Return the folder that a matrix is reported in: of each metric but accuracy, and rule but the usual, one in `report`."""
    usual_words = ((matrix.metric, "accuracy"), (matrix.selection, LAST))
    own = [word for word, usual in usual_words if word != usual]
    return report / re.sub(r"[^A-Za-z0-9.-]", "-", "-".join(own)) if own else report
