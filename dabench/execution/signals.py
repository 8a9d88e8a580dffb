"""Signals of a sweep: the time limit of a run, and Ctrl-C, which lets runs go on to their next checkpoint first."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

GRACE = 10.0
"""Seconds that a run has to end after its time limit."""


class TimeLimitExceeded(BaseException):
    """A run took longer than its limit. No Exception: an adapter that catches everything must not go on."""


@contextmanager
def limited(seconds: float | None, hung: Path | None) -> Iterator[None]:
    """Raise TooLong after `seconds`, in the main thread. Where that does not help, end the process GRACE seconds later.

    Args:
        seconds: None: no limit.
        hung: a file that is to say where the process was when it had to be ended; None: it is never ended.
    """
    if seconds is None:
        yield
        return
    soft = _in_main_thread()
    before = signal.signal(signal.SIGALRM, _raise) if soft else None
    with open(hung, "w", encoding="utf-8") if hung else nullcontext() as trace:
        try:
            if trace:
                # A thread of C that needs no lock of Python's: it ends a process whose every thread hangs, too.
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
    """Call `stop` at the first Ctrl-C (or SIGTERM, as batch systems send it), and raise KeyboardInterrupt at the second.

    Outside the main thread nothing is changed.

    Args:
        stop: asks the runs to stop; where it cannot (OSError), the first Ctrl-C is the last.
        notify: is told what happens.
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
        notify("stopping: runs go on to their next checkpoint; press Ctrl-C again to stop at once")

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
