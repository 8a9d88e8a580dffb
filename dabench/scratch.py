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


@contextmanager
def scratch_folder(beginning: Path) -> Iterator[Path]:
    """Make a folder whose path starts with `beginning`, then "-" and letters of its own; remove it at the end.

    Raises:
        OSError: it cannot be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{beginning.name}-", dir=beginning.parent))
    hold = _held(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if hold is not None:
            os.close(hold)


def cleared(folder: Path, names: str) -> None:
    """Remove scratch folders from `folder` that no living process holds: those whose name fits `names`. Other users' stay."""
    for left in folder.glob(f"{names}-????????"):
        with contextlib.suppress(OSError):
            if left.is_symlink() or not left.is_dir() or left.stat().st_uid != os.getuid():
                continue
            hold = _held(left)
            if hold is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(hold)


def _held(folder: Path) -> int | None:
    """Take the lock of a folder; None where somebody has it, or where the file system locks no folders."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened
