"""Progress bars in the terminal; without a terminal they print nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Show = Callable[[str, int, int], None]
"""Takes the name of a bar, what is done and the total; the first call with a name adds its bar."""


@contextmanager
def download_bars(console: Console) -> Iterator[Show]:
    """Yield a callback that shows bytes and speed of each file."""
    with _bars(console, DownloadColumn(), TransferSpeedColumn()) as show:
        yield show


@contextmanager
def count_bars(console: Console) -> Iterator[Show]:
    """Yield a callback that shows the number done."""
    with _bars(console, MofNCompleteColumn()) as show:
        yield show


@contextmanager
def progress_bar(console: Console, name: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield a callback that adds one to a progress bar of `total`."""
    counted = 0

    def add() -> None:
        nonlocal counted
        counted += 1
        show(name, counted, total)

    with count_bars(console) as show:
        yield add


@contextmanager
def _bars(console: Console, *columns: ProgressColumn) -> Iterator[Show]:
    first = (TextColumn("{task.description}"), BarColumn())
    bars = Progress(*first, *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)
    tasks: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done)

    with bars:
        yield show
