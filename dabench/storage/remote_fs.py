"""Remote files: a folder on any file system that pyarrow can open (s3://, gs://, hdfs://, file://).

A mark, a file that is sent after all others of its folder, says that the folder is complete. An address may contain keys; they
are removed from all messages, and so from logs and records.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from dabench.errors import StoreError

_KEYS = re.compile(r"://(?:[^/]*|[^/@:]*:(?!\d{1,5}/).*)@")
"""The keys in an address. A key may contain a slash that should be written %2F, unless it looks like a port."""

_NO_FOLDERS = ("s3", "gcs", "abfs")


def is_remote(place: str | Path) -> bool:
    """Whether a place is an address such as s3://bucket/runs/quick, not a path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", str(place)) is not None


def keyless(address: str) -> str:
    """Return an address without keys."""
    return _KEYS.sub("://", address, count=1)


def shown(address: str) -> str:
    """Return an address without keys and settings, for messages and names."""
    return keyless(address).partition("?")[0]


class RemoteFolder:
    """A remote folder. Its files are named by their path in it, with slashes.

    Args:
        advice: the end of the error message if the folder cannot be reached.

    Raises:
        StoreError: the address is not valid or cannot be reached. `reaching` turns the errors of the methods into StoreError.
    """

    def __init__(self, address: str, advice: str) -> None:
        from pyarrow import ArrowException, fs

        self.address, self._advice = shown(address).rstrip("/"), advice
        tidy = address.replace("/?", "?").rstrip("/")
        try:
            self._files, self._root = fs.FileSystem.from_uri(tidy)
        except ArrowException as e:
            why = _line(e).replace(tidy, self.address)
            raise StoreError(
                f"{self.address}: is not an address that pyarrow can open ({why}); give a folder, or for example s3://bucket/path"
            ) from None  # e may show keys
        except OSError as e:
            raise self._lost(e) from e

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Raise StoreError if something in the block cannot be read or written."""
        from pyarrow import ArrowException

        try:
            yield
        except (OSError, ArrowException) as e:
            raise self._lost(e) from e

    def _lost(self, error: Exception) -> StoreError:
        return StoreError(f"{self.address}: {_line(error)}; {self._advice}")

    def sizes(self, under: str = "") -> dict[str, int]:
        """Return the size in bytes of every file by its name, or of the files in the folder `under`.

        Raises:
            OSError: the folder cannot be read, or a name leads out of it.
        """
        from pyarrow import fs

        at = f"{self._root}/{under}".rstrip("/")
        found = self._files.get_file_info(fs.FileSelector(at, allow_not_found=True, recursive=True))
        sizes = {i.path[len(self._root) :].strip("/"): i.size for i in found if i.type == fs.FileType.File}
        for name in sizes:
            if {"", ".", ".."} & set(name.split("/")):
                raise OSError(f"a remote file has a name that leads out of its folder: {name}")
        return sizes

    def stands(self, *names: str) -> list[str]:
        """Return those of the files that exist."""
        from pyarrow import fs

        found = self._files.get_file_info([f"{self._root}/{n}" for n in names])
        return [name for name, info in zip(names, found, strict=True) if info.type == fs.FileType.File]

    def bring(self, name: str, to: Path) -> None:
        """Copy a remote file to a local path."""
        with self._files.open_input_stream(f"{self._root}/{name}") as source, open(to, "wb") as target:
            shutil.copyfileobj(source, target, 2**20)

    def send(self, here: Path, names: Iterable[str], marks: Container[str]) -> None:
        """Copy local files to the remote folder, marks last. Existing marks are deleted first."""
        ordered = sorted(names, key=lambda name: last(name, marks))
        for mark in self.stands(*(n for n in ordered if PurePosixPath(n).name in marks)):
            self._files.delete_file(f"{self._root}/{mark}")
        for name in ordered:
            to = f"{self._root}/{name}"
            if self._files.type_name not in _NO_FOLDERS:
                self._files.create_dir(str(PurePosixPath(to).parent), recursive=True)
            with open(here / name, "rb") as source, self._files.open_output_stream(to) as target:
                shutil.copyfileobj(source, target, 2**20)


def last(name: str, marks: Container[str]) -> tuple[bool, str]:
    """Return a sort key that puts marks after all other names."""
    return PurePosixPath(name).name in marks, name


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
