"""Queue of runs: the order of the plan, dependencies on pretrainings, and retries."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dabench.execution.attempt import AttemptResult
from dabench.execution.options import ExecutionOptions
from dabench.experiment.plan import Plan
from dabench.plugins.registry import Registry
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run


@dataclass(frozen=True)
class Event:
    """An event of a run: started, done, failed, skipped (its pretraining failed), retried, or stopped with the sweep."""

    what: Literal["started", "done", "failed", "skipped", "retried", "stopped"]
    run: Run
    seconds: float = 0.0
    reason: str = ""


Listener = Callable[[Event], None]

FollowUps = Callable[[Run, bool], Iterable[Run]]
"""Callback after a run ends (run, whether it is done); returns follow-up runs."""


def nothing_more(run: Run, done: bool) -> Iterable[Run]:
    """Return no follow-up runs."""
    return ()


@dataclass(frozen=True)
class Execution:
    """The arguments of an engine.

    Attributes:
        listen: callback for the events of runs.
        grow: callback for follow-up runs.
    """

    plan: Plan
    store: RunStore
    registry: Registry
    how: ExecutionOptions
    listen: Listener
    grow: FollowUps = nothing_more

    def queue(self, runs: Iterable[Run]) -> RunQueue:
        """Return a queue of `runs` and their follow-up runs."""
        return RunQueue(runs, self.listen, self.how.retries, lambda: self.store.sweep_lock.stopping, self.grow)


class RunQueue:
    """Runs to do, each after its parent. Parents that are not in the queue count as done.

    Args:
        retries: how often a run with a temporary failure is tried again.
        stopping: called before each run; if true, no more runs start.
        grow: callback for follow-up runs.

    Attributes:
        running: number of runs taken by `next` and not yet returned.
        finished: number of runs done.
        trouble: reason why no more runs start, other than a stop by the user.
    """

    def __init__(
        self,
        runs: Iterable[Run],
        listen: Listener,
        retries: int = 0,
        stopping: Callable[[], bool] = lambda: False,
        grow: FollowUps = nothing_more,
    ) -> None:
        self._listen, self._retries, self._stopping, self._grow = listen, retries, stopping, grow
        self._tries: dict[str, int] = {}
        self._open: set[str] = set()
        self._ready: list[tuple[int, Run]] = []  # heap of the runs that may start, by position
        self._held: dict[str, list[tuple[int, Run]]] = {}  # runs by the parent that they wait for
        self._first = self._last = 0
        self.running = self.finished = 0
        self.trouble = ""
        self._append(runs)

    def _append(self, runs: Iterable[Run]) -> None:
        """Append runs to the queue."""
        more = list(runs)
        self._open |= {r.digest for r in more}
        for run in more:
            self._last += 1
            self._put(self._last, run)

    def _put(self, place: int, run: Run) -> None:
        if run.parent in self._open:
            self._held.setdefault(run.parent, []).append((place, run))
        else:
            heapq.heappush(self._ready, (place, run))

    def next(self) -> Run | None:
        """Return the next run that may start; None if there is none now."""
        if self.stopped or not self._ready:
            return None
        _, run = heapq.heappop(self._ready)
        self.running += 1
        self._listen(Event("started", run))
        return run

    def take(self, run: Run, result: AttemptResult) -> None:
        """Take the result of a run; the runs that wait for it may start, are skipped, or wait on."""
        if result.what == "done":
            self.running -= 1
            self.finished += 1
            self._open.discard(run.digest)
            for item in self._held.pop(run.digest, ()):
                heapq.heappush(self._ready, item)
            self._listen(Event("done", run, result.seconds))
            self._append(self._grow(run, True))
        elif result.what == "stopped":
            self.put_back(run, Event("stopped", run))
        elif result.what == "retried" and self._tries.get(run.digest, 0) < self._retries:
            self._tries[run.digest] = self._tries.get(run.digest, 0) + 1
            self.put_back(run, Event("retried", run, reason=result.reason))
        else:
            if result.what == "unwritable":
                self.trouble = result.reason
            self._failed(run, result.reason)

    def put_back(self, run: Run, event: Event) -> None:
        """Put a run back at the front of the queue."""
        self.running -= 1
        self._first -= 1
        self._put(self._first, run)
        self._listen(event)

    def _failed(self, run: Run, reason: str) -> None:
        self.running -= 1
        self._listen(Event("failed", run, reason=reason))
        children = [child for _, child in self._held.pop(run.digest, ())]
        for child in children:
            self._listen(Event("skipped", child, reason=f"its pretraining {run.name} failed"))
        for ended in (run, *children):
            self._append(self._grow(ended, False))

    @property
    def stopped(self) -> bool:
        """Whether no more runs start, even if some are pending."""
        return bool(self.trouble) or self._stopping()

    @property
    def empty(self) -> bool:
        """Whether no run is pending or running."""
        return not self._ready and not self._held and not self.running
