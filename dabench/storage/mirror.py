"""Remote stores, on any file system that pyarrow can open (s3://, gs://, hdfs://, file://).

Reading and writing use a local folder, the mirror. Complete runs are sent to the remote store, each with run.json last, so a
remote run without run.json is incomplete. A sweep starts by fetching what only the remote store has and sending what only the
mirror has. Damaged files are detected by their checksums, as in any store (dabench.storage.reader), and their runs are repeated.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from dabench.storage.atomic import remove_abandoned, temporary_folder
from dabench.storage.paths import mirror_of
from dabench.storage.reader import NETWORK
from dabench.storage.remote_fs import RemoteFolder, last
from dabench.storage.run_store import RunStore

_HEADS = ("sweep.json", "sweep.toml", "datasets")

_LAST = ("facts.json", "run.json", "sweep.json")
"""The files that are sent last in their folder. If one of them exists, the folder is complete."""

_AT_ONCE = 8


class OutputMirror:
    """A remote store and its local mirror.

    Raises:
        StoreError: the address is not valid, or the remote store cannot be read.
    """

    def __init__(self, address: str) -> None:
        self.store = RunStore(mirror_of(address))
        self._remote = RemoteFolder(address, f"complete runs are kept in {self.store.folder}")
        self.address = self._remote.address
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._sent: list[Future[None]] = []

    def fetch(self, *, networks: bool) -> None:
        """Fetch what only the remote store has, and send what only the mirror has.

        Args:
            networks: also fetch the networks of runs, which reports do not need.
        """
        wanted: dict[str, dict[str, int]] = {}
        with self._remote.reaching():
            there = self._listed()
            whole = {_folder(name) for name in there if PurePosixPath(name).name in _LAST}
            for name, size in there.items():
                if _folder(name) in whole | {"failed"} and (networks or not name.endswith(f"/{NETWORK}")):
                    wanted.setdefault(_folder(name), {})[name] = size
            list(self._pool.map(self._bring, wanted, wanted.values()))
        here = [f"runs/{name}" for name in self.store.names("runs") if not name.startswith(".")]
        self.send(*(name for name in here if name not in whole and (self.store.folder / name / "run.json").is_file()))

    def send(self, *names: str) -> None:
        """Send files or folders of the mirror in the background; `close` waits for them."""
        self._sent += [self._pool.submit(self._send, name) for name in names]

    def close(self) -> None:
        """Wait until everything is sent; raise StoreError if something could not be sent. The next start sends it."""
        with self._remote.reaching():
            for sent in self._sent:
                sent.result()
        self._sent = []

    def _listed(self) -> dict[str, int]:
        """Return the size of every remote file except reports, by its path relative to the store."""
        found = self._remote.sizes()
        return {name: size for name, size in found.items() if name.startswith(("runs/", "datasets/", "failed/", "sweep."))}

    def _bring(self, folder: str, files: dict[str, int]) -> None:
        here = self.store.folder / folder
        if all((self.store.folder / n).is_file() and (self.store.folder / n).stat().st_size == s for n, s in files.items()):
            return
        here.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(prefix := here.with_name(f".{here.name}"))
        with temporary_folder(prefix) as hidden:
            for name in files:
                self._remote.bring(name, hidden / Path(name).name)
            here.mkdir(exist_ok=True)
            for name in sorted(files, key=lambda name: last(name, _LAST)):
                os.replace(hidden / Path(name).name, self.store.folder / name)

    def _send(self, name: str) -> None:
        path = self.store.folder / name
        found = [p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")] if path.is_dir() else [path]
        files = [p.relative_to(self.store.folder).as_posix() for p in found if p.exists()]
        self._remote.send(self.store.folder, files, _LAST)

    def heads(self) -> None:
        """Send the record of the sweep (sweep.json, sweep.toml) and the test labels."""
        self.send(*(name for name in _HEADS if (self.store.folder / name).exists()))


def _folder(name: str) -> str:
    return str(PurePosixPath(name).parent)
