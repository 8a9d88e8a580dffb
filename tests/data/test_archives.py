"""Named files that are packed, in every form, whatever their names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from pictures import as_zip

from dabench.data.archives import content, form_of, opened
from dabench.data.csv_files import read_rows
from dabench.errors import DataError, quoted

TEXT = b"name,age\nAda,36\n"


def tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, inside in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(inside)
            archive.addfile(info, io.BytesIO(inside))
    return buffer.getvalue()


def zipped(tmp_path: Path, files: Mapping[str, bytes]) -> bytes:
    return as_zip(tmp_path / "made.zip", files).read_bytes()


FORMS: dict[str, Callable[[Path], bytes]] = {
    "": lambda _: TEXT,
    "gzip": lambda _: gzip.compress(TEXT),
    "bzip2": lambda _: bz2.compress(TEXT),
    "xz": lambda _: lzma.compress(TEXT),
    "tar": lambda _: tar({"a/table.csv": TEXT}),
    "zip": lambda tmp_path: zipped(tmp_path, {"a/table.csv": TEXT}),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_first_bytes_tell_the_form(form: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(FORMS[form](tmp_path))
    assert form_of(path) == form
    assert content(path) == TEXT


@pytest.mark.parametrize(
    "pack",
    [
        lambda tmp_path: gzip.compress(tar({"table.csv": TEXT})),
        lambda tmp_path: bz2.compress(tar({"table.csv": TEXT})),
        lambda tmp_path: zipped(tmp_path, {"table.csv.gz": gzip.compress(TEXT)}),
        lambda tmp_path: zipped(tmp_path, {"x.tar.gz": gzip.compress(tar({"table.csv": TEXT}))}),
        lambda tmp_path: gzip.compress(gzip.compress(TEXT)),
    ],
    ids=["tar.gz", "tar.bz2", "gzip in a zip", "tar.gz in a zip", "gzip twice"],
)
def test_a_form_in_another_is_opened(pack: Callable[[Path], bytes], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(pack(tmp_path))
    assert content(tmp_path / "file") == TEXT


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_the_wanted_file_is_taken_by_its_name(form: str, tmp_path: Path) -> None:
    files = {"a/._b.csv": b"0", "a/c.csv": b"1", "a/b.csv": TEXT, "README": b"2"}
    (tmp_path / "file").write_bytes(tar(files) if form == "tar" else zipped(tmp_path, files))
    with opened(tmp_path / "file", "x", ("b.csv", "c.csv")) as file:
        assert file.read() == TEXT


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_the_only_file_is_taken_under_any_name(form: str, tmp_path: Path) -> None:
    files = {"__MACOSX/._data.csv": b"0", ".DS_Store": b"1", "data.csv": TEXT}
    (tmp_path / "file").write_bytes(tar(files) if form == "tar" else zipped(tmp_path, files))
    with opened(tmp_path / "file", "x", ("b.csv",)) as file:
        assert file.read() == TEXT


def test_an_archive_of_several_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(tar({"a": b"", "b": b""}))
    with pytest.raises(DataError, match=r"x: .*/file is a tar that does not contain c\.csv or d\.csv; download it again"):
        content_of(tmp_path / "file", "c.csv", "d.csv")


def content_of(path: Path, *names: str) -> bytes:
    with opened(path, "x", names) as file:
        return file.read()


def test_a_file_packed_again_and_again_is_refused(tmp_path: Path) -> None:
    packed = TEXT
    for _ in range(5):
        packed = gzip.compress(packed)
    (tmp_path / "file").write_bytes(packed)
    with pytest.raises(DataError, match="is packed more than 3 times; unpack it"):
        content(tmp_path / "file")


@pytest.mark.parametrize("cut", [20, 100, 3000])
def test_a_cut_file_is_damaged(cut: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(5000)
    (tmp_path / "file").write_bytes(gzip.compress(tar({"a": noise}))[:cut])
    with pytest.raises(DataError, match=r"/file cannot be read \(.*\); download it again"):
        content(tmp_path / "file")


def test_a_pointer_of_git_lfs_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    with pytest.raises(DataError, match="/file is a pointer of Git LFS, not the file itself; run git lfs pull"):
        content(tmp_path / "file")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^x: .*/file does not exist$"):
        content(tmp_path / "file", "x")


def test_a_packed_table_is_read_by_every_reader_of_rows(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(gzip.compress(TEXT))
    assert list(read_rows(tmp_path / "table.csv", ["age"])) == [(2, {"name": "Ada", "age": "36"})]


@pytest.mark.parametrize("bytes_", [b"\x1b[31mname,age\n", b"\0" * 600, b"a,b\x07\n"])
def test_what_is_no_text_is_no_csv(bytes_: bytes, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(bytes_)
    with pytest.raises(DataError, match=r"table\.csv: begins with characters that no text has, so it is not a CSV$"):
        list(read_rows(tmp_path / "table.csv", ["age"]))


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "\u202e", "x" * 100, b"\xff\x00\x1b", b"y" * 1000])
def test_a_quoted_part_is_short_and_printable(text: str | bytes) -> None:
    assert quoted(text).isprintable()
    assert len(quoted(text)) <= 40 * 4 + 5
