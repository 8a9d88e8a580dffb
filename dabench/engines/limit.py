"""The time limit of a run: a run that hangs is stopped, and says where it hung."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

GRACE = 10.0
"""Seconds that a run has to end after it was told to."""


class TooLong(BaseException):
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
    soft = threading.current_thread() is threading.main_thread()
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


def _raise(number: int, frame: FrameType | None) -> None:
    raise TooLong
