"""Read CSV files as rows with their line numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from dabench.data.archives import content
from dabench.errors import DataError, nearest
from dabench.storage.text_files import decoded

_SHOWN = 1000
"""How many characters at the beginning, of which messages show some, must be those of a text."""


FILE = "file"
"""The attribute that names the raw file of an image, below its folder or zip, if the dataset has it."""


def image_name(digest: str, position: int) -> str:
    """Return the name of a test image without its suffix: the first digits of the dataset's digest, and its position."""
    return f"{digest[:8]}-{position}"


_DELIMITERS = (",", ";", "\t")

_SEP = re.compile(r"sep=([,;\t])(\r|\n)")
"""A first line of Excel that names the delimiter; it is no row."""

Row = tuple[int, dict[str, str]]
"""Line number in the CSV file, and column -> value."""


def read_rows(
    table: Path,
    needed: Sequence[str],
    who: str = "",
    read: Callable[[], bytes] | None = None,
    *,
    gaps: bool = False,
    columns: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield the rows of a CSV, as editors and spreadsheets write it. Spaces around names and values are removed, and empty lines
    are ignored.

    It is in UTF-8, or in UTF-16 with a byte order mark. Commas, semicolons or tabs separate values; line ends may be any.

    Args:
        table: the file, also for messages.
        needed: required columns, with a value in every row.
        who: the owner of the file, for messages.
        read: returns the bytes if the file is inside a zip.
        gaps: required columns may be empty, and rows may be shorter, because spreadsheets omit empty fields at the end.
        columns: the names of the columns if the first line does not name those that are needed, and so is a row.

    Raises:
        DataError: the file is missing or not valid CSV, or a column or a value is missing; the message names the line.
    """
    file = f"{who}: {table}" if who else f"{table}"
    try:
        text = decoded(read() if read else content(table, who))
        if not all(c.isprintable() or c.isspace() for c in text[:_SHOWN]):
            raise DataError(f"{file}: begins with characters that no text has, so it is not a CSV")
        named = _SEP.match(text)
        delimiter = named[1] if named else _delimiter(text, needed, len(columns))
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
        if named:
            next(reader)
        try:
            first = next(reader, [])
            bare = bool(columns) and not set(needed) <= {name.strip() for name in first}
            header = list(columns) if bare else _header(first, needed, file)
            for values in filter(any, chain([first], reader) if bare else reader):
                yield reader.line_num, _row(values, header, () if gaps else needed, gaps, f"{file}, line {reader.line_num}")
        except csv.Error as e:
            raise DataError(f"{file}, line {reader.line_num}: is not valid CSV ({e})") from e
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{file}: cannot be read as a CSV in UTF-8 ({e}); save it as CSV UTF-8") from e


def _delimiter(text: str, needed: Sequence[str], number: int) -> str:
    """Return what separates the values: the character that gives the needed columns, else their number, else most columns."""
    first = text.lstrip("\r\n").splitlines()[:1]
    columns = {d: [name.strip() for name in next(csv.reader(first, delimiter=d), [])] for d in _DELIMITERS}
    return max(columns, key=lambda d: (set(needed) <= set(columns[d]), len(columns[d]) == number, len(columns[d])))


def _header(names: Sequence[str], needed: Sequence[str], file: str) -> list[str]:
    header = [name.strip() for name in names]
    missing = [c for c in needed if c not in header]
    if missing:
        raise DataError(
            f"{file}, line 1: no column {', '.join(map(repr, missing))}{nearest(missing[0], header)}; "
            f"it has {', '.join(header) or 'none'} and must have {', '.join(needed)}"
        )
    if "" in header:
        raise DataError(f"{file}, line 1: column {header.index('') + 1} has no name; give it one")
    if len(set(header)) < len(header):
        raise DataError(f"{file}, line 1: columns must have different names: {', '.join(header)}")
    return header


def _row(values: Sequence[str], header: Sequence[str], filled: Sequence[str], gaps: bool, where: str) -> dict[str, str]:
    values = [v.strip() for v in values] + [""] * (gaps * (len(header) - len(values)))
    if len(values) != len(header):
        quote = "; put texts that hold a comma in quotes" if len(values) > len(header) else ""
        raise DataError(f"{where}: {len(values)} values, but {len(header)} columns ({', '.join(header)}){quote}")
    row = dict(zip(header, values, strict=True))
    empty = [c for c in filled if not row[c]]
    if empty:
        raise DataError(f"{where}: column '{empty[0]}' is empty; every line needs a value")
    return row
