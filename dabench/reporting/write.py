"""Writes a sweep's report folder."""

from __future__ import annotations

from dabench.errors import StoreError
from dabench.matrix import Matrix
from dabench.reporting import formats
from dabench.store import Store, write_text


def write_report(matrix: Matrix, store: Store) -> None:
    """Write results.json, matrix and gains as Markdown, CSV and LaTeX, and the confusion matrices as pictures.

    Raises:
        StoreError: the report folder cannot be written.
    """
    # Imported here: drawing needs matplotlib, which other commands do without.
    from dabench.reporting.pictures import draw_confusions

    texts = {
        "results.json": formats.to_json(matrix),
        "matrix.md": formats.matrix_md(matrix),
        "matrix.csv": formats.matrix_csv(matrix),
        "matrix.tex": formats.matrix_tex(matrix),
        "gains.md": formats.gains_md(matrix),
        "gains.csv": formats.gains_csv(matrix),
        "gains.tex": formats.gains_tex(matrix),
    }
    try:
        store.report.mkdir(exist_ok=True)
        for name, text in texts.items():
            write_text(store.report / name, text)
        draw_confusions(matrix, store.report / "confusion")
    except OSError as e:
        raise StoreError(f"{store.report}: cannot be written ({e.strerror or e})") from e
