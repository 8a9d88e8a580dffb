"""Output folders that lie elsewhere: on any file system that pyarrow reaches (s3://, gs://, hdfs://, file://).

What is written and read is a folder of this machine, the mirror; what is finished is sent on, each run with run.json last, so
that a run without it was never whole. A start fetches what stands elsewhere and sends what the mirror alone has. Torn and
changed files are found by their checksums, as in any output folder (dabench.stored), and done again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from dabench.digests import digest
from dabench.errors import StoreError
from dabench.places import mirror_folder
from dabench.store import Store
from dabench.stored import NETWORK

_HEADS = ("sweep.json", "sweep.toml", "datasets")
_LAST = ("facts.json", "run.json", "sweep.json")
"""What is sent after everything else in its folder: where it is, the rest is."""
_AT_ONCE = 8


def is_remote(place: str | Path) -> bool:
    """Whether a place is an address such as s3://bucket/runs/quick and no path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", str(place)) is not None


def shown(address: str) -> str:
    """Return an address without the keys that may be in it, for messages and names."""
    return re.sub(r"//[^/@]*@", "//", address.partition("?")[0])


class Remote:
    """An output folder elsewhere, and its mirror here.

    Raises:
        StoreError: the address is none, or nothing can be read there.
    """

    def __init__(self, address: str) -> None:
        from pyarrow import fs

        self.address = shown(address).rstrip("/")
        try:
            self._files, self._root = fs.FileSystem.from_uri(address.replace("/?", "?").rstrip("/"))
        except (OSError, ValueError) as e:
            raise StoreError(f"{self.address}: is no address that pyarrow can open ({_line(e)})") from e
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", self.address)[-60:].strip("-")
        self.store = Store(mirror_folder() / f"{name}-{digest(self.address)[:10]}")
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._sent: list[Future[None]] = []

    def fetch(self, *, networks: bool) -> None:
        """Bring what stands there and not here, and send what stands here and not there.

        Args:
            networks: bring the networks of runs, too; reports have no need of them.
        """
        wanted: dict[str, dict[str, int]] = {}
        with self._reaching():
            there = self._listed()
            whole = {_folder(name) for name in there if PurePosixPath(name).name in _LAST}
            for name, size in there.items():
                if _folder(name) in whole | {"failed"} and (networks or not name.endswith(f"/{NETWORK}")):
                    wanted.setdefault(_folder(name), {})[name] = size
            list(self._pool.map(self._bring, wanted, wanted.values()))
        here = [f"runs/{name}" for name in self.store.names("runs") if not name.startswith(".")]
        self.send(*(name for name in here if name not in whole and (self.store.folder / name / "run.json").is_file()))

    def send(self, *names: str) -> None:
        """Send files or folders of the mirror, in the background; `close` waits for them."""
        self._sent += [self._pool.submit(self._send, name) for name in names]

    def close(self) -> None:
        """Wait until all is sent; raise StoreError if something could not be: it is sent by the next start."""
        with self._reaching():
            for sent in self._sent:
                sent.result()
        self._sent = []

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise StoreError(f"{self.address}: {_line(e)}; what is finished is kept in {self.store.folder}") from e

    def _listed(self) -> dict[str, int]:
        """Return the size of every file there, by its name relative to the output folder; no reports."""
        from pyarrow import fs

        found = self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True, recursive=True))
        files = {i.path[len(self._root) :].strip("/"): i.size for i in found if i.type == fs.FileType.File}
        return {name: size for name, size in files.items() if name.startswith(("runs/", "datasets/", "failed/", "sweep."))}

    def _bring(self, folder: str, files: dict[str, int]) -> None:
        here = self.store.folder / folder
        if all((self.store.folder / n).is_file() and (self.store.folder / n).stat().st_size == s for n, s in files.items()):
            return
        if any(part in ("", "..") for name in files for part in name.split("/")):
            raise OSError(f"a file there has a name that leaves its folder: {min(files)}")
        scratch = here.with_name(f".fetch-{here.name or 'sweep'}-{os.getpid()}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            for name in files:
                with self._files.open_input_stream(f"{self._root}/{name}") as source, open(scratch / Path(name).name, "wb") as to:
                    shutil.copyfileobj(source, to, 2**20)
            here.mkdir(parents=True, exist_ok=True)
            for name in sorted(files, key=_last):
                os.replace(scratch / Path(name).name, self.store.folder / name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _send(self, name: str) -> None:
        path = self.store.folder / name
        found = [p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")] if path.is_dir() else [path]
        files = [p.relative_to(self.store.folder).as_posix() for p in found if p.exists()]
        self._forget([f"{self._root}/{n}" for n in files if PurePosixPath(n).name in _LAST])
        for file in sorted(files, key=_last):
            if self._files.type_name not in ("s3", "gcs", "abfs"):  # these know no folders
                self._files.create_dir(str(PurePosixPath(f"{self._root}/{file}").parent), recursive=True)
            with open(self.store.folder / file, "rb") as source, self._files.open_output_stream(f"{self._root}/{file}") as to:
                shutil.copyfileobj(source, to, 2**20)

    def _forget(self, marks: Iterable[str]) -> None:
        """What is sent anew is not whole until it is."""
        from pyarrow import fs

        for info in self._files.get_file_info(list(marks)):
            if info.type == fs.FileType.File:
                self._files.delete_file(info.path)

    def heads(self) -> None:
        """Send what says whose folder it is, and the test labels."""
        self.send(*(name for name in _HEADS if (self.store.folder / name).exists()))


def _folder(name: str) -> str:
    return str(PurePosixPath(name).parent)


def _last(name: str) -> tuple[bool, str]:
    return PurePosixPath(name).name in _LAST, name


def _line(error: BaseException) -> Any:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
