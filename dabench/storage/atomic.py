"""Locks, files and folders that appear whole under their name, and temporary folders.

A lock belongs to an open file. It ends with the process that holds it, however that process ends. So what a kill left behind is
told from what is in use, on every machine that sees the folder, whatever the clock says.

The lock is flock, not the package filelock: filelock locks no folder, needs write access to ask whether a lock is held, lets two
who ask take each other for the holder, and on some file systems without locks leaves a marker file that survives a kill.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

try:
    import fcntl
except ImportError:  # Windows: as a file system without locks
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL)


def lock(file: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file or folder until it is closed; return False if its file system has no locks.

    Args:
        file: its file descriptor.
        shared: several may hold the lock at once; for this, reading the file is enough.
        wait: wait until the lock is free.

    Raises:
        OSError: somebody else holds it (BlockingIOError on local file systems).
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError as e:
        if e.errno in _NO_LOCKS:
            return False
        raise
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; when this returns, it is on the disk."""
    with new_file(path) as hidden, open(hidden, "w", encoding="utf-8", newline="\n") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give the path to write a file to; it becomes `path`, in place of what is there, if the block ends without an error."""
    with temporary_file(path) as hidden:
        yield hidden
        os.replace(hidden, path)


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Give the path of a hidden file beside `path`; it is removed at the end unless it was renamed."""
    hidden = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        yield hidden
    finally:
        hidden.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, whole: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `path`, as in `put_folder`, if the block ends without an error."""
    with temporary_folder(path.with_name(f".{path.name}"), 0o777) as hidden:
        yield hidden
        put_folder(hidden, path, whole)


def put_folder(hidden: Path, path: Path, whole: Callable[[], bool] = lambda: False) -> None:
    """Rename a folder to `path`, in place of what is there; if that is `whole`, another process did the same work: it stays."""
    if path.exists() and not whole():
        shutil.rmtree(path)
    try:
        os.rename(hidden, path)
    except OSError:
        if not whole():
            raise


def temporary_prefix() -> Path:
    """Return the prefix of temporary folders among the system's temporary files."""
    return Path(tempfile.gettempdir()) / "dabench-scratch"


@contextmanager
def temporary_folder(prefix: Path, mode: int = 0o700) -> Iterator[Path]:
    """Make the folder PREFIX-XXXXXXXX and hold its lock; remove it at the end.

    Raises:
        OSError: it cannot be made.
    """
    folder, held = _made(prefix, mode)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def remove_abandoned(prefix: Path) -> None:
    """Remove this user's temporary folders of a prefix, in whose name "*" is any, that no living process holds."""
    for folder in prefix.parent.glob(f"{prefix.name}-????????"):
        with contextlib.suppress(OSError):
            if fcntl is None or folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
                continue
            held = _held(folder)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _made(prefix: Path, mode: int) -> tuple[Path, int | None]:
    while True:
        folder = prefix.with_name(f"{prefix.name}-{token_hex(4)}")
        folder.mkdir(mode)
        with contextlib.suppress(FileNotFoundError):
            held = _held(folder, wait=True)
            if folder.exists():  # else remove_abandoned came in between, and took it for an abandoned one
                return folder, held
            if held is not None:
                os.close(held)


def _held(folder: Path, wait: bool = False) -> int | None:
    """Open and lock a folder; None if somebody holds it, or if it cannot be locked."""
    if fcntl is None:
        return None
    opened = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(OSError):
        if lock(opened, wait=wait):
            return opened
    os.close(opened)
    return None
