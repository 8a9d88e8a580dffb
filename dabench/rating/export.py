"""Write the answers of a human study as CSV files: answers.csv for the report, and raters.csv beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dabench.data.csv_files import read_rows
from dabench.errors import DataError, StoreError
from dabench.rating.store import StudyStore
from dabench.rating.study import OWN_COLUMNS
from dabench.storage.atomic import write_text

Row = dict[str, str]


def study_rows(store: StudyStore) -> tuple[list[Row], list[Row]]:
    """Return the answers of a study as rows with the column `repeat`, and a row for each rater who answered something."""
    answers = [a for a in store.answers() if a.kind != "practice"]
    rows = [
        {
            "rater": a.rater, "image": a.image, "answer": store.classes[a.answer], "repeat": _yes(a.kind == "repeat"),
            "seconds": "" if a.seconds is None else f"{a.seconds:.3f}", "time": a.time, "interrupted": _yes(a.interrupted),
        }
        for a in answers
    ]  # fmt: skip
    begun = {a.rater for a in answers}
    raters = [{"rater": r.name, **(store.about(r.number) or {})} for r in store.raters if r.name in begun]
    return rows, raters


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def read_returned(files: Sequence[Path]) -> tuple[list[Row], list[Row]]:
    """Return the rows of files that raters downloaded from their pages, as `study_rows` does. Equal rows are taken once.

    Raises:
        DataError: a file cannot be read, has a wrong line, or answers an image otherwise than another line does.
    """
    found: dict[tuple[str, ...], tuple[Row, str]] = {}
    raters: dict[tuple[str, ...], tuple[Row, str]] = {}
    for path in files:
        for line, row in read_rows(path, ("rater", "image", "answer", "repeat")):
            where = f"{path}, line {line}"
            if row["repeat"] not in ("yes", "no"):
                raise DataError(f"{where}: repeat is '{row['repeat']}'; it must be yes or no, as the page wrote it")
            own = {column: row.get(column, "") for column in OWN_COLUMNS}
            about = {"rater": row["rater"], **{c: v for c, v in row.items() if c not in OWN_COLUMNS}}
            _take(found, (row["rater"], row["image"], row["repeat"]), own, where)
            _take(raters, (row["rater"],), about, where)
    return [row for row, _ in found.values()], [row for row, _ in raters.values()]


def _take(found: dict[tuple[str, ...], tuple[Row, str]], key: tuple[str, ...], row: Row, where: str) -> None:
    """Add a row. Raise DataError if the same rater said something else before."""
    first, before = found.setdefault(key, (row, where))
    if first != row:
        raise DataError(f"{where}: rater '{row['rater']}' says something else than in {before}; keep one of the two")


def write_answers(folder: Path, rows: Sequence[Row], raters: Sequence[Row]) -> list[Path]:
    """Write answers.csv and raters.csv; return the files. The report reads the first four columns of answers.csv.

    Files of an earlier export are replaced, if all of their lines are in the new ones.

    Raises:
        StoreError: there is no answer, a file in the folder has other lines, or the folder cannot be written.
    """
    if not rows:
        raise StoreError("there are no answers to export yet; dabench human status shows how far each rater is")
    about = list(dict.fromkeys(column for row in raters for column in row))
    texts = {
        "answers.csv": _csv(OWN_COLUMNS, rows),
        "raters.csv": _csv(about, ({column: _harmless(value) for column, value in row.items()} for row in raters)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            _check_replaceable(folder / name, text)
        for name, text in texts.items():
            write_text(folder / name, text)
    except (OSError, UnicodeDecodeError) as e:
        raise StoreError(f"{folder}: cannot be written ({e}); give another folder with --to") from e
    return [folder / name for name in texts]


def _check_replaceable(path: Path, text: str) -> None:
    """Raise StoreError if a file has a line that would be lost."""
    if path.exists() and (lost := set(path.read_text(encoding="utf-8").splitlines()) - set(text.splitlines())):
        raise StoreError(f"{path}: has {len(lost)} lines that the study does not have; give another folder with --to")


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue()


def _harmless(value: str) -> str:
    """Return a value that no spreadsheet takes for a formula; raters type some of them."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
