"""Which run may start next: the order of a plan, what waits for what, and what is tried again."""

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
    """Something that happened to a run.

    It started, is done, failed, is skipped because its pretraining failed, will be tried again, or stopped with the sweep.
    """

    what: Literal["started", "done", "failed", "skipped", "retried", "stopped"]
    run: Run
    seconds: float = 0.0
    reason: str = ""


Listener = Callable[[Event], None]

FollowUps = Callable[[Run, bool], Iterable[Run]]
"""Asked when a run came to its end, done or not, which runs there are to do because of it."""


def nothing_more(run: Run, done: bool) -> Iterable[Run]:
    """Return no runs: all that is to do was known when it began."""
    return ()


@dataclass(frozen=True)
class Execution:
    """What an engine is given to do runs: the same for each engine.

    Attributes:
        listen: is told each event of a run.
        grow: is asked at the end of each run for more.
    """

    plan: Plan
    store: RunStore
    registry: Registry
    how: ExecutionOptions
    listen: Listener
    grow: FollowUps = nothing_more

    def queue(self, runs: Iterable[Run]) -> RunQueue:
        """Return the queue of `runs` and of those that come of them."""
        return RunQueue(runs, self.listen, self.how.retries, lambda: self.store.sweep_lock.stopping, self.grow)


class RunQueue:
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
        grow: FollowUps = nothing_more,
    ) -> None:
        self._listen, self._retries, self._stopping, self._grow = listen, retries, stopping, grow
        self._tries: dict[str, int] = {}
        self._open: set[str] = set()
        self._ready: list[tuple[int, Run]] = []  # a heap: who may start, by place
        self._held: dict[str, list[tuple[int, Run]]] = {}  # by the parent that they wait for
        self._first = self._last = 0
        self.running = self.finished = 0
        self.trouble = ""
        self._append(runs)

    def _append(self, runs: Iterable[Run]) -> None:
        """Let runs wait at the end."""
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
        """Take the next run that may start; None if there is none now."""
        if self.stopped or not self._ready:
            return None
        _, run = heapq.heappop(self._ready)
        self.running += 1
        self._listen(Event("started", run))
        return run

    def take(self, run: Run, result: AttemptResult) -> None:
        """Take a run back, with what came of it; what waited for it may start, is skipped, or goes on waiting."""
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
        """Let a run wait again that was handed out; it is the next."""
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
        """Whether no more runs are handed out, whatever waits."""
        return bool(self.trouble) or self._stopping()

    @property
    def empty(self) -> bool:
        """Whether no run is left to start, and none is running of which more may come."""
        return not self._ready and not self._held and not self.running
