"""Signals of a sweep: the time limit of a run, and Ctrl-C, which lets runs continue to their next checkpoint."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

GRACE = 10.0
"""Seconds after the time limit until the process of a run is killed."""


class TimeLimitExceeded(BaseException):
    """A run exceeded its time limit. Not an Exception, so that an adapter that catches all exceptions does not continue."""


@contextmanager
def limited(seconds: float | None, hung: Path | None) -> Iterator[None]:
    """Raise TimeLimitExceeded after `seconds` in the main thread; if the run does not end, kill the process GRACE seconds later.

    Args:
        seconds: None: no limit.
        hung: file for the traceback of a killed process; None: the process is never killed.
    """
    if seconds is None:
        yield
        return
    soft = _in_main_thread()
    before = signal.signal(signal.SIGALRM, _raise) if soft else None
    with open(hung, "w", encoding="utf-8") if hung else nullcontext() as trace:
        try:
            if trace:
                # This uses a C thread without the GIL, so it also ends a process in which all threads hang.
                faulthandler.dump_traceback_later(seconds + GRACE * soft, exit=True, file=trace)
            if soft:
                signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            if soft:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
            if trace:
                faulthandler.cancel_dump_traceback_later()
    if hung:
        hung.unlink(missing_ok=True)


@contextmanager
def interruptible(stop: Callable[[], None], notify: Callable[[str], None]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C (or SIGTERM, which batch systems send), and raise KeyboardInterrupt at the second.

    Outside the main thread nothing is changed.

    Args:
        stop: asks the runs to stop; if it raises OSError, the first Ctrl-C raises KeyboardInterrupt.
        notify: called with a message.
    """
    if not _in_main_thread():
        yield
        return
    asked = False

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        try:
            stop()
        except OSError:
            raise KeyboardInterrupt from None
        notify("stopping: runs continue to their next checkpoint; press Ctrl-C again to stop at once")

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _raise(number: int, frame: FrameType | None) -> None:
    raise TimeLimitExceeded
