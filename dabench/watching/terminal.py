"""The live progress of a sweep: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dabench.engines.queue import Event
from dabench.storage.clock import clock
from dabench.storage.schema import Run
from dabench.watching.pace import OVER, Pace


class Watch:
    """Shows how a sweep goes on: a bar with what runs and the time left in a terminal, plain lines elsewhere.

    Args:
        log: run name -> the file that keeps what it says, named where it failed.

    It begins with what it is first told to `expect`.
    """

    def __init__(self, console: Console, log: Callable[[str], Path] | None = None) -> None:
        self.console, self.total, self.log = console, 0, log
        self.finished = self.failed = 0
        self.pace = Pace()
        self._live: Live | None = None
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )  # fmt: skip
        self._task: TaskID = self._progress.add_task("runs", total=0, left="")

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event of the engine."""
        run = event.run
        if event.what == "started":
            self.pace.started(run.name, run.sort, time.monotonic())
        elif event.what in OVER:
            self.pace.ended(run.name, run.sort, event.seconds if event.what == "done" else None)
            self.finished += 1
            self.failed += event.what != "done"
        else:
            self.pace.back(run.name, run.sort)
        self.total = max(self.total, self.finished + len(self.pace.running))  # how many a search does is a guess before
        self._show(event)

    def expect(self, left: Sequence[Run]) -> None:
        """Take what is left to be begun: at the beginning, and where that is known better later."""
        self.total = self.finished + len(self.pace.running) + len(left)
        self.pace.expect(r.sort for r in left)
        self._progress.update(self._task, total=self.total)
        if left and self.console.is_terminal and not self._live:
            self._live = Live(self._progress, console=self.console, refresh_per_second=4)
            self._live.start()

    def say(self, line: str) -> None:
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
