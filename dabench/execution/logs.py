"""What a run says while it goes on, kept in a file: what it prints, its warnings, and what C libraries write by themselves."""

from __future__ import annotations

import ctypes
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import TextIO

from dabench.errors import DabenchError
from dabench.storage.clock import utc

_OUT, _ERR = 1, 2


@contextmanager
def run_log(path: Path) -> Iterator[Callable[[str], None]]:
    """Append to `path` all that this process writes to standard output and standard error meanwhile; give what takes a line more.

    The file descriptors themselves are turned, since decoders and BLAS know nothing of `sys.stdout`. Who must be seen
    meanwhile, the progress of a sweep in the same process, writes to what `original_stderr` gives. Where the file cannot be
    opened, what is written is lost, and the run goes on: its numbers count, not its log.
    """
    began = time.time()
    try:
        path.parent.mkdir(exist_ok=True)
        file = open(path, "a", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115 - closed below
    except OSError:
        file = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed below
    with file:
        _notify(file, f"-- begun {utc(began)}, process {os.getpid()}")
        try:
            with _turned(file), redirect_stdout(file), redirect_stderr(file), warnings.catch_warnings():  # each is shown anew
                # Whoever else collects warnings, they are shown here.
                warnings.showwarning = lambda *said, **_: _notify(file, warnings.formatwarning(*said[:4]).rstrip())
                yield partial(_notify, file)
        except BaseException as e:
            _notify(file, str(e) if isinstance(e, DabenchError) else "".join(traceback.format_exception(e)).rstrip())
            raise
        finally:
            _notify(file, f"-- ended {utc(time.time())}, after {time.time() - began:.1f} s")


@contextmanager
def original_stderr() -> Iterator[TextIO]:
    """Give standard error as it is now, also while a log is kept in this process."""
    try:
        number = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        number = None  # a notebook's: there is no file descriptor that could be turned
    if number != _ERR:
        yield sys.stderr
        return
    with open(os.dup(_ERR), "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1) as copy:
        yield copy


@contextmanager
def _turned(file: TextIO) -> Iterator[None]:
    """Turn the file descriptors of standard output and standard error to `file` for a while, where they are open."""
    _flush()
    before: dict[int, int] = {}
    for number in (_OUT, _ERR):
        with suppress(OSError):
            before[number] = os.dup(number)
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        _flush()
        for number, copy in before.items():
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    """Write out what Python and C hold back, to where it belongs."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


def _notify(file: TextIO, line: str) -> None:
    with suppress(OSError):  # a full disk
        print(line, file=file)
