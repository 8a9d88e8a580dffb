"""Write the events of a sweep as lines of JSON. docs/monitoring.md describes the fields."""

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
    """Write a line when a sweep begins, for each event of its runs, and when it ends.

    Args:
        sweep: name of the sweep.
        complete: number of complete runs.
        pending: number of pending runs.
        resume_command: command that continues the sweep; "" if there is none.
    """

    def __init__(self, writers: Sequence[WriteLine], sweep: str, complete: int, pending: int, resume_command: str) -> None:
        self._writers, self._sweep, self._again = writers, sweep, resume_command
        self._counts = {"runs": complete + pending, "complete": complete, "running": 0, "failed": 0, "pending": pending}
        self._running: set[str] = set()
        self.outcome = "finished"
        """How the sweep ended: "finished", "stopped" by the user, or "error"."""

    def __enter__(self) -> EventWriter:
        self._notify("sweep-started", sweep=self._sweep, process=os.getpid(), resume_command=self._again)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._notify("sweep-ended", sweep=self._sweep, outcome="error" if kind else self.outcome)

    def __call__(self, event: Event) -> None:
        """Write an event of a run."""
        run, counts = event.run, self._counts
        self._running.discard(run.name)
        if event.what == "started":
            self._running.add(run.name)
        elif event.what in OVER:
            counts["complete" if event.what == "done" else "failed"] += 1
        counts["running"] = len(self._running)
        known = counts["complete"] + counts["failed"] + counts["running"]
        counts["runs"] = max(counts["runs"], known)  # before a search, the number of its runs is an estimate
        counts["pending"] = counts["runs"] - known
        facts: dict[str, Any] = {"run": run.name, "method": run.method, "sources": list(run.sources), "target": run.target}
        facts["seed"] = run.seed
        facts |= {"fold": run.fold} if run.fold else {}
        if event.what == "done":
            facts["seconds"] = round(event.seconds, 3)
        if event.reason:
            facts["reason"] = event.reason.splitlines()[0]
        self._notify(event.what, **facts)

    def expect(self, pending: Sequence[Run]) -> None:
        """Update the pending runs, when a search changes them."""
        counts = self._counts
        counts["pending"] = len(pending)
        counts["runs"] = len(pending) + counts["complete"] + counts["failed"] + counts["running"]

    def _notify(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "time": utc(time.time()), **facts, "counts": self._counts}, ensure_ascii=False)
        for write in self._writers:
            write(line + "\n")


@contextmanager
def lines_to(place: str | Path) -> Iterator[WriteLine]:
    """Yield a function that appends to a file at once, or to standard output if `place` is "-".

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
            f"--log-json {place}: cannot be written ({e.strerror}); use another file, or - for standard output"
        ) from e
    warned = False

    def append(line: str) -> None:
        nonlocal warned
        try:
            file.write(line)
        except OSError as e:
            if not warned:
                print(f"--log-json {place}: {e.strerror or e}; lines are lost, the sweep continues", file=sys.stderr)
            warned = True

    with suppress(OSError), file:  # on a full disk, closing the file fails too
        yield append
