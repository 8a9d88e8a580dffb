"""Ctrl-C, once and twice: the first lets runs go on to their next checkpoint, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(stop: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C (or SIGTERM, as batch systems send it), and raise KeyboardInterrupt at the second.

    Outside the main thread nothing is changed.

    Args:
        stop: asks the runs to stop; where it cannot (OSError), the first Ctrl-C is the last.
        say: is told what happens.
    """
    if threading.current_thread() is not threading.main_thread():
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
        say("stopping: runs go on to their next checkpoint; press Ctrl-C again to stop at once")

    before = {number: signal.signal(number, take) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
