"""The rows of a CSV file, each with the line it stands on."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dabench.errors import DataError, nearest

Row = tuple[int, dict[str, str]]
"""The line of a CSV file, and column -> value."""


def csv_rows(table: Path, needed: Sequence[str], who: str, read: Callable[[], bytes] | None = None) -> Iterator[Row]:
    """Yield the rows of a CSV in UTF-8; blanks around names and values are no part of them.

    Args:
        table: the file, also for messages.
        needed: columns that must be there, with a value in every row.
        who: whose file it is, for messages.
        read: gives its bytes where it is no file of its own, as in a zip.

    Raises:
        DataError: there is none, it is no CSV, or a column or a value is missing; the line is named.
    """
    try:
        reader = csv.reader(io.StringIO((read or table.read_bytes)().decode("utf-8-sig"), newline=""))
        header = [h.strip() for h in next(reader, [])]
        missing = [c for c in needed if c not in header]
        if missing:
            raise DataError(
                f"{who}: {table}, line 1: no column '{missing[0]}'{nearest(missing[0], header)}; it has: {', '.join(header)}"
            )
        if len(set(header)) < len(header) or "" in header:
            raise DataError(f"{who}: {table}, line 1: columns must have different names: {', '.join(header)}")
        for values in reader:
            if not any(values):
                continue
            where = f"{who}: {table}, line {reader.line_num}"
            if len(values) != len(header):
                raise DataError(f"{where}: {len(values)} values, but {len(header)} columns ({', '.join(header)})")
            row = {h: v.strip() for h, v in zip(header, values, strict=True)}
            empty = [c for c in needed if not row[c]]
            if empty:
                raise DataError(f"{where}: column '{empty[0]}' is empty; every line needs it")
            yield reader.line_num, row
    except FileNotFoundError as e:
        raise DataError(f"{who}: there is no {table}") from e
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise DataError(f"{who}: {table} is no readable CSV in UTF-8 ({e})") from e
