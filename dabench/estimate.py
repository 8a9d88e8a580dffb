"""How long a plan will take here: from runs like it that stand, else from a short calibration."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dabench.plan import Plan, Run
from dabench.registry import Registry
from dabench.store import Store

_STEPS = 8


def seconds_each(plan: Plan, runs: Sequence[Run], store: Store, registry: Registry) -> dict[str, float]:
    """Return the seconds that each run is expected to take, by digest.

    A sort of run (a method, training or adapting) that stands in the store takes what it took there; for another, one run
    is begun for a few steps in a folder of its own and thrown away.
    """
    known: dict[tuple[str, bool], list[float]] = {}
    for run in plan.runs:
        record = store.find(run.digest, network=False)
        if record:
            known.setdefault(run.sort, []).append(record.facts["seconds"]["total"])
    means = {sort: sum(values) / len(values) for sort, values in known.items()}
    with tempfile.TemporaryDirectory(prefix="dabench-") as folder:
        for run in runs:
            if run.sort not in means:
                means[run.sort] = _calibrated(plan, run, Store(Path(folder)), registry)
    return {run.digest: means[run.sort] for run in runs}


def _calibrated(plan: Plan, run: Run, scratch: Store, registry: Registry) -> float:
    from dabench.work import execute

    for name in ("runs", "failed"):
        (scratch.folder / name).mkdir(exist_ok=True)
    parent = next((r for r in plan.runs if r.digest == run.parent), None)
    for piece in [p for p in (parent, run) if p and not scratch.find(p.digest)]:
        execute(_short(plan, piece), scratch, registry)
    record = scratch.find(run.digest)
    assert record is not None
    facts = record.facts
    full = _full_steps(plan, run) / _STEPS
    checked = facts["seconds"]["test"] + facts["seconds"]["score"]
    fixed = facts["seconds"]["total"] - facts["seconds"]["train"] - checked
    return float(fixed + full * facts["seconds"]["train"] + plan.sweep.train.checkpoints * checked)


def _short(plan: Plan, run: Run) -> dict[str, Any]:
    job = plan.job(run)
    return job | {"train": job["train"] | {"steps": _STEPS, "checkpoints": 1}}


def _full_steps(plan: Plan, run: Run) -> float:
    train = plan.sweep.train
    if train.steps is not None:
        return train.steps
    return train.epochs * sum(plan.prepared[s].count("train") for s in run.sources) / train.batch
