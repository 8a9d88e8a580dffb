"""Writes a sweep's report folder."""

from __future__ import annotations

import re
from pathlib import Path

from dabench.atomic import write_text
from dabench.errors import StoreError
from dabench.matrix import Matrix
from dabench.reporting import formats
from dabench.selection import LAST

_ALWAYS = {
    "results.json": formats.to_json,
    "matrix.md": formats.matrix_md,
    "matrix.csv": formats.matrix_csv,
    "matrix.tex": formats.matrix_tex,
    "gains.md": formats.gains_md,
    "gains.csv": formats.gains_csv,
    "gains.tex": formats.gains_tex,
    "summary.csv": formats.summary_csv,
    "confusion.csv": formats.confusion_csv,
}
_GROUPS = {"groups.md": formats.groups_md, "groups.csv": formats.groups_csv, "groups.tex": formats.groups_tex}
_RULES = {"rules.md": formats.rules_md, "rules.csv": formats.rules_csv, "rules.tex": formats.rules_tex}


def write_report(matrix: Matrix, report: Path) -> Path:
    """Write the report folder and return it: index.html, results.json, tables as Markdown, CSV and LaTeX, confusion matrices.

    Where there are no results by group or by rule, groups.md|csv|tex and rules.md|csv|tex of an earlier report are removed.

    Another metric than accuracy, or another rule than the usual one, gets a folder of its own in the report folder, and
    overwrites nothing.

    Raises:
        StoreError: the report folder cannot be written.
    """
    # Imported here: drawing needs matplotlib, which other commands do without.
    from dabench.reporting.pictures import draw_confusions

    forms = _ALWAYS | (_GROUPS if matrix.groups else {}) | (_RULES if matrix.rules else {})
    texts = {"index.html": formats.one_text(matrix, "html")} | {name: text(matrix) for name, text in forms.items()}
    folder = report_folder(matrix, report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_text(folder / name, text)
        for name in (_GROUPS | _RULES).keys() - texts.keys():
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
