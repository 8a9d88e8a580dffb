"""Write the mistakes of cells into a report folder: a sheet of images and a list for each."""

from __future__ import annotations

from pathlib import Path

from dabench.analysis.matrix import Matrix
from dabench.analysis.mistakes import Mistakes
from dabench.reporting.confusion_images import cell_file
from dabench.reporting.formats import csv_text
from dabench.reporting.mistakes import sheet_png
from dabench.storage.atomic import write_text


def draw_mistakes(matrix: Matrix, folder: Path) -> list[Path]:
    """Write a sheet (PNG) and a list of all mistakes (CSV) for each cell into `folder`, and return the files."""
    files = []
    for of in matrix.mistakes:
        folder.mkdir(parents=True, exist_ok=True)
        sheet, table = (folder / f"{cell_file(of.cell)}.{suffix}" for suffix in ("png", "csv"))
        sheet.write_bytes(sheet_png(matrix, of)[0])
        write_text(table, mistake_list(matrix, of))
        files += [sheet, table]
    return files


def mistake_list(matrix: Matrix, of: Mistakes) -> str:
    """Return the CSV of all mistakes of a cell."""
    columns = ["image", *of.names, "true", "predicted", "confidence", "wrong_seeds", "seeds", "digest"]
    rows = [
        [
            str(of.image[i]), *(str(values[i]) for values in of.names.values()), matrix.classes[of.labels[i]],
            matrix.classes[of.predicted[i]], f"{of.confidence[i]:.4f}", str(of.wrong_seeds[i]), str(of.seeds), matrix.digest[:12],
        ]
        for i in range(len(of.image))
    ]  # fmt: skip
    return csv_text(columns, rows)
