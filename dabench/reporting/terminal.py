"""A matrix in the terminal, and the live progress of a sweep."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable
from rich.text import Text

from dabench.engines.queue import Event
from dabench.matrix import Matrix
from dabench.plan import Run
from dabench.reporting.beside import beside_notes
from dabench.reporting.groups import group_notes, group_tables
from dabench.reporting.rules import NOTES, rules_tables
from dabench.reporting.summary import summary_notes, summary_table
from dabench.reporting.tables import Table, caption, gains_table, matrix_tables, unfinished


def print_matrix(matrix: Matrix, console: Console, *, rules: bool = False) -> None:
    """Print the cross matrix of each adapter, the gains, their means over pairs, results by group, and what is missing.

    Args:
        rules: print what each selection rule would have chosen, too.
    """
    sweep = matrix.sweep["sweep"]
    console.print(f"\n[bold]{escape(sweep['title'] or sweep['name'])}[/bold]")
    console.print(escape(caption(matrix)))
    parts: tuple[tuple[list[Table], list[str]], ...] = (
        (matrix_tables(matrix), beside_notes(matrix)),
        ([gains_table(matrix), summary_table(matrix)], summary_notes(matrix)),
        (group_tables(matrix), group_notes(matrix)),
    )
    for tables, notes in parts:
        for table in (t for t in tables if t.rows):
            console.print()
            print_table(table, console)
        for line in notes:
            console.print(escape(line), style="dim")
    for rule_table, note in zip(rules_tables(matrix) if rules else [], NOTES, strict=False):
        console.print()
        print_table(rule_table, console)
        console.print(escape(note), style="dim")
    for line in unfinished(matrix):
        console.print(f"[yellow]{escape(line)}[/yellow]")


def print_table(table: Table, console: Console) -> None:
    """Print one table."""
    console.print(f"[bold]{escape(table.title)}[/bold]")
    rich = RichTable(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for i, column in enumerate(table.columns):
        # Folded, not cut: a narrow terminal breaks a long name and shows all of it.
        rich.add_column(Text(column), justify="left" if i == 0 else "right", header_style="dim", overflow="fold")
    for row in table.rows:
        rich.add_row(*(Text(c) for c in row))
    console.print(rich)


class Watch:
    """Shows how a sweep goes on: a bar with what runs and the time left in a terminal, plain lines elsewhere."""

    def __init__(self, console: Console, runs: Sequence[Run], at_once: int) -> None:
        self.console, self.total, self.at_once = console, len(runs), at_once
        self.finished = self.failed = 0
        self.running: dict[Run, float] = {}
        self.seconds: dict[str, list[float]] = {}
        self.waiting = list(runs)
        self._live: Live | None = None
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )  # fmt: skip
        self._task: TaskID = self._progress.add_task("runs", total=self.total, left="")

    def __enter__(self) -> Watch:
        if self.console.is_terminal and self.total:
            self._live = Live(self._progress, console=self.console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event of the engine."""
        run = event.run
        if event.what == "started":
            self.running[run] = time.monotonic()
            self.waiting = [r for r in self.waiting if r is not run]
        else:
            self.running.pop(run, None)
            self.finished += 1
            self.failed += event.what != "done"
            self.waiting = [r for r in self.waiting if r is not run]
        if event.what == "done":
            self.seconds.setdefault(self._sort(run), []).append(event.seconds)
        self._show(event)

    def _show(self, event: Event) -> None:
        number = f"[{self.finished:>{len(str(self.total))}}/{self.total}]"
        if event.what in ("failed", "skipped"):
            self.console.print(
                f"[red]{escape(number)} {event.what} {escape(event.run.name)}: {escape(event.reason.splitlines()[0])}[/red]",
                soft_wrap=True,  # one line a run, however long
            )
        elif event.what == "done" and not self._live:
            self.console.print(escape(f"{number} {event.run.name}  {event.seconds:.1f} s{self._left()}"), soft_wrap=True)
        if self._live:
            failed = f", [red]{self.failed} failed[/red]" if self.failed else ""
            names = ", ".join(r.name for r in self.running)
            self._progress.update(
                self._task, completed=self.finished, description=f"{len(self.running)} running{failed}",
                left=escape(f"{self._left().strip(', ')}  {names}"[: max(20, self.console.width - 70)]),
            )  # fmt: skip

    def _sort(self, run: Run) -> str:
        return f"{run.method} {'adapt' if run.target else 'train'}"

    def _left(self) -> str:
        """Return the time left in words, from the mean time of each sort of run; nothing before each sort was seen once."""
        means = {sort: sum(v) / len(v) for sort, v in self.seconds.items()}
        left = [*self.waiting, *self.running]
        if not left or any(self._sort(r) not in means for r in left):
            return ""
        rest = sum(means[self._sort(r)] for r in self.waiting)
        rest += sum(max(0.0, means[self._sort(r)] - (time.monotonic() - began)) for r, began in self.running.items())
        return f", about {clock(rest / self.at_once)} left"


def clock(seconds: float) -> str:
    """Return seconds as 42 s, 3:05 min or 2:10 h."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
