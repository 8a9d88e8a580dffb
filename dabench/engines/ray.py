"""Runs on Ray Tune: as many at once as the machine has room for, in workers that are used again for the next run.

Tune asks a searcher for the next trial; here the searcher hands out the runs of the plan, each once its pretraining is done.
So one Tune experiment does the whole plan without a barrier between its parts, and a worker imports torch once. Tune only
schedules: what is finished stands in the store.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

from dabench.engines.cluster import Searcher, at_once, ray, resources, start, tune
from dabench.engines.how import How
from dabench.engines.queue import Listener, Queue
from dabench.engines.worker import Worker
from dabench.plan import Plan, Run
from dabench.registry import Registry
from dabench.store import Store


class _Hands(Searcher):  # type: ignore[misc]
    """Hands the plan's runs to Tune in an order in which every pretraining comes before what starts from it."""

    def __init__(self, plan: Plan, queue: Queue, at_once: int) -> None:
        super().__init__(metric="seconds", mode="min")
        self.plan, self.queue, self.at_once = plan, queue, at_once
        self.trials: dict[str, Run] = {}

    def suggest(self, trial_id: str) -> Any:
        if self.queue.running >= self.at_once:
            return None  # a trial that must wait would start a worker of its own, which imports torch again
        run = self.queue.next()
        if run is None:
            return Searcher.FINISHED if self.queue.empty else None
        self.trials[trial_id] = run
        # The job of this run alone: a worker never holds the shots of another's target.
        return {"job": json.dumps(self.plan.job(run))}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        run = self.trials.pop(trial_id)
        if error or not result or "reason" not in result:
            self.queue.failed(run, "its worker process ended (killed, or out of memory); run the sweep again to try anew")
        elif result["reason"]:
            self.queue.failed(run, result["reason"])
        else:
            self.queue.done(run, result["seconds"])

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its parts to resume by; what is handed out lives in this process alone."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep: the store is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to bring back: the store is the truth."""


def run_all(plan: Plan, runs: Sequence[Run], store: Store, registry: Registry, listen: Listener, how: How = How()) -> None:
    """Do `runs` on the Ray that is running in this process, or on one started here and ended afterwards.

    Raises:
        KeyboardInterrupt: the user stopped it; finished runs are in the store.
    """
    ours = not ray.is_initialized()
    if ours:
        start()
    scratch = tempfile.mkdtemp(prefix="dabench-")
    queue = Queue(runs, listen)
    try:
        trainable = tune.with_parameters(Worker, shipment=registry.shipment(), folder=str(store.folder.resolve()))
        each = resources(plan, how)
        tuner = tune.Tuner(
            tune.with_resources(trainable, each),
            tune_config=tune.TuneConfig(
                search_alg=_Hands(plan, queue, at_once(each, how)), num_samples=len(runs), reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=scratch, name="sweep", verbose=0, log_to_file=False),
        )
        tuner.fit()
    finally:
        if ours:
            ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)
    if not queue.empty or queue.running:
        raise KeyboardInterrupt
