"""Folders for a while: whoever holds one is known to live by a lock that ends with its process, however it ends.

So what a kill left behind is told from what somebody is still at work in, on every machine that sees the folder, and
whatever the clock says.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def temporary() -> Path:
    """Return the beginning of scratch folders among the system's temporary files."""
    return Path(tempfile.gettempdir()) / "dabench-scratch"


@contextmanager
def scratch_folder(beginning: Path) -> Iterator[Path]:
    """Make a folder whose path starts with `beginning`, then "-" and letters of its own; remove it at the end.

    Raises:
        OSError: it cannot be made.
    """
    folder, hold = _made(beginning)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if hold is not None:
            os.close(hold)


def cleared(beginning: Path) -> None:
    """Remove the scratch folders with that beginning, of which "*" is any, that no living process holds. Other users' stay."""
    for left in beginning.parent.glob(f"{beginning.name}-????????"):
        with contextlib.suppress(OSError):
            if left.is_symlink() or not left.is_dir() or left.stat().st_uid != os.getuid():
                continue
            hold = _held(left)
            if hold is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(hold)


def _made(beginning: Path) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{beginning.name}-", dir=beginning.parent))
        with contextlib.suppress(FileNotFoundError):
            hold = _held(folder, wait=True)
            if folder.exists():  # else somebody who clears came in between, and took it for a left one
                return folder, hold
            if hold is not None:
                os.close(hold)


def _held(folder: Path, wait: bool = False) -> int | None:
    """Take the lock of a folder; None where somebody has it, or where the file system locks no folders."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened
