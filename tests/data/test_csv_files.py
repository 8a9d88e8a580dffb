"""A CSV is read in every form that editors and spreadsheets write, and never by a guess."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dabench.data.csv_files import read_rows
from dabench.errors import DataError

TEXT = 'rater,image,answer\nann,a-1,"happy, or so"\n\nbob,a-2,\u00e4ngstlich\n'

ROWS = [
    {"rater": "ann", "image": "a-1", "answer": "happy, or so"},
    {"rater": "bob", "image": "a-2", "answer": "\u00e4ngstlich"},
]

NEEDED = ("rater", "image", "answer")


def table(folder: Path, content: bytes) -> Path:
    (folder / "answers.csv").write_bytes(content)
    return folder / "answers.csv"


def separated(text: str, delimiter: str) -> str:
    return text.replace(",", delimiter).replace(f"{delimiter} or", ", or")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"], ids=["Unix", "Windows", "old Mac"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_is_read_in_every_form(tmp_path: Path, encoding: str, delimiter: str, ends: str) -> None:
    content = separated(TEXT, delimiter).replace("\n", ends).encode(encoding)
    assert list(read_rows(table(tmp_path, content), NEEDED)) == [(2, ROWS[0]), (4, ROWS[1])]


def test_a_first_line_that_names_the_delimiter_is_no_row(tmp_path: Path) -> None:
    content = f"sep=;\r\n{separated(TEXT, ';')}".encode()
    assert [row for _, row in read_rows(table(tmp_path, content), NEEDED)] == ROWS


def test_a_single_column_may_hold_other_delimiters(tmp_path: Path) -> None:
    assert list(read_rows(table(tmp_path, b"image\na;1\n"), ("image",))) == [(2, {"image": "a;1"})]


def test_a_column_with_another_name_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1: no column 'answer'.*; it has rater, image, reply and must"):
        list(read_rows(table(tmp_path, b"rater;image;reply\n"), NEEDED))


def test_a_packed_csv_is_read(tmp_path: Path) -> None:
    assert [row for _, row in read_rows(table(tmp_path, gzip.compress(TEXT.encode())), NEEDED)] == ROWS


@pytest.mark.parametrize(
    "content",
    ["rater;image;\u00e4\n".encode("cp1252"), TEXT.encode("utf-16-le")],
    ids=["cp1252", "utf-16 without a mark"],
)
def test_another_encoding_is_one_printable_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError) as e:
        list(read_rows(table(tmp_path, content), NEEDED))
    assert str(e.value).isprintable()
