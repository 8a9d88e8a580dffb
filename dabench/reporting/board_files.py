"""Write the folder of the leaderboard: the page, its rows as CSV, and the records of the tables that have some."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dabench.errors import StoreError
from dabench.reporting.board import BoardTable, board_csv, board_rows
from dabench.reporting.html.board import board_html
from dabench.storage.atomic import new_file, write_text

_CSV = "leaderboard.csv"


def check_place(folder: Path) -> None:
    """Raise StoreError if a folder exists and contains something other than a leaderboard."""
    if folder.exists() and not (folder / _CSV).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder}: exists and is not a leaderboard; use another folder with --to")


def write_board(tables: Sequence[BoardTable], folder: Path) -> list[Path]:
    """Write index.html, leaderboard.csv, and records/NAME.md and NAME.zip of tables with both; return the files.

    Other packs are not copied: they may be large, and may hold what their owner does not want to publish.

    Raises:
        StoreError: the folder contains something else or cannot be written.
    """
    check_place(folder)
    rows, texts = board_rows(tables), {t.name: t.text for t in tables if t.text}
    copies = [file for t in tables if t.text for file in (t.text, t.pack)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pages = {_CSV: board_csv(rows), "index.html": board_html(tables, rows, texts)}
        for name, content in pages.items():
            write_text(folder / name, content)
        if copies:
            (folder / "records").mkdir(exist_ok=True)
        for file in copies:
            with new_file(folder / "records" / file.name) as hidden:
                shutil.copyfile(file, hidden)
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --to") from e
    return [*(folder / name for name in reversed(pages)), *(folder / "records" / file.name for file in copies)]
