"""What a plan will cost here: time from runs like its own that stand, else from a short calibration; disk from its sizes."""

from __future__ import annotations

import heapq
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dabench.engines.how import How
from dabench.need import need, steps_of, stored_bytes
from dabench.plan import Plan, Run
from dabench.registry import Registry
from dabench.scratch import scratch_folder, temporary
from dabench.store import Store

_WARM, _STEPS = 2, 12
"""Steps of the run that is thrown away, in which libraries choose their ways and memory is first touched, and of the next."""
_UNTESTED: dict[str, Any] = {"tests": {}, "scored": {}, "test_digests": {}}
"""A run that is thrown away tests nothing: of large sets that takes minutes."""
_START = 8.0
"""Seconds until Ray and its first workers are at work, as measured on two cores."""


@dataclass(frozen=True)
class Cost:
    """What the runs that are left cost.

    Attributes:
        seconds: of each run, by digest.
        wall: seconds until all are done, as many side by side as there is room for.
        cpu: seconds that cores are busy with them, whatever else the machine does.
        gpu: seconds of a whole GPU that they hold.
        memory: bytes that each needs at the most, and `disk`: bytes that they leave in the output folder; None where the
            network cannot be asked, or nothing is left.
    """

    seconds: Mapping[str, float]
    wall: float
    cpu: float
    gpu: float
    memory: int | None
    disk: int | None


def cost(plan: Plan, runs: Sequence[Run], store: Store, registry: Registry, how: How, inline: bool) -> Cost:
    """Return what `runs` cost.

    Args:
        how: as `fitted` gives it: what each run takes, and how many go side by side.
        inline: they are done in one process, without Ray.
    """
    each = _each(plan, runs, store, registry)
    seconds = {digest: wall for digest, (wall, _) in each.items()}
    busy = sum(cpu for _, cpu in each.values())
    wants = need(plan) if runs else None
    disk = sum(stored_bytes(plan, r, wants.network) for r in runs) if wants else None
    wall = in_turn(runs, seconds, how.at_most or 1) + (_START if runs and not inline else 0.0)
    gpu = sum(seconds.values()) * (how.gpus_per_run or 0)
    return Cost(seconds, wall, busy, gpu, wants.memory if wants else None, disk)


def in_turn(runs: Sequence[Run], seconds: Mapping[str, float], side: int) -> float:
    """Return when the last of `runs` is done, `side` of them side by side, each after its parent, in their order."""
    place = {r.digest: i for i, r in enumerate(runs)}
    children: dict[str, list[int]] = {}
    for i, r in enumerate(runs):
        if r.parent in place:
            children.setdefault(r.parent, []).append(i)
    ready = [i for i, r in enumerate(runs) if r.parent not in place]
    going: list[tuple[float, int]] = []
    now = 0.0
    while ready or going:
        while ready and len(going) < side:
            i = heapq.heappop(ready)
            heapq.heappush(going, (now + seconds[runs[i].digest], i))
        now, over = heapq.heappop(going)
        for child in children.get(runs[over].digest, ()):
            heapq.heappush(ready, child)
    return now


def _each(plan: Plan, runs: Sequence[Run], store: Store, registry: Registry) -> dict[str, tuple[float, float]]:
    """Return the seconds that each run is expected to take, and a core is busy with it, by digest.

    A sort of run (a method, training or adapting) that stands in the store takes what it took there; for another, one run
    is begun for a few steps in a folder of its own and thrown away.
    """
    known: dict[tuple[str, bool], list[float]] = {}
    listed = store.listed()
    for run in plan.runs:
        record = store.find(run.digest, network=False, among=listed)
        if record:
            known.setdefault(run.sort, []).append(record.facts["seconds"]["total"])
    means = {sort: (sum(v) / len(v), sum(v) / len(v) * plan.sweep.train.threads) for sort, v in known.items()}
    with scratch_folder(temporary()) as folder:
        for run in runs:
            if run.sort not in means:
                means[run.sort] = _calibrated(plan, run, Store(folder), registry)
    return {run.digest: means[run.sort] for run in runs}


def _calibrated(plan: Plan, run: Run, scratch: Store, registry: Registry) -> tuple[float, float]:
    from dabench.work import execute

    for name in ("runs", "failed"):
        (scratch.folder / name).mkdir(exist_ok=True)
    parent = next((r for r in plan.runs if r.digest == run.parent), None)
    if parent and not scratch.find(parent.digest):
        execute(_short(plan, parent, _WARM) | _UNTESTED, scratch, registry)
    execute(_short(plan, run, _WARM) | _UNTESTED, scratch, registry)
    scratch.remove(run.digest)
    began, busy = time.perf_counter(), time.process_time()
    execute(_short(plan, run, _STEPS), scratch, registry)
    busy = (time.process_time() - busy) / (time.perf_counter() - began)
    record = scratch.find(run.digest)
    assert record is not None
    seconds = record.facts["seconds"]
    checked = seconds["test"] + seconds["score"]
    fixed = seconds["total"] - seconds["train"] - checked
    # A method that took no part in the steps, since it does not train by them, takes what it took.
    longer = steps_of(plan, run) / _STEPS if record.facts["steps"] else 1.0
    times = plan.sweep.train.checkpoints if record.facts["steps"] else 1
    wall = float(fixed + longer * seconds["train"] + times * checked)
    return wall, wall * busy


def _short(plan: Plan, run: Run, steps: int) -> dict[str, Any]:
    job = plan.job(run)
    return job | {"train": job["train"] | {"steps": steps, "checkpoints": 1}}
