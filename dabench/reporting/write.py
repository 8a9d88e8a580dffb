"""Write the report folder of a sweep."""

from __future__ import annotations

import re
from pathlib import Path

from dabench.analysis.matrix import Matrix
from dabench.errors import StoreError
from dabench.reporting.formats import FILES, files_of, one_text
from dabench.storage.atomic import write_text
from dabench.training.selection import LAST


def write_report(matrix: Matrix, report: Path) -> Path:
    """Write the report folder and return it: index.html, results.json, tables as Markdown, CSV and LaTeX, confusion matrices,
    and sheets of mistakes if there are any. Sheets of an earlier report stay.

    Files of an earlier report on parts that are empty now, such as clips or provided models, are removed. A metric, a rule or a
    spread other than the default is written into its own subfolder, so that it overwrites nothing.

    Raises:
        StoreError: the report folder cannot be written.
    """
    # Imported here: other commands do not need matplotlib.
    from dabench.reporting.confusion_images import draw_confusions
    from dabench.reporting.mistake_files import draw_mistakes

    texts = {"index.html": one_text(matrix, "html")} | {name: FILES[name](matrix) for name in files_of(matrix)}
    folder = report_folder(matrix, report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_text(folder / name, text)
        for name in FILES.keys() - texts.keys():
            (folder / name).unlink(missing_ok=True)
        draw_confusions(matrix, folder / "confusion")
        draw_mistakes(matrix, folder / "mistakes")
    except OSError as e:
        raise StoreError(
            f"{folder}: cannot be written ({e.strerror or e}); give another folder with --out, or print it with --format md"
        ) from e
    return folder


def report_folder(matrix: Matrix, report: Path) -> Path:
    """Return the folder of a report: `report`, or a subfolder for a metric, a rule or a spread other than the default."""
    usual_words = ((matrix.metric, "accuracy"), (matrix.selection, LAST), (matrix.spread, "interval"))
    own = [word for word, usual in usual_words if word != usual]
    return report / re.sub(r"[^A-Za-z0-9.-]", "-", "-".join(own)) if own else report
