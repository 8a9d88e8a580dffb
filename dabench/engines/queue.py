"""Which run may start next: the order of a plan, what waits for what, and what is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dabench.engines.attempt import Result
from dabench.plan import Run


@dataclass(frozen=True)
class Event:
    """Something that happened to a run.

    It started, is done, failed, is skipped because its pretraining failed, will be tried again, or stopped with the sweep.
    """

    what: Literal["started", "done", "failed", "skipped", "again", "stopped"]
    run: Run
    seconds: float = 0.0
    reason: str = ""


Listener = Callable[[Event], None]


Grow = Callable[[Run, bool], Iterable[Run]]
"""Asked when a run came to its end, done or not, which runs there are to do because of it."""


def nothing_more(run: Run, done: bool) -> Iterable[Run]:
    """Return no runs: all that is to do was known when it began."""
    return ()


class Queue:
    """Runs to do, each after its parent. The parents that are not among them are taken as done.

    Args:
        retries: how often a run is tried again of whose failure another try may do better.
        stopping: asked before each run whether to start no more.
        grow: asked at the end of each run for more.

    Attributes:
        running: how many were handed out and are not back.
        finished: how many are done.
        trouble: why nothing more is handed out, where it is not that somebody said stop.
    """

    def __init__(
        self,
        runs: Iterable[Run],
        listen: Listener,
        retries: int = 0,
        stopping: Callable[[], bool] = lambda: False,
        grow: Grow = nothing_more,
    ) -> None:
        self._waiting = list(runs)
        self._open = {r.digest for r in self._waiting}
        self._listen, self._retries, self._stopping, self._grow = listen, retries, stopping, grow
        self._tries: dict[str, int] = {}
        self.running = self.finished = 0
        self.trouble = ""

    def next(self) -> Run | None:
        """Take the next run that may start; None if there is none now."""
        if self.stopped:
            return None
        for run in self._waiting:
            if run.parent not in self._open:
                self._waiting.remove(run)
                self.running += 1
                self._listen(Event("started", run))
                return run
        return None

    def take(self, run: Run, result: Result) -> None:
        """Take a run back, with what came of it; what waited for it may start, is skipped, or goes on waiting."""
        if result.what == "done":
            self.running -= 1
            self.finished += 1
            self._open.discard(run.digest)
            self._listen(Event("done", run, result.seconds))
            self._add(run, True)
        elif result.what == "stopped":
            self.put_back(run, Event("stopped", run))
        elif result.what == "again" and self._tries.get(run.digest, 0) < self._retries:
            self._tries[run.digest] = self._tries.get(run.digest, 0) + 1
            self.put_back(run, Event("again", run, reason=result.reason))
        else:
            if result.what == "unwritable":
                self.trouble = result.reason
            self._failed(run, result.reason)

    def put_back(self, run: Run, event: Event) -> None:
        """Let a run wait again that was handed out; it is the next."""
        self.running -= 1
        self._waiting.insert(0, run)
        self._listen(event)

    def _failed(self, run: Run, reason: str) -> None:
        self.running -= 1
        self._listen(Event("failed", run, reason=reason))
        children = [r for r in self._waiting if r.parent == run.digest]
        for child in children:
            self._waiting.remove(child)
            self._listen(Event("skipped", child, reason=f"its pretraining {run.name} failed"))
        for ended in (run, *children):
            self._add(ended, False)

    def _add(self, ended: Run, done: bool) -> None:
        more = list(self._grow(ended, done))
        self._waiting += more
        self._open |= {r.digest for r in more}

    @property
    def stopped(self) -> bool:
        """Whether no more runs are handed out, whatever waits."""
        return bool(self.trouble) or self._stopping()

    @property
    def empty(self) -> bool:
        """Whether no run is left to start, and none is running of which more may come."""
        return not self._waiting and not self.running
