"""What the runs that a plan has left will cost here: time, memory and disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from dabench.execution.options import ExecutionOptions
from dabench.execution.resources import ResourceNeeds
from dabench.experiment.plan import Plan
from dabench.plugins.registry import Registry
from dabench.storage.atomic import temporary_folder, temporary_prefix
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

_WARM, _STEPS = 2, 12
"""Steps of a first try of a run, in which libraries load and memory is first touched, and of a second, which is timed."""

_START = 8.0
"""Seconds until Ray and its first workers are at work, as measured on two cores."""

_LOSS, _RECORD = 21, 4000
"""Bytes of a step's loss in the record of a run, and of the rest of the record."""


@dataclass(frozen=True)
class Cost:
    """What the runs that are left cost.

    Attributes:
        seconds: of each run, by digest.
        wall: seconds until all are done, as many side by side as there is room for.
        cpu: seconds of cores set aside for them, and `gpu`: seconds of whole GPUs.
        memory: bytes that each needs at the most, and `disk`: bytes that they leave in the output folder. None where the
            network cannot be measured, or nothing is left.
    """

    seconds: dict[str, float]
    wall: float
    cpu: float
    gpu: float
    memory: int | None
    disk: int | None


def estimate_cost(
    plan: Plan, runs: Sequence[Run], store: RunStore, registry: Registry, options: ExecutionOptions, wants: ResourceNeeds | None
) -> Cost:
    """Return what `runs` cost.

    Args:
        options: as `fitted` gives it: what each run takes, and how many go side by side.
        wants: what each run needs, if that is known.
    """
    if not runs:
        return Cost({}, 0.0, 0.0, 0.0, None, None)
    seconds = _seconds(plan, runs, store, registry)
    total = sum(seconds.values())
    wall = wall_time(runs, seconds, options.max_parallel or 1) + (_START if options.engine == "ray" else 0.0)
    disk = sum(stored_bytes(plan, r, wants) for r in runs) if wants else None
    cpu = total * (options.cpus_per_run or 1)
    return Cost(seconds, wall, cpu, total * (options.gpus_per_run or 0), wants.memory if wants else None, disk)


def wall_time(runs: Sequence[Run], seconds: dict[str, float], side: int) -> float:
    """Return about when the last of `runs` is done: all of them shared out `side` by side, or the longest chain of runs."""
    parents = {r.digest: r.parent for r in runs}

    def end(digest: str | None) -> float:
        return seconds[digest] + end(parents[digest]) if digest in parents else 0.0

    return max([0.0, sum(seconds[r.digest] for r in runs) / side, *(end(r.digest) for r in runs)])


def _seconds(plan: Plan, runs: Sequence[Run], store: RunStore, registry: Registry) -> dict[str, float]:
    """Return the seconds that each of `runs` is expected to take, by digest.

    A run takes the mean of the runs of its sort that are complete in the store. Of any other sort, one run is timed.
    """
    took: dict[tuple[str, bool], list[float]] = defaultdict(list)
    listed = store.listed()
    for run in plan.runs:
        if record := store.find(run.digest, network=False, among=listed):
            took[run.kind].append(record.facts.seconds.total)
    with temporary_folder(temporary_prefix()) as folder:
        for run in runs:
            if run.kind not in took:
                took[run.kind].append(_timed(plan, run, RunStore(folder), registry))
    return {run.digest: fmean(took[run.kind]) for run in runs}


def _timed(plan: Plan, run: Run, scratch: RunStore, registry: Registry) -> float:
    """Do a few steps of a run in a folder that is thrown away, and return the seconds that all of it would take."""
    from dabench.execution.run import execute

    (scratch.folder / "runs").mkdir(exist_ok=True)
    untested: dict[str, Any] = {"tests": {}, "scored": {}, "test_digests": {}}  # testing large sets takes minutes
    parent = [r for r in plan.runs if r.digest == run.parent and not scratch.find(r.digest)]
    for short, steps in [*((r, _WARM) for r in parent), (run, _WARM), (run, _STEPS)]:
        scratch.remove(short.digest)
        job = plan.job(short)
        train = replace(job.train, steps=steps, checkpoints=1)
        if plan.device == "cuda":  # of a cluster's workers; this machine may have none
            train = replace(train, device="auto", precision=job.asked_precision)  # type: ignore[arg-type]
        execute(replace(job, train=train, **(untested if steps == _WARM else {})), scratch, registry)
    record = scratch.find(run.digest)
    assert record is not None
    took = record.facts.seconds
    if not record.facts.steps:  # a method that trains by no steps takes what it took
        return took.total
    once = took.total - took.train - took.test - took.score
    checked = plan.sweep.train.checkpoints * (took.test + took.score)
    return once + took.train * steps_of(plan, run) / _STEPS + checked


def stored_bytes(plan: Plan, run: Run, wants: ResourceNeeds) -> int:
    """Return about how many bytes a finished run takes on disk: network, logits, and the losses in its record."""
    logits = sum(4 * plan.prepared[t].count("test") * len(plan.classes) * plan.sweep.train.checkpoints for t in run.tests)
    return wants.network + logits + _LOSS * steps_of(plan, run) + _RECORD


def steps_of(plan: Plan, run: Run) -> int:
    """Return the steps of a full training on the run's sources; a method may take others."""
    train = plan.sweep.train
    if train.steps is not None:
        return train.steps
    return max(1, round(train.epochs * sum(plan.prepared[s].count("train") for s in run.sources) / train.batch))
