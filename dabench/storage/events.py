"""Write and read the event logs of the sweep processes of a store. Each process writes its own file.

The process that writes `events/0001.jsonl` holds a lock on it. The system frees the lock when the process ends, for any reason.
Other processes can therefore tell whether it is running, without process numbers or clocks.
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
"""Called with a line, including its line break."""


@contextmanager
def event_log(folder: Path) -> Iterator[WriteLine]:
    """Yield a function that appends a line to a new event file in `folder`.

    If the file cannot be written, for example on a full disk, lines are lost and the sweep continues: results are in the runs.
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
        with suppress(FileExistsError):  # another sweep started at the same moment
            number = os.open(folder / f"{count:04}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            with suppress(OSError):
                lock(number, wait=True)  # a status reader holds it briefly; without locks a sweep counts as ended
            return number


def _files(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.jsonl") if p.stem.isdecimal()), key=lambda p: int(p.stem))


@dataclass(frozen=True)
class EventLog:
    """The events of one sweep process (only the first and last ones if it has ended), and whether the process is running."""

    events: list[dict[str, Any]]
    alive: bool

    @property
    def ended(self) -> dict[str, Any] | None:
        """The event sweep-ended; None if the process is running or ended without writing it."""
        last = self.events[-1] if self.events else {}
        return last if last.get("event") == "sweep-ended" else None


def event_logs(folder: Path) -> list[EventLog]:
    """Return the logs of all running sweep processes and of the last one, in the order in which they started."""
    files = _files(folder)
    found = []
    for path in files:
        alive = _locked(path)
        if alive or path == files[-1]:
            found.append(EventLog(_events(path, alive), alive))
    return found


def wall_seconds(folder: Path) -> float | None:
    """Return the total seconds of all sweep processes of a folder from its events; None if the events do not say."""
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
            with suppress(ValueError):  # the last line of a killed process may be incomplete
                value = json.loads(line)
                if isinstance(value, dict) and isinstance(value.get("event"), str):
                    found.append(value)
    return found
