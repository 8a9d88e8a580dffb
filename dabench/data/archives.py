"""Open a file that may be compressed or in an archive. Its form is recognised by its first bytes, not by its name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from dabench.errors import DataError

_TAR_MARK = 257
"""The position of the word "ustar" in a tar."""
_FIRST_BYTES = {
    "gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zip": b"PK\3\4", "RAR": b"Rar!\x1a\7",
    "7z": b"7z\xbc\xaf\x27\x1c", "Zstandard": b"\x28\xb5\x2f\xfd",
}  # fmt: skip
POINTER = b"version https://git-lfs"
"""The first bytes of a pointer of Git LFS: a text file in place of the real file, which `git lfs pull` downloads."""
_COMPRESSED: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_LAYERS = 4
"""The largest number of forms inside each other that are opened: a zip of a gzip of a tar with the file."""
_BROKEN = (
    OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError,
)  # fmt: skip

_LARGEST = 200_000_000
"""Bytes that a file may unpack to. A larger one is an attack or a mistake."""

_Open = Callable[[], IO[bytes]]


def packed_as(first: bytes) -> str:
    """Return the form of a file with these first bytes (262 are enough): "zip", "tar", "gzip", ..., or "" if it is not packed."""
    if first[_TAR_MARK : _TAR_MARK + 5] == b"ustar":
        return "tar"
    return next((form for form, begin in _FIRST_BYTES.items() if first.startswith(begin)), "")


def form_of(path: Path) -> str:
    """Return the form of the file at `path`, as `packed_as` does; "" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return packed_as(file.read(_TAR_MARK + 5))
    except OSError:
        return ""


@contextmanager
def opened(path: Path, who: str = "", names: Sequence[str] = ()) -> Iterator[IO[bytes]]:
    """Open a file for reading; if it is packed (gzip, bzip2, xz, tar, zip, or one in the other), open what is in it.

    Args:
        path: the file. Its name says nothing about its form.
        who: the owner of the file, for messages.
        names: file names, the first one preferred, of which one is wanted from a tar or zip; without one of them, the only
            file in it.

    Raises:
        DataError: the file does not exist or is damaged, here or while it is read; it is packed as RAR, 7z or Zstandard, or
            a pointer of Git LFS; or it is a tar or zip without the wanted file.
    """
    where = f"{who}: {path}" if who else f"{path}"
    try:
        with ExitStack() as stack:
            yield _unpacked(stack.enter_context(open(path, "rb")), stack, names, where)
    except FileNotFoundError as e:
        raise DataError(f"{where} does not exist") from e
    except _BROKEN as e:
        reason = getattr(e, "strerror", None)  # of the system; else the file is damaged
        raise DataError(f"{where} cannot be read ({reason or e}); {'check it' if reason else 'download it again'}") from e


def content(path: Path, who: str = "") -> bytes:
    """Return the bytes of a file, unpacked as by `opened`.

    Raises:
        DataError: as `opened`, or there are more than 200 million bytes.
    """
    with opened(path, who) as file:
        found = file.read(_LARGEST + 1)
    if len(found) > _LARGEST:
        where = f"{who}: {path}" if who else f"{path}"
        raise DataError(f"{where} unpacks to more than {_LARGEST:,} bytes, so it is not a file of this dataset")
    return found


def _unpacked(file: IO[bytes], stack: ExitStack, names: Sequence[str], where: str) -> IO[bytes]:
    for _ in range(_LAYERS):
        first = file.read(_TAR_MARK + 5)
        form = packed_as(first)
        file.seek(0)
        if first.startswith(POINTER):
            raise DataError(f"{where} is a pointer of Git LFS, not the file itself; run git lfs pull in its repository")
        if not form:
            return file
        if form in _COMPRESSED:
            file = stack.enter_context(_COMPRESSED[form](file))
        elif form in ("tar", "zip"):
            members = _in_tar(file, stack) if form == "tar" else _in_zip(file, stack)
            file = stack.enter_context(_chosen(members, names, f"{where} is a {form}"))
        else:
            raise DataError(f"{where} is packed as {form}, which is not read; unpack it and put its content there")
    raise DataError(f"{where} is packed more than {_LAYERS - 1} times; unpack it and put its content there")


def _in_tar(file: IO[bytes], stack: ExitStack) -> Iterator[tuple[str, _Open]]:
    archive = stack.enter_context(tarfile.open(fileobj=file, mode="r:"))  # noqa: SIM115 -- the stack closes it
    for member in archive:
        if member.isfile():
            yield member.name, lambda member=member: archive.extractfile(member)  # type: ignore[misc]


def _in_zip(file: IO[bytes], stack: ExitStack) -> Iterator[tuple[str, _Open]]:
    archive = stack.enter_context(zipfile.ZipFile(file))
    for info in archive.infolist():
        if not info.is_dir():
            yield info.filename, lambda info=info: archive.open(info)  # type: ignore[misc]


def _chosen(members: Iterator[tuple[str, _Open]], names: Sequence[str], what: str) -> IO[bytes]:
    """Open the member with the first of `names`, or the only member. Files that macOS adds do not count."""
    there: dict[str, _Open] = {}
    for name, opening in members:
        own = name.replace("\\", "/").rpartition("/")[2]
        if not own.startswith("."):
            there.setdefault(own, opening)
        if names and own == names[0]:
            break  # the rest of a large tar is not read
    found = next((there[name] for name in names if name in there), None)
    if found is None and len(there) != 1:
        raise DataError(f"{what} that does not contain {' or '.join(names) or 'a single file'}; download it again")
    return (found or next(iter(there.values())))()
