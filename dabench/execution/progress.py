"""How long the rest of a sweep takes, from how long its runs took so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dabench.execution.queue import Event
from dabench.storage.clock import clock
from dabench.storage.schema import Run

RunKind = tuple[str, bool]
"""Runs of one sort take about as long: their method, and whether they adapt."""

OVER = ("done", "failed", "skipped")
"""Events after which a run of this sweep is over; after others it runs, or waits to be tried again."""


class TimeEstimator:
    """Counts what waits, runs and is over, and tells the rest from the mean time of each sort of run.

    Attributes:
        running: name of a run -> its sort and when it started, in seconds.
    """

    def __init__(self, run_kinds: Iterable[RunKind] = ()) -> None:
        self._waiting = Counter(run_kinds)
        self._took: dict[RunKind, tuple[int, float]] = {}
        self._most = 1
        self.running: dict[str, tuple[RunKind, float]] = {}

    def expect(self, run_kinds: Iterable[RunKind]) -> None:
        """Say anew what waits."""
        self._waiting = Counter(run_kinds)

    def started(self, name: str, sort: RunKind, now: float) -> None:
        """Say that a run begins."""
        self._waiting[sort] = max(0, self._waiting[sort] - 1)
        self.running[name] = (sort, now)
        self._most = max(self._most, len(self.running))

    def ended(self, name: str, sort: RunKind, seconds: float | None) -> None:
        """Say that a run is over; `seconds` is None where it says nothing of how long such a run takes."""
        if self.running.pop(name, None) is None:
            self._waiting[sort] = max(0, self._waiting[sort] - 1)
        if seconds is not None:
            count, total = self._took.get(sort, (0, 0.0))
            self._took[sort] = (count + 1, total + seconds)

    def back(self, name: str, sort: RunKind) -> None:
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


class ProgressDisplay:
    """Shows how a sweep goes on: a bar with what runs and the time left in a terminal, plain lines elsewhere.

    Args:
        log: run name -> the file that keeps what it says, named where it failed.

    It begins with what it is first told to `expect`.
    """

    def __init__(self, console: Console, log: Callable[[str], Path] | None = None) -> None:
        self.console, self.total, self.log = console, 0, log
        self.finished = self.failed = 0
        self.pace = TimeEstimator()
        self._live: Live | None = None
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )  # fmt: skip
        self._task: TaskID = self._progress.add_task("runs", total=0, left="")

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event of the engine."""
        run = event.run
        if event.what == "started":
            self.pace.started(run.name, run.kind, time.monotonic())
        elif event.what in OVER:
            self.pace.ended(run.name, run.kind, event.seconds if event.what == "done" else None)
            self.finished += 1
            self.failed += event.what != "done"
        else:
            self.pace.back(run.name, run.kind)
        self.total = max(self.total, self.finished + len(self.pace.running))  # how many a search does is a guess before
        self._show(event)

    def expect(self, left: Sequence[Run]) -> None:
        """Take what is left to be begun: at the beginning, and where that is known better later."""
        self.total = self.finished + len(self.pace.running) + len(left)
        self.pace.expect(r.kind for r in left)
        self._progress.update(self._task, total=self.total)
        if left and self.console.is_terminal and not self._live:
            self._live = Live(self._progress, console=self.console, refresh_per_second=4)
            self._live.start()

    def notify(self, line: str) -> None:
        """Print a line that is about no run alone."""
        self.console.print(escape(line), soft_wrap=True)

    def _show(self, event: Event) -> None:
        number = f"[{self.finished:>{len(str(self.total))}}/{self.total}]"
        if event.reason:
            log = f" (log: {self.log(event.run.name)})" if self.log and event.what == "failed" else ""
            reason = f"{event.reason.splitlines()[0]}{log}"
            self.console.print(
                f"[red]{escape(number)} {event.what} {escape(event.run.name)}: {escape(reason)}[/red]",
                soft_wrap=True,  # one line a run, however long
            )
        elif event.what == "done" and not self._live:
            self.console.print(escape(f"{number} {event.run.name}  {event.seconds:.1f} s{self._left()}"), soft_wrap=True)
        if self._live:
            failed = f", [red]{self.failed} failed[/red]" if self.failed else ""
            names = ", ".join(self.pace.running)
            self._progress.update(
                self._task, total=self.total, completed=self.finished, description=f"{len(self.pace.running)} running{failed}",
                left=escape(f"{self._left().strip(', ')}  {names}"[: max(20, self.console.width - 70)]),
            )  # fmt: skip

    def _left(self) -> str:
        seconds = self.pace.left(time.monotonic())
        return f", about {clock(seconds)} left" if seconds else ""
