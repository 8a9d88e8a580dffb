"""Tune made to look at, and to keep, what is going on alone: a sweep of thousands of runs is as many trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from dabench.errors import StoppedError
from dabench.execution.attempt import LIMIT, AttemptResult
from dabench.execution.queue import Event, Execution, RunQueue
from dabench.execution.ray.cluster import (
    Callback,
    RayEnded,
    Searcher,
    alive,
    guarded,
    one_run_per_core,
    quiet,
    ray,
    resources,
    runs_side_by_side,
    started,
    tune,
)
from dabench.execution.ray.nodes import start_transfer
from dabench.execution.ray.worker import Worker
from dabench.experiment.job import Job
from dabench.storage.atomic import temporary_folder, temporary_prefix
from dabench.storage.schema import Run

_HEAVY = ("config", "evaluated_params", "_Trial__unresolved_config", "run_metadata", "temporary_state", "_state_json")
"""What Tune keeps of a trial: its job, statistics over every number that it reported, and all of that as text."""


class LeanScheduler(tune.schedulers.FIFOScheduler):  # type: ignore[misc]
    """Starts trials in their order, as Tune's own does, which looks through all of them ten times a second.

    What a trial held that is over is forgotten; Tune would keep 50 kB of each to the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._going: dict[str, Any] = {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._going[trial.trial_id] = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        over = [trial for trial in self._going.values() if trial.is_finished()]
        for trial in over:
            del self._going[trial.trial_id]
            tune_controller.get_trials().remove(trial)
            for name in _HEAVY:
                vars(trial).pop(name, None)
        return next((t for t in self._going.values() if t.status in (t.PENDING, t.PAUSED)), None)


_STARTS = 3
"""How often Ray is started without a run that is done in between, before that is given up."""


class TrialWatcher(Callback):  # type: ignore[misc]
    """Sees the trials that run, and that Ray itself does."""

    def __init__(self) -> None:
        self.trials: dict[str, Any] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.trials[trial.trial_id] = trial

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if not alive():
            raise RayEnded


class PlanSearcher(Searcher):  # type: ignore[misc]
    """Hands the plan's runs to Tune in an order in which every pretraining comes before what starts from it."""

    def __init__(self, job: Callable[[Run], Job], queue: RunQueue, execution: Execution, at_once: int) -> None:
        super().__init__(metric="seconds", mode="min")
        self.job, self.queue, self.execution, self.at_once = job, queue, execution, at_once
        self.out: dict[str, Run] = {}
        self.eyes = TrialWatcher()

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
            self.queue.take(run, AttemptResult(result["what"], result["seconds"], result["reason"]))
        elif not alive():
            self.queue.put_back(run, Event("retried", run, reason="Ray ended, and its worker with it"))
        else:
            self.queue.take(run, self._death(run, trial))

    def _death(self, run: Run, trial: Any) -> AttemptResult:
        """Return why the worker of a run ended."""
        where = self.execution.store.sweep_lock.take_hung(run.name)
        if where:
            limit = LIMIT.format(self.execution.how.time_limit)
            return AttemptResult("failed", reason=f"{limit}; its worker did not listen and was ended\n\n{where}")
        error = trial.get_error() if trial else None
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            return AttemptResult(
                "retried", reason="ran out of memory: Ray ended its worker before the machine had none; do fewer at once"
            )
        return AttemptResult("retried", reason=f"its worker process ended (killed, or out of memory)\n\n{error or ''}")

    def give_back(self) -> None:
        """Put back what is out: Ray ended, and the workers with it."""
        for run in self.out.values():
            self.queue.put_back(run, Event("retried", run, reason="Ray ended, and its worker with it"))
        self.out = {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep: the store is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to bring back: the store is the truth."""


def run_all(runs: Sequence[Run], execution: Execution) -> None:
    """Do `runs`, and those that come of them, on the Ray that runs in this process, or on one started here and ended afterwards.

    Raises:
        KeyboardInterrupt: the user stopped it; finished runs are in the store.
        StoppedError: going on had no sense, or Ray ended again and again.
    """
    ours, queue = not ray.is_initialized(), execution.queue(runs)
    warm = one_run_per_core(execution.plan, len(runs), execution.how)
    starts = 0
    while True:
        finished = queue.finished
        try:
            with started(execution.how.address, warm=warm) if ours else nullcontext():
                _tune(queue, execution)
            break
        except RayEnded:
            starts = starts + 1 if queue.finished == finished else 1
            if not ours or starts == _STARTS:
                raise StoppedError("Ray ended (its raylet or its GCS was killed); finished runs are kept") from None
    if queue.trouble:
        raise StoppedError(queue.trouble)
    if not queue.empty:
        raise KeyboardInterrupt


def _tune(queue: RunQueue, execution: Execution) -> None:
    """Do what is in the queue as one Tune experiment; raise Ended if Ray ended under it."""
    plan, store, how = execution.plan, execution.store, execution.how
    sent = start_transfer(plan, store) if how.address else None
    each = resources(plan, how)
    hands = PlanSearcher(sent.job if sent else plan.job, queue, execution, runs_side_by_side(each, how))
    given = {"shipment": execution.registry.shipment(), "folder": str(store.folder.resolve()), "how": how}
    try:
        with temporary_folder(temporary_prefix()) as scratch, quiet(), guarded():  # in it Tune's own account, which nobody reads
            tune.run(  # no Tuner: that pickles its searcher first, and what this one hands out lives in this process alone
                tune.with_parameters(Worker, **given, desk=sent and sent.desk),
                name="sweep",
                storage_path=str(scratch),
                resources_per_trial=each,
                search_alg=hands,
                scheduler=LeanScheduler(),
                num_samples=-1,  # a run that is tried again is a trial more
                reuse_actors=True,
                raise_on_failed_trial=False,
                callbacks=[hands.eyes],
                verbose=0,
            )
    finally:
        hands.give_back()
        if sent:
            sent.close()
