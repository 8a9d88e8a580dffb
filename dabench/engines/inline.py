"""Runs in this process, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from dabench.engines.attempt import attempt
from dabench.engines.how import How
from dabench.engines.queue import Grow, Listener, Queue, nothing_more
from dabench.errors import StoppedError
from dabench.plan import Plan, Run
from dabench.registry import Registry
from dabench.store import Store


def run_all(
    plan: Plan,
    runs: Sequence[Run],
    store: Store,
    registry: Registry,
    listen: Listener,
    how: How = How(),
    grow: Grow = nothing_more,
) -> None:
    """Do `runs` in their order, and those that `grow` adds; one that fails is told to `listen` and does not stop the others.

    Raises:
        KeyboardInterrupt: the user stopped it.
        StoppedError: going on had no sense.
    """
    queue = Queue(runs, listen, how.retries, lambda: store.ongoing.stopping, grow)
    while (run := queue.next()) is not None:
        queue.take(run, attempt(plan.job(run), store, registry, how))
    if queue.trouble:
        raise StoppedError(queue.trouble)
    if queue.stopped:
        raise KeyboardInterrupt
