"""Execute one run from its job to its folder in the store, for any engine and in any process."""

from __future__ import annotations

import gc
import math
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from dabench.execution.compute import RunCheckpoints, compute
from dabench.execution.gpu import free_cached
from dabench.experiment.job import Job
from dabench.plugins.registry import Registry
from dabench.storage.paths import cores
from dabench.storage.run_store import RunStore
from dabench.storage.schema import RunRecord, Seconds
from dabench.training.device import low_precision, planned
from dabench.training.loss_log import TrainingTrace
from dabench.training.network import save_network
from dabench.training.resume import ResumeError, RunState


def execute(
    job: Job,
    store: RunStore,
    registry: Registry,
    save_every: float = math.inf,
    notify: Callable[[str], object] = lambda line: None,
) -> None:
    """Do the run of `job` and store it; continue from the saved state of an earlier attempt if there is one.

    Args:
        save_every: seconds after which it saves its state at the next checkpoint.
        notify: called with a line of progress from time to time.

    Raises:
        DabenchError: the run failed or diverged; nothing is stored.
        RunStopped: the run was stopped on request, at a checkpoint.
    """
    key = {"digest": job.digest, "torch": str(torch.__version__), "dabench": version("dabench")}
    ongoing = store.sweep_lock
    device = planned(job.train.device, job.train.precision, job.asked_precision)
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
    partial = RunState(
        ongoing.partial(job.name, job.digest), key | {"device": kind}, save_every, lambda: ongoing.stopping, device
    )
    try:
        _execute(job, device, store, registry, partial, notify)
    except ResumeError:
        partial.clear()
        _execute(job, device, store, registry, partial, notify)
    partial.clear()


def _execute(
    job: Job, device: torch.device, store: RunStore, registry: Registry, partial: RunState, notify: Callable[[str], object]
) -> None:
    gc.collect()  # frees what an earlier run of this process left in reference cycles, including labels
    free_cached(device)
    net, checkpoints, trace = compute(job, device, registry, store.network, partial, notify)
    facts = _facts(job, device, checkpoints, trace, partial.seconds())
    pictures = {heading: images.numpy() for heading, images in trace.pictures.items()}
    store.add(facts, checkpoints.predictions(), lambda path: save_network(net, path), pictures)


def _facts(job: Job, device: torch.device, checkpoints: RunCheckpoints, trace: TrainingTrace, seconds: float) -> RunRecord:
    """Return the content of run.json."""
    return RunRecord(
        name=job.name,
        method=job.method,
        sources=job.source_names,
        target=job.target.name if job.target else None,
        label_budget=job.label_budget,
        seed=job.seed,
        fold=job.fold,
        digest=job.digest,
        parent=job.parent,
        tests=job.test_digests,
        classes=job.classes,
        steps=checkpoints.steps[-1],
        checkpoints=tuple(checkpoints.steps),
        scores={t: {rule: tuple(of) for rule, of in rules.items()} for t, rules in checkpoints.scores.found.items()},
        unscored=_unscored(checkpoints),
        losses=tuple(trace.losses),
        named_losses={name: tuple(of) for name, of in trace.named.items()},
        seconds=Seconds(
            train=round(trace.train_seconds, 3),
            test=round(checkpoints.seconds, 3),
            score=round(checkpoints.scores.seconds, 3),
            total=round(seconds, 3),
        ),
        environment=environment(device, low_precision(job.train.precision, device)),
        files={},
        stopped=checkpoints.ended is not None,
    )


def _unscored(checkpoints: RunCheckpoints) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the reasons of the rules that have no value at some checkpoint, as in `RunRecord`."""
    reasons = checkpoints.scores.reasons
    found = {t: {rule: tuple(of) for rule, of in rules.items() if any(of)} for t, rules in reasons.items()}
    return {target: rules for target, rules in found.items() if rules}


def environment(device: torch.device, low: bool) -> dict[str, Any]:
    """Return the environment of a result: versions, device, cores, precision."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "dabench": version("dabench"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": gpu or f"{device.type} ({platform.machine()})",
        "cores": cores(),
        "precision": "bf16" if low else "fp32",
    }
