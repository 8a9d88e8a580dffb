"""Estimate the cost of pending runs on this machine: time, memory and disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from dabench.execution.options import ExecutionOptions
from dabench.execution.resources import ResourceNeeds
from dabench.experiment.plan import Plan, adaptation_length
from dabench.plugins.registry import Registry
from dabench.storage.atomic import temporary_folder, temporary_prefix
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run
from dabench.training.settings import full_steps

_WARM, _STEPS = 2, 12
"""Steps of a warm-up run, in which libraries load and memory is allocated, and of the run that is timed."""

_START = 8.0
"""Seconds until Ray and its first workers have started, measured on two cores."""

_LOSS, _RECORD = 21, 4000
"""Bytes of the loss of one step in the record of a run, and of the rest of the record."""


@dataclass(frozen=True)
class Cost:
    """Estimated cost of the pending runs.

    Attributes:
        seconds: duration of each run, by digest.
        wall: seconds until all runs are complete, with runs in parallel as far as the machine allows.
        cpu: core seconds reserved for the runs; gpu: GPU seconds.
        memory: most bytes that one run needs; disk: bytes of the runs in the output folder. None if the network cannot be
            measured or no run is pending.
    """

    seconds: dict[str, float]
    wall: float
    cpu: float
    gpu: float
    memory: int | None
    disk: int | None


def estimate_cost(
    plan: Plan, runs: Sequence[Run], store: RunStore, registry: Registry, options: ExecutionOptions, needs: ResourceNeeds | None
) -> Cost:
    """Return the estimated cost of `runs`.

    Args:
        options: as `fit_to_machine` returns them: the cores and GPUs of each run, and the number of parallel runs.
        needs: memory and arithmetic of each run, if known.
    """
    if not runs:
        return Cost({}, 0.0, 0.0, 0.0, None, None)
    seconds = _seconds(plan, runs, store, registry)
    total = sum(seconds.values())
    wall = wall_time(runs, seconds, options.max_parallel or 1) + (_START if options.engine == "ray" else 0.0)
    disk = sum(stored_bytes(plan, r, needs) for r in runs) if needs else None
    cpu = total * (options.cpus_per_run or 1)
    return Cost(seconds, wall, cpu, total * (options.gpus_per_run or 0), needs.host if needs else None, disk)


def wall_time(runs: Sequence[Run], seconds: dict[str, float], side: int) -> float:
    """Return the estimated seconds until all of `runs` are complete, `side` in parallel; at least the longest chain of runs."""
    parents = {r.digest: r.parent for r in runs}

    def end(digest: str | None) -> float:
        return seconds[digest] + end(parents[digest]) if digest in parents else 0.0

    return max([0.0, sum(seconds[r.digest] for r in runs) / side, *(end(r.digest) for r in runs)])


def _seconds(plan: Plan, runs: Sequence[Run], store: RunStore, registry: Registry) -> dict[str, float]:
    """Return the expected seconds of each of `runs`, by digest.

    This is the mean over complete runs of the same kind in the store. For a kind without complete runs, one run is timed.
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
    """Do a few steps of a run in a temporary folder, and return the expected seconds of the whole run."""
    from dabench.execution.run import execute

    (scratch.folder / "runs").mkdir(exist_ok=True)
    untested: dict[str, Any] = {"tests": {}, "scored": {}, "test_digests": {}}  # testing large datasets takes minutes
    parent = [r for r in plan.runs if r.digest == run.parent and not scratch.find(r.digest)]
    for short, steps in [*((r, _WARM) for r in parent), (run, _WARM), (run, _STEPS)]:
        scratch.remove(short.digest)
        job = plan.job(short)
        train = replace(job.train, steps=steps, checkpoints=1)
        job = replace(job, length=steps if job.length else None)
        if plan.device == "cuda":  # planned for the workers of a cluster; this machine may have no GPU
            train = replace(train, device="auto", precision=job.asked_precision)  # type: ignore[arg-type]
        execute(replace(job, train=train, **(untested if steps == _WARM else {})), scratch, registry)
    record = scratch.find(run.digest)
    assert record is not None
    took = record.facts.seconds
    if not record.facts.steps:  # a method without training steps: the time measured is the whole time
        return took.total
    once = took.total - took.train - took.test - took.score
    checked = plan.sweep.train.checkpoints * (took.test + took.score)
    return once + took.train * steps_of(plan, run) / _STEPS + checked


def stored_bytes(plan: Plan, run: Run, needs: ResourceNeeds) -> int:
    """Return about how many bytes a complete run takes on disk: network, logits, and losses in its record."""
    logits = sum(4 * plan.data(run.fold)[t].count("test") * len(plan.classes) * plan.sweep.train.checkpoints for t in run.tests)
    return needs.network + logits + _LOSS * steps_of(plan, run) + _RECORD


def steps_of(plan: Plan, run: Run) -> int:
    """Return the optimiser steps of a run; a method with its own pretraining may take a different number for it."""
    if run.length is not None:
        return run.length
    if run.target:
        return adaptation_length(plan.at(run.fold), run.method, run.sources, run.settings)
    return full_steps(plan.train(run.settings), sum(plan.data(run.fold)[s].count("train") for s in run.sources))
