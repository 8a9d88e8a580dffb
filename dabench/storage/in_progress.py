"""Files of a sweep in progress: its lock, the request to stop, and the state of unfinished runs.

    ongoing/lock          held by the process of the sweep; released when this process ends, for any reason
    ongoing/stop          the request to stop: runs continue to their next checkpoint
    ongoing/NAME.hung     where a run was when its time limit ended its process
    ongoing/NAME-DIGEST/  the state from which an unfinished run resumes (dabench.training.resume)

The folder is removed when no run is unfinished.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from dabench.errors import StoreError
from dabench.storage.atomic import lock


class SweepLock:
    """The lock and the files in progress of one sweep; `folder` is its store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ongoing"

    @property
    def stopping(self) -> bool:
        """Whether the sweep was asked to stop."""
        return (self.folder / "stop").exists()

    def stop(self) -> None:
        """Ask the sweep to stop; raise OSError if the request cannot be written."""
        (self.folder / "stop").touch()

    def hung(self, name: str) -> Path:
        """Return the file that records where a run hung."""
        return self.folder / f"{name}.hung"

    def take_hung(self, name: str) -> str:
        """Return and delete the record of where a run hung at its time limit, or return an empty string."""
        try:
            return self.hung(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        finally:
            self.hung(name).unlink(missing_ok=True)

    def partial(self, name: str, digest: str) -> Path:
        """Return the folder with the state from which a run resumes."""
        return self.folder / f"{name}-{digest}"

    def keep_only(self, digests: Collection[str]) -> None:
        """Delete the saved state of all runs except those with these digests."""
        for folder in self.folder.glob("*-*/"):
            if folder.name.rpartition("-")[2] not in digests:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock of the store, so that no other sweep can use it.

        On a file system without locks, other sweeps are not kept out.

        Raises:
            StoreError: another sweep holds the lock, or the folder cannot be written.
        """
        made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        file = self._lock()
        try:
            (self.folder / "stop").unlink(missing_ok=True)
            yield
        finally:
            self._let_go(made)
            os.close(file)

    def _lock(self) -> int:
        path = self.folder / "lock"
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as e:
                folder = self.folder.parent
                raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --out") from e
            try:
                lock(file)
            except OSError:
                who = os.read(file, 200).decode(errors="replace").strip()
                os.close(file)
                raise StoreError(
                    f"{self.folder.parent}: another sweep is running in this folder ({who or 'just started'}); "
                    "wait until it ends, or give another folder with --out"
                ) from None
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(file), os.stat(path)):
                    os.truncate(file, 0)
                    os.pwrite(file, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
                    return file
            os.close(file)  # another process removed this lock file when it ended: open a new one

    def _let_go(self, made: list[Path]) -> None:
        """Remove the lock, the request to stop, and folders that stayed empty."""
        for name in ("stop", "lock"):
            (self.folder / name).unlink(missing_ok=True)
        for folder in [self.folder, *made]:
            with contextlib.suppress(OSError):
                folder.rmdir()  # succeeds only if the folder is empty
