"""Runs on Ray Tune: as many at once as the machine has room for, in workers that are used again for the next run.

Tune asks a searcher for the next trial; here the searcher hands out the runs of the plan, each once its pretraining is done.
So one Tune experiment does the whole plan without a barrier between its parts, and a worker imports torch once. Tune only
schedules: what is finished stands in the store. So a Ray of this process that ends in the middle is started again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dabench.atomic import temporary_folder, temporary_prefix
from dabench.engines.attempt import LIMIT, Result
from dabench.engines.cluster import (
    Callback,
    Ended,
    Searcher,
    alive,
    at_once,
    guarded,
    one_a_core,
    ray,
    resources,
    start,
    stop,
    tune,
)
from dabench.engines.how import How
from dabench.engines.nodes import sending
from dabench.engines.queue import Event, Grow, Listener, Queue, nothing_more
from dabench.engines.sparing import Sparing
from dabench.engines.worker import Worker
from dabench.errors import StoppedError
from dabench.job import Job
from dabench.plan import Plan, Run
from dabench.registry import Registry
from dabench.store import Store

_STARTS = 3
"""How often Ray is started without a run that is done in between, before that is given up."""


class _Eyes(Callback):  # type: ignore[misc]
    """Sees the trials that run, and that Ray itself does."""

    def __init__(self) -> None:
        self.trials: dict[str, Any] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.trials[trial.trial_id] = trial

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if not alive():
            raise Ended


class _Hands(Searcher):  # type: ignore[misc]
    """Hands the plan's runs to Tune in an order in which every pretraining comes before what starts from it."""

    def __init__(self, job: Callable[[Run], Job], queue: Queue, store: Store, how: How, at_once: int) -> None:
        super().__init__(metric="seconds", mode="min")
        self.job, self.queue, self.store, self.how, self.at_once = job, queue, store, how, at_once
        self.out: dict[str, Run] = {}
        self.eyes = _Eyes()

    def suggest(self, trial_id: str) -> Any:
        if self.queue.running >= self.at_once:
            return None  # a trial that must wait would start a worker of its own, which imports torch again
        run = self.queue.next()
        if run is None:
            over = (self.queue.empty or self.queue.stopped) and not self.queue.running
            return Searcher.FINISHED if over else None
        self.out[trial_id] = run
        # The job of this run alone: a worker never holds the shots of another's target.
        return {"job": self.job(run)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        run = self.out.pop(trial_id)
        trial = self.eyes.trials.pop(trial_id, None)
        if not error and result and "what" in result:
            self.queue.take(run, Result(result["what"], result["seconds"], result["reason"]))
        elif not alive():
            self.queue.put_back(run, Event("again", run, reason="Ray ended, and its worker with it"))
        else:
            self.queue.take(run, self._death(run, trial))

    def _death(self, run: Run, trial: Any) -> Result:
        """Return why the worker of a run ended."""
        where = self.store.ongoing.take_hung(run.name)
        if where:
            return Result(
                "failed", reason=f"{LIMIT.format(self.how.time_limit)}; its worker did not listen and was ended\n\n{where}"
            )
        error = trial.get_error() if trial else None
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            return Result("again", reason="ran out of memory: Ray ended its worker before the machine had none; do fewer at once")
        return Result("again", reason=f"its worker process ended (killed, or out of memory)\n\n{error or ''}")

    def give_back(self) -> None:
        """Put back what is out: Ray ended, and the workers with it."""
        for run in self.out.values():
            self.queue.put_back(run, Event("again", run, reason="Ray ended, and its worker with it"))
        self.out = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its parts to resume by; what is handed out lives in this process alone."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep: the store is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to bring back: the store is the truth."""


def run_all(
    plan: Plan,
    runs: Sequence[Run],
    store: Store,
    registry: Registry,
    listen: Listener,
    how: How = How(),
    grow: Grow = nothing_more,
) -> None:
    """Do `runs`, and those that `grow` adds, on the Ray that runs in this process, or on one started here and ended afterwards.

    Raises:
        KeyboardInterrupt: the user stopped it; finished runs are in the store.
        StoppedError: going on had no sense, or Ray ended again and again.
    """
    ours, warm = not ray.is_initialized(), one_a_core(plan, len(runs), how)
    queue = Queue(runs, listen, how.retries, lambda: store.ongoing.stopping, grow)
    starts = 0
    while True:
        finished = queue.finished
        try:
            _tune(plan, queue, store, registry, how, ours, warm)
            break
        except Ended:
            starts = starts + 1 if queue.finished == finished else 1
            if not ours or starts == _STARTS:
                raise StoppedError("Ray ended (its raylet or its GCS was killed); finished runs are kept") from None
    if queue.trouble:
        raise StoppedError(queue.trouble)
    if not queue.empty:
        raise KeyboardInterrupt


def _tune(plan: Plan, queue: Queue, store: Store, registry: Registry, how: How, ours: bool, warm: bool) -> None:
    """Do what is in the queue as one Tune experiment; raise Ended if Ray ended under it."""
    if ours:
        start(how.address, warm=warm)
    sent = sending(plan, store) if how.address else None
    each = resources(plan, how)
    hands = _Hands(sent.job if sent else plan.job, queue, store, how, at_once(each, how))
    try:
        with temporary_folder(temporary_prefix()) as scratch:  # Tune's own account of a sweep, which nobody reads
            given = {"shipment": registry.shipment(), "folder": str(store.folder.resolve()), "how": how}
            trainable = tune.with_parameters(Worker, **given, desk=sent and sent.desk)
            tuner = tune.Tuner(
                tune.with_resources(trainable, each),
                # Without a number of trials: a run that is tried again is a trial more.
                tune_config=tune.TuneConfig(search_alg=hands, num_samples=-1, reuse_actors=True, scheduler=Sparing()),
                run_config=tune.RunConfig(
                    storage_path=str(scratch), name="sweep", verbose=0, log_to_file=False, callbacks=[hands.eyes]
                ),
            )
            with guarded():
                tuner.fit()
    finally:
        hands.give_back()
        if sent:
            sent.close()
        if ours:
            stop()
