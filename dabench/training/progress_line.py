"""Log the progress of long trainings at intervals, and read the last progress from a log for `dabench status`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dabench.storage.clock import clock

EVERY = 30.0
"""Seconds between two lines."""

_MARK = "-- step "


class TrainingProgress:
    """Report the progress of one training, at most once in EVERY seconds.

    Args:
        notify: called with a line.
        start: the first step of the training; not 0 if an interrupted training is resumed.
        steps: the length of the training.
    """

    def __init__(self, notify: Callable[[str], object], start: int, steps: int) -> None:
        self._notify, self._start, self._steps = notify, start, steps
        self._began = self._spoke = time.monotonic()

    def __call__(self, done: int) -> None:
        """Report after `done` steps if it is time. Does not wait for the device."""
        now = time.monotonic()
        if now - self._spoke < EVERY:
            return
        self._spoke = now
        pace = (now - self._began) / max(1, done - self._start)  # includes the testing of checkpoints
        self._notify(f"{_MARK}{done:,} of {self._steps:,}, {pace:.3g} s a step, {clock(pace * (self._steps - done))} left")


def last_progress(lines: Sequence[str]) -> str:
    """Return the last progress in the lines of a log, such as "step 300 of 5,000, ...", or "" if the last try has none."""
    marks = [line for line in lines if line.startswith("-- ")]
    return marks[-1].removeprefix("-- ") if marks and marks[-1].startswith(_MARK) else ""
