"""What lies in a sweep's folder while the sweep is at work: who holds it, the sign to stop, where runs hung or stood.

    ongoing/lock          held by the sweep at work, and let go of when its process ends, however it ends
    ongoing/stop          somebody said stop: runs go on to their next checkpoint
    ongoing/NAME.hung     where a run was when its time limit ended its process
    ongoing/NAME-DIGEST/  what an unfinished run goes on from (dabench.training.resume)

The folder is gone once nothing is unfinished.
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
    """What one sweep has in hand; `folder` is the sweep's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ongoing"

    @property
    def stopping(self) -> bool:
        """Whether somebody said stop."""
        return (self.folder / "stop").exists()

    def stop(self) -> None:
        """Say stop; raise OSError if that cannot be written."""
        (self.folder / "stop").touch()

    def hung(self, name: str) -> Path:
        """Return the file that is to say where a run hung."""
        return self.folder / f"{name}.hung"

    def take_hung(self, name: str) -> str:
        """Return where a run hung that its time limit ended, or an empty string; forget it."""
        try:
            return self.hung(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        finally:
            self.hung(name).unlink(missing_ok=True)

    def partial(self, name: str, digest: str) -> Path:
        """Return the folder of what a run goes on from."""
        return self.folder / f"{name}-{digest}"

    def keep_only(self, digests: Collection[str]) -> None:
        """Forget what is of no run with one of these digests."""
        for folder in self.folder.glob("*-*/"):
            if folder.name.rpartition("-")[2] not in digests:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the sweep's folder, which no other sweep then gets.

        On a file system that knows no locks nobody is kept out.

        Raises:
            StoreError: another sweep holds it, or it cannot be written.
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
                    f"{self.folder.parent}: another sweep is at work in it ({who or 'just begun'}); "
                    "wait until it is done, or give another folder with --out"
                ) from None
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(file), os.stat(path)):
                    os.truncate(file, 0)
                    os.pwrite(file, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
                    return file
            os.close(file)  # it was another's, who removed it when done: take a new one

    def _let_go(self, made: list[Path]) -> None:
        """Remove what nobody needs any more; folders that were made for nothing, too."""
        for name in ("stop", "lock"):
            (self.folder / name).unlink(missing_ok=True)
        for folder in [self.folder, *made]:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only where it is empty
