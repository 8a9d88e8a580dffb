"""Events of a sweep as JSON, one line each, for machines. docs/monitoring.md names the fields."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from dabench.errors import SpecError
from dabench.execution.progress import OVER
from dabench.execution.queue import Event
from dabench.storage.clock import utc
from dabench.storage.events import WriteLine
from dabench.storage.schema import Run


class EventWriter:
    """Writes a line when a sweep begins, for each event of its runs, and when it ends.

    Args:
        sweep: the sweep's name.
        there: runs that stand already.
        to_do: runs that are to be done.
        again: the command that goes on with it; "" where there is none.
    """

    def __init__(self, writers: Sequence[WriteLine], sweep: str, complete: int, pending: int, resume_command: str) -> None:
        self._writers, self._sweep, self._again = writers, sweep, resume_command
        self._counts = {"runs": complete + pending, "complete": complete, "running": 0, "failed": 0, "pending": pending}
        self._running: set[str] = set()
        self.outcome = "finished"
        """What the sweep came to: "finished", "stopped" by the user, or "error"."""

    def __enter__(self) -> EventWriter:
        self._notify("sweep-started", sweep=self._sweep, process=os.getpid(), resume_command=self._again)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._notify("sweep-ended", sweep=self._sweep, outcome="error" if kind else self.outcome)

    def __call__(self, event: Event) -> None:
        """Take an event of the engine."""
        run, counts = event.run, self._counts
        self._running.discard(run.name)
        if event.what == "started":
            self._running.add(run.name)
        elif event.what in OVER:
            counts["complete" if event.what == "done" else "failed"] += 1
        counts["running"] = len(self._running)
        known = counts["complete"] + counts["failed"] + counts["running"]
        counts["runs"] = max(counts["runs"], known)  # how many a search chooses to do is a guess before
        counts["pending"] = counts["runs"] - known
        facts: dict[str, Any] = {"run": run.name, "method": run.method, "sources": list(run.sources), "target": run.target}
        facts["seed"] = run.seed
        if event.what == "done":
            facts["seconds"] = round(event.seconds, 3)
        if event.reason:
            facts["reason"] = event.reason.splitlines()[0]
        self._notify(event.what, **facts)

    def expect(self, left: Sequence[Run]) -> None:
        """Take what is left to be begun, where that is known better than at the beginning."""
        counts = self._counts
        counts["pending"] = len(left)
        counts["runs"] = len(left) + counts["complete"] + counts["failed"] + counts["running"]

    def _notify(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "time": utc(time.time()), **facts, "counts": self._counts}, ensure_ascii=False)
        for write in self._writers:
            write(line + "\n")


@contextmanager
def lines_to(place: str | Path) -> Iterator[WriteLine]:
    """Give a function that appends to a file, or writes to standard output where `place` is "-", at once.

    Raises:
        SpecError: the file cannot be opened.
    """
    if str(place) == "-":
        yield lambda line: print(line, end="", file=sys.stdout, flush=True)
        return
    try:
        file = open(Path(place).expanduser(), "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed below
    except OSError as e:
        raise SpecError(
            f"--log-json {place}: cannot be written ({e.strerror}); give another file, or - for standard output"
        ) from e
    told = False

    def append(line: str) -> None:
        nonlocal told
        try:
            file.write(line)
        except OSError as e:
            if not told:
                print(f"--log-json {place}: {e.strerror or e}; lines are lost, the sweep goes on", file=sys.stderr)
            told = True

    with suppress(OSError), file:  # what a full disk did not take is not taken when the file is closed either
        yield append
