"""Show the progress of a sweep, and estimate the remaining time from the runs so far."""

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
"""Method, and whether the run adapts; runs of one kind take about the same time."""

OVER = ("done", "failed", "skipped")
"""Events that end a run; after other events the run is running, or waits for another attempt."""


class TimeEstimator:
    """Estimate the remaining time from the mean time of each kind of run.

    Attributes:
        running: name of a run -> its kind and start time in seconds.
    """

    def __init__(self, run_kinds: Iterable[RunKind] = ()) -> None:
        self._waiting = Counter(run_kinds)
        self._took: dict[RunKind, tuple[int, float]] = {}
        self._most = 1
        self.running: dict[str, tuple[RunKind, float]] = {}

    def expect(self, run_kinds: Iterable[RunKind]) -> None:
        """Replace the pending runs."""
        self._waiting = Counter(run_kinds)

    def started(self, name: str, kind: RunKind, now: float) -> None:
        """Count a run as started."""
        self._waiting[kind] = max(0, self._waiting[kind] - 1)
        self.running[name] = (kind, now)
        self._most = max(self._most, len(self.running))

    def ended(self, name: str, kind: RunKind, seconds: float | None) -> None:
        """Count a run as ended; `seconds` is None if its time is not typical, as for a failed run."""
        if self.running.pop(name, None) is None:
            self._waiting[kind] = max(0, self._waiting[kind] - 1)
        if seconds is not None:
            count, total = self._took.get(kind, (0, 0.0))
            self._took[kind] = (count + 1, total + seconds)

    def back(self, name: str, kind: RunKind) -> None:
        """Count a run as pending again."""
        self.running.pop(name, None)
        self._waiting[kind] += 1

    def left(self, now: float) -> float | None:
        """Return the seconds left with as many parallel runs as before; None until a run of each kind has ended."""
        waiting = {kind: n for kind, n in self._waiting.items() if n}
        if any(kind not in self._took for kind in (*waiting, *(s for s, _ in self.running.values()))):
            return None
        means = {kind: total / count for kind, (count, total) in self._took.items()}
        rest = sum(n * means[kind] for kind, n in waiting.items())
        rest += sum(max(0.0, means[kind] - (now - began)) for kind, began in self.running.values())
        return rest / self._most


class ProgressDisplay:
    """Show the progress of a sweep: a bar with running runs and remaining time in a terminal, plain lines elsewhere.

    Args:
        log: run name -> path of its log, named when the run fails.

    The display starts at the first call of `expect`.
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
        """Show an event of a run."""
        run = event.run
        if event.what == "started":
            self.pace.started(run.name, run.kind, time.monotonic())
        elif event.what in OVER:
            self.pace.ended(run.name, run.kind, event.seconds if event.what == "done" else None)
            self.finished += 1
            self.failed += event.what != "done"
        else:
            self.pace.back(run.name, run.kind)
        self.total = max(
            self.total, self.finished + len(self.pace.running)
        )  # before a search, the number of its runs is an estimate
        self._show(event)

    def expect(self, pending: Sequence[Run]) -> None:
        """Set the pending runs, at the start and whenever a search changes them."""
        self.total = self.finished + len(self.pace.running) + len(pending)
        self.pace.expect(r.kind for r in pending)
        self._progress.update(self._task, total=self.total)
        if pending and self.console.is_terminal and not self._live:
            self._live = Live(self._progress, console=self.console, refresh_per_second=4)
            self._live.start()

    def notify(self, line: str) -> None:
        """Print a message."""
        self.console.print(escape(line), soft_wrap=True)

    def _show(self, event: Event) -> None:
        number = f"[{self.finished:>{len(str(self.total))}}/{self.total}]"
        if event.reason:
            log = f" (log: {self.log(event.run.name)})" if self.log and event.what == "failed" else ""
            reason = f"{event.reason.splitlines()[0]}{log}"
            self.console.print(
                f"[red]{escape(number)} {event.what} {escape(event.run.name)}: {escape(reason)}[/red]",
                soft_wrap=True,  # one line per run, whatever its length
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
