"""Execute runs as trials of Ray Tune. Tune keeps and checks only running trials, so that thousands of runs stay fast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
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
from dabench.execution.ray.worker import LostGpuError, Worker
from dabench.experiment.job import Job
from dabench.storage.atomic import temporary_folder, temporary_prefix
from dabench.storage.schema import Run

_HEAVY = ("config", "evaluated_params", "_Trial__unresolved_config", "run_metadata", "temporary_state", "_state_json")
"""Large attributes of a Tune trial: its job, statistics of all reported values, and both as text."""


_LOW_MEMORY = "memory usage threshold"
"""Part of what Ray says when it ends a worker because the machine has little memory left."""


_COLOUR = re.compile(r"\x1b\[\d*m")


def _error_text(trial: Any) -> str:
    """Return what Tune wrote about the error of a trial, without colours, or "". The error itself is only there as a pickle."""
    file = trial.error_file if trial else None
    with suppress(OSError):
        return _COLOUR.sub("", Path(file).read_text(encoding="utf-8", errors="replace")) if file else ""
    return ""


class LeanScheduler(tune.schedulers.FIFOScheduler):  # type: ignore[misc]
    """Start trials in order, like the scheduler of Tune, which however checks all trials ten times a second.

    Trials that have ended are removed; Tune would keep 50 kB of each.
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
            tune_controller._trials_to_cache.discard(trial)  # or Tune would write the state of a trial that has none
            for name in _HEAVY:
                vars(trial).pop(name, None)
        return next((t for t in self._going.values() if t.status in (t.PENDING, t.PAUSED)), None)


_STARTS = 3
"""How often Ray is started again without a completed run in between."""


class TrialWatcher(Callback):  # type: ignore[misc]
    """Track the running trials, and check that Ray is running."""

    def __init__(self) -> None:
        self.trials: dict[str, Any] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.trials[trial.trial_id] = trial

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if not alive():
            raise RayEnded


class PlanSearcher(Searcher):  # type: ignore[misc]
    """Give the runs of the plan to Tune, each pretraining before the adaptations that start from it."""

    def __init__(self, job: Callable[[Run], Job], queue: RunQueue, execution: Execution, at_once: int) -> None:
        super().__init__(metric="seconds", mode="min")
        self.job, self.queue, self.execution, self.at_once = job, queue, execution, at_once
        self.out: dict[str, Run] = {}
        self.watcher = TrialWatcher()

    def suggest(self, trial_id: str) -> Any:
        if self.queue.running >= self.at_once:
            return None  # a waiting trial would start its own worker, which imports torch again
        run = self.queue.next()
        if run is None:
            over = (self.queue.empty or self.queue.stopped) and not self.queue.running
            return Searcher.FINISHED if over else None
        self.out[trial_id] = run
        # Only the job of this run, so that a worker never holds shots of another target.
        return {"job": self.job(run)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        run = self.out.pop(trial_id)
        trial = self.watcher.trials.pop(trial_id, None)
        if not error and result and "what" in result:
            self.queue.take(run, AttemptResult(result["what"], result["seconds"], result["reason"]))
        elif not alive():
            self.queue.put_back(run, Event("retried", run, reason="Ray and its worker ended"))
        else:
            self.queue.take(run, self._death(run, trial))

    def _death(self, run: Run, trial: Any) -> AttemptResult:
        """Return the result of a run whose worker ended."""
        trace = self.execution.store.sweep_lock.take_hung(run.name)
        if trace:
            limit = LIMIT.format(self.execution.how.time_limit)
            return AttemptResult("failed", reason=f"{limit}; its worker did not respond and was killed\n\n{trace}")
        error = _error_text(trial)
        _, lost, reason = error.partition(f"{LostGpuError.__name__}: ")
        if lost:
            return AttemptResult("failed", reason=reason.strip())
        if _LOW_MEMORY in error:
            return AttemptResult(
                "retried", reason=f"ran out of memory: Ray ended its worker; run fewer in parallel with --max-parallel\n\n{error}"
            )
        return AttemptResult("retried", reason=f"its worker process ended (killed, or out of memory)\n\n{error}")

    def give_back(self) -> None:
        """Put the running runs back into the queue: the sweep stops, or Ray and its workers have ended."""
        for run in self.out.values():
            ended = Event("retried", run, reason="Ray and its worker ended")
            self.queue.put_back(run, Event("stopped", run) if alive() else ended)
        self.out = {}

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the store has all results."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the store has all results."""


def run_all(runs: Sequence[Run], execution: Execution) -> None:
    """Do `runs` and their follow-up runs on the Ray of this process, or on a Ray started here and ended afterwards.

    Raises:
        KeyboardInterrupt: the user stopped it; complete runs are in the store.
        StoppedError: no further run could succeed, or Ray ended repeatedly.
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
                raise StoppedError("Ray ended repeatedly (its raylet or GCS was killed); complete runs are kept") from None
    if queue.trouble:
        raise StoppedError(queue.trouble)
    if not queue.empty:
        raise KeyboardInterrupt


def _tune(queue: RunQueue, execution: Execution) -> None:
    """Do the runs of the queue as one Tune experiment; raise RayEnded if Ray has ended."""
    plan, store, how = execution.plan, execution.store, execution.how
    sent = start_transfer(plan, store) if how.address else None
    each = resources(plan, how)
    searcher = PlanSearcher(sent.job if sent else plan.job, queue, execution, runs_side_by_side(each, how))
    given = {"shipment": execution.registry.shipment(), "folder": str(store.folder.resolve()), "how": how}
    try:
        with temporary_folder(temporary_prefix()) as scratch, quiet(), guarded():  # for the files of Tune, which are not used
            tune.run(  # not Tuner, which pickles the searcher: this one uses objects of this process
                tune.with_parameters(Worker, **given, collector=sent and sent.collector),
                name="sweep",
                storage_path=str(scratch),
                resources_per_trial=each,
                search_alg=searcher,
                scheduler=LeanScheduler(),
                num_samples=-1,  # a retried run is another trial
                reuse_actors=True,
                raise_on_failed_trial=False,
                callbacks=[searcher.watcher],
                verbose=0,
            )
    finally:
        searcher.give_back()
        if sent:
            sent.close()
