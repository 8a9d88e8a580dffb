"""How long the rest of a sweep takes, from how long its runs took so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

Sort = tuple[str, bool]
"""Runs of one sort take about as long: their method, and whether they adapt."""

OVER = ("done", "failed", "skipped")
"""Events after which a run of this sweep is over; after others it runs, or waits to be tried again."""


class Pace:
    """Counts what waits, runs and is over, and tells the rest from the mean time of each sort of run.

    Attributes:
        running: name of a run -> its sort and when it started, in seconds.
    """

    def __init__(self, sorts: Iterable[Sort] = ()) -> None:
        self._waiting = Counter(sorts)
        self._took: dict[Sort, tuple[int, float]] = {}
        self._most = 1
        self.running: dict[str, tuple[Sort, float]] = {}

    def expect(self, sorts: Iterable[Sort]) -> None:
        """Say anew what waits."""
        self._waiting = Counter(sorts)

    def started(self, name: str, sort: Sort, now: float) -> None:
        """Say that a run begins."""
        self._waiting[sort] = max(0, self._waiting[sort] - 1)
        self.running[name] = (sort, now)
        self._most = max(self._most, len(self.running))

    def ended(self, name: str, sort: Sort, seconds: float | None) -> None:
        """Say that a run is over; `seconds` is None where it says nothing of how long such a run takes."""
        if self.running.pop(name, None) is None:
            self._waiting[sort] = max(0, self._waiting[sort] - 1)
        if seconds is not None:
            count, total = self._took.get(sort, (0, 0.0))
            self._took[sort] = (count + 1, total + seconds)

    def back(self, name: str, sort: Sort) -> None:
        """Say that a run stopped before it was over, and waits again."""
        self.running.pop(name, None)
        self._waiting[sort] += 1

    def left(self, now: float) -> float | None:
        """Return the seconds left, as many runs side by side as there were so far; None before each sort was seen once."""
        waiting = {sort: n for sort, n in self._waiting.items() if n}
        if any(sort not in self._took for sort in (*waiting, *(s for s, _ in self.running.values()))):
            return None
        means = {sort: total / count for sort, (count, total) in self._took.items()}
        rest = sum(n * means[sort] for sort, n in waiting.items())
        rest += sum(max(0.0, means[sort] - (now - began)) for sort, began in self.running.values())
        return rest / self._most
