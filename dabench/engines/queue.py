"""Which run may start next: the order of a plan, and what waits for what."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dabench.errors import DabenchError
from dabench.plan import Run


@dataclass(frozen=True)
class Event:
    """Something that happened to a run: it started, is done, failed, or is skipped because its pretraining failed."""

    what: Literal["started", "done", "failed", "skipped"]
    run: Run
    seconds: float = 0.0
    reason: str = ""


Listener = Callable[[Event], None]


class Queue:
    """Runs to do, each after its parent. The parents that are not among them are taken as done."""

    def __init__(self, runs: Iterable[Run], listen: Listener) -> None:
        self._waiting = list(runs)
        self._open = {r.digest for r in self._waiting}
        self._listen = listen
        self.running = 0

    def next(self) -> Run | None:
        """Take the next run that may start; None if there is none now."""
        for run in self._waiting:
            if run.parent not in self._open:
                self._waiting.remove(run)
                self.running += 1
                self._listen(Event("started", run))
                return run
        return None

    def done(self, run: Run, seconds: float) -> None:
        """Say that a run is done; what waited for it may start."""
        self.running -= 1
        self._open.discard(run.digest)
        self._listen(Event("done", run, seconds))

    def failed(self, run: Run, reason: str) -> None:
        """Say that a run failed; what waited for it is skipped."""
        self.running -= 1
        self._listen(Event("failed", run, reason=reason))
        for child in [r for r in self._waiting if r.parent == run.digest]:
            self._waiting.remove(child)
            self._listen(Event("skipped", child, reason=f"its pretraining {run.name} failed"))

    @property
    def empty(self) -> bool:
        """Whether no run is left to start."""
        return not self._waiting


def reason_of(error: BaseException) -> str:
    """Return why a run failed, for its file: a line that says it, and for an unforeseen error where it came from."""
    if isinstance(error, DabenchError):
        return str(error)
    return f"{type(error).__name__}: {error}\n\n{''.join(traceback.format_exception(error))}"
