"""Write the output of a run to a file: what it prints, its warnings, and the output of C libraries."""

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
    """Redirect standard output and standard error of this process into `path`, and yield a function that appends a line.

    The file descriptors are redirected, because decoders and BLAS do not use `sys.stdout`. The progress display in the same
    process writes to `original_stderr`. If the file cannot be opened, the output is lost and the run continues.
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
            with (
                _turned(file),
                redirect_stdout(file),
                redirect_stderr(file),
                warnings.catch_warnings(),
            ):  # so that each warning is shown again
                # Set explicitly, because other code may have replaced it.
                warnings.showwarning = lambda *given, **_: _notify(file, warnings.formatwarning(*given[:4]).rstrip())
                yield partial(_notify, file)
        except BaseException as e:
            _notify(file, str(e) if isinstance(e, DabenchError) else "".join(traceback.format_exception(e)).rstrip())
            raise
        finally:
            _notify(file, f"-- ended {utc(time.time())}, after {time.time() - began:.1f} s")


@contextmanager
def original_stderr() -> Iterator[TextIO]:
    """Yield the present standard error; it stays usable while `run_log` redirects the output."""
    try:
        number = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        number = None  # in a notebook: standard error has no file descriptor
    if number != _ERR:
        yield sys.stderr
        return
    with open(os.dup(_ERR), "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1) as copy:
        yield copy


@contextmanager
def _turned(file: TextIO) -> Iterator[None]:
    """Redirect the file descriptors of standard output and standard error to `file`, if they are open."""
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
    """Flush the buffers of Python and C."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


def _notify(file: TextIO, line: str) -> None:
    with suppress(OSError):  # a full disk
        print(line, file=file)
