"""How far a training is, said now and then: what a run's log tells of a training that takes hours, and a status from the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dabench.storage.clock import clock

EVERY = 30.0
"""Seconds between two lines."""

_MARK = "-- step "


class TrainingProgress:
    """Says how far one training is, when asked and EVERY seconds are over since it spoke or the training began.

    Args:
        notify: takes a line.
        start: the step that the training begins with: not 0 where it goes on from an earlier try.
        steps: its length.
    """

    def __init__(self, notify: Callable[[str], object], start: int, steps: int) -> None:
        self._notify, self._start, self._steps = notify, start, steps
        self._began = self._spoke = time.monotonic()

    def __call__(self, done: int) -> None:
        """Take how many steps are done: a look at the clock, and nothing is asked of the device."""
        now = time.monotonic()
        if now - self._spoke < EVERY:
            return
        self._spoke = now
        pace = (now - self._began) / max(1, done - self._start)  # the testing of checkpoints included
        self._notify(f"{_MARK}{done:,} of {self._steps:,}, {pace:.3g} s a step, {clock(pace * (self._steps - done))} left")


def last_progress(lines: Sequence[str]) -> str:
    """Return what a pulse said last in the lines of a log, "step 300 of 5,000, ...", or "" if the last try has said nothing."""
    marks = [line for line in lines if line.startswith("-- ")]
    return marks[-1].removeprefix("-- ") if marks and marks[-1].startswith(_MARK) else ""
