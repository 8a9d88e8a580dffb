"""Runs on Ray Tune: as many at once as the machine has room for, in workers that are used again for the next run.

Tune asks a searcher for the next trial; here the searcher hands out the runs of the plan, each once its pretraining is done.
So one Tune experiment does the whole plan without a barrier between its parts, and a worker imports torch once. Tune only
schedules: what is finished stands in the store.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Ray reads these when it is imported and started.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_AIR_NEW_OUTPUT": "0",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ray
    from ray import tune
    from ray.tune.search import Searcher

from dabench.engines.queue import Listener, Queue, reason_of  # noqa: E402
from dabench.places import cores  # noqa: E402
from dabench.plan import Plan, Run  # noqa: E402
from dabench.registry import Registry  # noqa: E402
from dabench.store import Store  # noqa: E402

_OBJECT_STORE_BYTES = 100 * 1024 * 1024  # data reaches workers through memory-mapped files, not through Ray


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


class _Worker(tune.Trainable):  # type: ignore[misc]
    """Does one run per trial; Tune uses the process again for the next."""

    def setup(self, config: dict[str, Any], shipment: Any = None, folder: str = "") -> None:
        self.registry = Registry()
        self.registry.receive(shipment)
        self.store = Store(Path(folder))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.job = json.loads(new_config["job"])
        self._last_result = None  # Tune's record of the run before, with its job: shots of another's target
        return True

    def step(self) -> dict[str, Any]:
        from dabench.work import execute

        started, reason = time.perf_counter(), ""
        try:
            execute(self.job, self.store, self.registry)
        except Exception as e:
            reason = reason_of(e)
        self.job = None
        return {"seconds": time.perf_counter() - started, "reason": reason, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: the store is the truth."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to bring back: the store is the truth."""


def run_all(plan: Plan, runs: Sequence[Run], store: Store, registry: Registry, listen: Listener) -> None:
    """Do `runs` on the Ray that is running in this process, or on one started here and ended afterwards.

    Raises:
        KeyboardInterrupt: the user stopped it; finished runs are in the store.
    """
    ours = not ray.is_initialized()
    if ours:
        _start()
    scratch = tempfile.mkdtemp(prefix="dabench-")
    queue = Queue(runs, listen)
    try:
        trainable = tune.with_parameters(_Worker, shipment=registry.shipment(), folder=str(store.folder.resolve()))
        resources = _resources(plan)
        at_once = _at_once(resources)
        tuner = tune.Tuner(
            tune.with_resources(trainable, resources),
            tune_config=tune.TuneConfig(search_alg=_Hands(plan, queue, at_once), num_samples=len(runs), reuse_actors=True),
            run_config=tune.RunConfig(storage_path=scratch, name="sweep", verbose=0, log_to_file=False),
        )
        tuner.fit()
    finally:
        if ours:
            ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)
    if not queue.empty or queue.running:
        raise KeyboardInterrupt


def _start() -> None:
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a run that fails is told to the listener, without tracebacks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            num_cpus=cores(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            object_store_memory=_OBJECT_STORE_BYTES,
        )


def _resources(plan: Plan) -> dict[str, float]:
    on_gpu = plan.sweep.train.device in ("auto", "cuda") and ray.cluster_resources().get("GPU", 0) >= 1
    return {"cpu": min(plan.sweep.train.threads, cores()), "gpu": 1 if on_gpu else 0}


def _at_once(resources: dict[str, float]) -> int:
    there = ray.cluster_resources()
    return max(1, min(int(there.get(k.upper(), 0) // n) for k, n in resources.items() if n))
