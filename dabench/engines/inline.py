"""Runs in this process, one after another."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dabench.engines.how import How
from dabench.engines.logs import kept_log
from dabench.engines.queue import Listener, Queue, reason_of
from dabench.plan import Plan, Run
from dabench.registry import Registry
from dabench.store import Store


def run_all(plan: Plan, runs: Sequence[Run], store: Store, registry: Registry, listen: Listener, how: How = How()) -> None:
    """Do `runs` in their order; a run that fails is told to `listen` and does not stop the others."""
    from dabench.work import execute

    queue = Queue(runs, listen)
    while (run := queue.next()) is not None:
        started = time.perf_counter()
        try:
            with kept_log(store.log(run.name)):
                execute(plan.job(run), store, registry)
        except Exception as e:
            queue.failed(run, reason_of(e))
        else:
            queue.done(run, time.perf_counter() - started)
