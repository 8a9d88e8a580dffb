"""Locks, files and folders that appear complete under their name, and temporary folders.

A lock belongs to an open file and ends with the process that holds it, however that process ends. Every machine that sees the
folder can therefore distinguish the remains of a killed process from a folder in use, without comparing clocks.

The lock is flock, not the package filelock. filelock cannot lock folders and needs write access to test a lock; two processes
that test a lock can take each other for its holder; and on file systems without locks its marker file can survive a kill.
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
except ImportError:  # Windows: treated like a file system without locks
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL)


def lock(file: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file or folder until it is closed; return False if its file system has no locks.

    Args:
        file: its file descriptor.
        shared: several processes may hold the lock at once; read access is enough for this.
        wait: wait until the lock is free.

    Raises:
        OSError: another process holds the lock (BlockingIOError on local file systems).
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
    """Write a text file completely or not at all, and flush it to the disk."""
    with new_file(path) as hidden, open(hidden, "w", encoding="utf-8", newline="\n") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. It replaces `path` if the block ends without an error."""
    with temporary_file(path) as hidden:
        yield hidden
        os.replace(hidden, path)


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Yield the path of a hidden file beside `path`. It is removed at the end unless it was renamed."""
    hidden = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        yield hidden
    finally:
        hidden.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, whole: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yield an empty folder to fill. It becomes `path`, as in `put_folder`, if the block ends without an error."""
    with temporary_folder(path.with_name(f".{path.name}"), 0o777) as hidden:
        yield hidden
        put_folder(hidden, path, whole)


def put_folder(hidden: Path, path: Path, whole: Callable[[], bool] = lambda: False) -> None:
    """Rename a folder to `path` and replace an existing one, unless `whole()` says that another process made it completely."""
    if path.exists() and not whole():
        shutil.rmtree(path)
    try:
        os.rename(hidden, path)
    except OSError:
        if not whole():
            raise


def temporary_prefix() -> Path:
    """Return the path prefix of temporary folders, in the system's folder for temporary files."""
    return Path(tempfile.gettempdir()) / "dabench-scratch"


@contextmanager
def temporary_folder(prefix: Path, mode: int = 0o700) -> Iterator[Path]:
    """Make the folder PREFIX-XXXXXXXX and hold its lock; remove it at the end.

    Raises:
        OSError: the folder cannot be made.
    """
    folder, held = _made(prefix, mode)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def remove_abandoned(prefix: Path) -> None:
    """Remove this user's temporary folders with a prefix that no running process holds. "*" in its name matches any text."""
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
            if folder.exists():  # otherwise remove_abandoned has just removed it as abandoned
                return folder, held
            if held is not None:
                os.close(held)


def _held(folder: Path, wait: bool = False) -> int | None:
    """Open and lock a folder; return None if another process holds it or it cannot be locked."""
    if fcntl is None:
        return None
    opened = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(OSError):
        if lock(opened, wait=wait):
            return opened
    os.close(opened)
    return None
