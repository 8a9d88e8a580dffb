"""The sweeps that are or were at work in a folder: each writes its events to a file of its own, and holds it while it lives.

A file `events/0001.jsonl` is locked by the process that writes it. The system frees the lock when that process ends, however
it ends: so another process knows the living from the dead, whatever their numbers, and without a clock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dabench.storage.atomic import lock

WriteLine = Callable[[str], object]
"""Is given a line, with its line break."""


@contextmanager
def event_log(folder: Path) -> Iterator[WriteLine]:
    """Give a function that appends a line to a new file of events in `folder`.

    Where it cannot be written, on a full disk say, lines are lost and the sweep goes on: the runs are the truth.
    """
    try:
        number = _new(folder)
    except OSError:
        yield lambda line: None
        return

    def write(line: str) -> None:
        with suppress(OSError):
            os.write(number, line.encode())

    try:
        yield write
    finally:
        os.close(number)


def _new(folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    count = max((int(p.stem) for p in _files(folder)), default=0)
    while True:
        count += 1
        with suppress(FileExistsError):  # another sweep began at the same moment
            number = os.open(folder / f"{count:04}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            with suppress(OSError):
                lock(number, wait=True)  # who reads the status holds it for a moment; without locks, a sweep is taken for dead
            return number


def _files(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.jsonl") if p.stem.isdecimal()), key=lambda p: int(p.stem))


@dataclass(frozen=True)
class EventLog:
    """What one sweep wrote: its events (of one that does not live the first and the last), and whether its process lives."""

    events: list[dict[str, Any]]
    alive: bool

    @property
    def ended(self) -> dict[str, Any] | None:
        """The event with which it ended; None if it lives, or ended without a word."""
        last = self.events[-1] if self.events else {}
        return last if last.get("event") == "sweep-ended" else None


def event_logs(folder: Path) -> list[EventLog]:
    """Return the sweeps that live, and the last one whether it lives or not, in the order in which they began."""
    files = _files(folder)
    found = []
    for path in files:
        alive = _locked(path)
        if alive or path == files[-1]:
            found.append(EventLog(_events(path, alive), alive))
    return found


def wall_seconds(folder: Path) -> float | None:
    """Return the seconds in which sweeps were at work in a folder, by its events; None where these do not say."""
    found = 0.0
    for path in _files(folder):
        events = _events(path, every=False)
        try:
            first, last = (datetime.fromisoformat(e["time"]) for e in (events[0], events[-1]))
            found += (last - first).total_seconds()
        except (IndexError, KeyError, TypeError, ValueError):
            return None
    return round(found, 1) or None


def _locked(path: Path) -> bool:
    try:
        with open(path, "rb") as f:
            lock(f.fileno(), shared=True)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _events(path: Path, every: bool) -> list[dict[str, Any]]:
    found = []
    with suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines if every or len(lines) < 3 else [lines[0], *lines[-2:]]:
            with suppress(ValueError):  # the last line of a process that was killed may be torn
                value = json.loads(line)
                if isinstance(value, dict) and isinstance(value.get("event"), str):
                    found.append(value)
    return found
