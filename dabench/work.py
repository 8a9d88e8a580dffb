"""One run, from its job to its finished folder. The same function whatever engine calls it, in whatever process."""

from __future__ import annotations

import errno
import gc
import math
import platform
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.data.augment import Augmenter
from dabench.device import choose_device, low_precision, reproducible
from dabench.errors import DabenchError, DivergedError
from dabench.evaluate import logits
from dabench.firewall import SourceGrant, TargetGrant
from dabench.job import Job
from dabench.network import Network, adapter_network, build_network, load_network, save_network
from dabench.partial import Partial
from dabench.places import cores
from dabench.protocols import SUPERVISED, Adapter, Target, View
from dabench.references import Opaque
from dabench.registry import Registry
from dabench.scoring import Scores
from dabench.store import Store
from dabench.train import Trainer


def execute(
    job: Job,
    store: Store,
    registry: Registry,
    save_every: float = math.inf,
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Do the run that `job` describes, from where an earlier try of it stood, and store it.

    Args:
        save_every: seconds after which it keeps, at its next checkpoint, what it needs to go on from there.
        say: takes a line now and then, of how far it is.

    Raises:
        DabenchError: it cannot be done, or diverged; nothing of it is stored.
        Stopped: it was told to stop, and did so at a checkpoint.
    """
    key = {"digest": job.digest, "torch": str(torch.__version__), "dabench": version("dabench")}
    ongoing = store.ongoing
    device = choose_device(job.train.device)
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
    partial = Partial(ongoing.partial(job.name, job.digest), key | {"device": kind}, save_every, lambda: ongoing.stopping)
    try:
        _execute(job, store, registry, partial, say)
    except Opaque:  # what was kept does not fit, though it says that it is of this run
        partial.clear()
        _execute(job, store, registry, partial, say)
    partial.clear()


def _execute(job: Job, store: Store, registry: Registry, partial: Partial, say: Callable[[str], object]) -> None:
    gc.collect()  # what an earlier run of this process left in reference cycles, labels among it, is gone before this one
    started = time.perf_counter()
    device = choose_device(job.train.device)
    with reproducible(job.train.threads, job.seed):
        augmenter = Augmenter(job.augment, job.size, job.size, device)
        checkpoints = _Checkpoints(job, augmenter)
        trainer = Trainer(job.train, augmenter, device, job.seed, checkpoints, partial, say)
        adapter = Adapter() if job.method == SUPERVISED else registry.make("adapter", job.method, job.options)
        backbone = registry.make("backbone", job.backbone, job.backbone_options)
        pretrained = job.pretrained and job.parent is None
        fresh = build_network(backbone, job.channels, augmenter.size[0], len(job.classes), pretrained)
        try:
            net = _trained(job, adapter, adapter_network(adapter, fresh).to(device), trainer, store)
            checkpoints(net, trainer.trace.steps)
        except EndTrial:
            assert checkpoints.ended is not None
            net = checkpoints.ended.to(device).eval()
        except DivergedError as e:
            what = "adapting" if job.target else "training"
            raise DivergedError(f"{job.name}: while {what}, {e}") from None
    facts = _facts(job, checkpoints, trainer, time.perf_counter() - started)
    store.add(job.name, job.digest, facts, checkpoints.predictions(), lambda path: save_network(net, path))


def _trained(job: Job, adapter: Adapter, net: Network, trainer: Trainer, store: Store) -> Network:
    """Return the fresh network `net` as the adapter pretrains it; or adapts it, with the weights of the run's pretraining."""
    sources = [_source(grant, job.classes, trainer.device) for grant in job.sources]
    if job.parent is None or job.target is None:
        result = adapter.pretrain(net, sources, trainer)
    else:
        load_network(net, store.network(job.parent))
        result = adapter.adapt(net, sources, _target(job.target, job.classes, trainer.device), trainer)
    if not isinstance(result, Network):
        raise DabenchError(
            f"adapter '{job.method}' returned {type(result).__name__}; pretrain() and adapt() must return a Network"
        )
    return result.to(trainer.device).eval()


def _facts(job: Job, checkpoints: _Checkpoints, trainer: Trainer, seconds: float) -> dict[str, Any]:
    """Return what run.json says of a run."""
    trace, device = trainer.trace, trainer.device
    return {
        "name": job.name,
        "method": job.method,
        "sources": [s.name for s in job.sources],
        "target": job.target and job.target.name,
        "labels": job.labels,
        "seed": job.seed,
        "digest": job.digest,
        "parent": job.parent,
        "tests": job.test_digests,
        "classes": job.classes,
        "steps": checkpoints.steps[-1],
        **({"stopped": True} if checkpoints.ended else {}),
        "checkpoints": checkpoints.steps,
        "scores": checkpoints.scores.found,
        "losses": trace.losses,
        "seconds": {
            "train": round(trace.train_seconds, 3),
            "test": round(checkpoints.seconds, 3),
            "score": round(checkpoints.scores.seconds, 3),
            "total": round(seconds, 3),
        },
        "environment": environment(device, low_precision(job.train.precision, device)),
    }


class EndTrial(BaseException):
    """Ends a trial whose scores are behind. It is raised at a checkpoint, below the adapter's code, which has no other way out.

    No Exception: an adapter that catches everything must not go on.
    """


class _Checkpoints:
    """Tests and scores the network at each checkpoint of a run.

    Attributes:
        steps: of each checkpoint.
        scores: without labels, of each checkpoint.
        ended: the network of the checkpoint at which the run, a trial, was ended early.
        seconds: spent on testing.
    """

    def __init__(self, job: Job, augmenter: Augmenter) -> None:
        self._images = {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in job.tests.items()}
        self._with = (augmenter, job.test, job.train.precision)
        self._probe = job.probe
        self._logits: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self._images}
        self.scores = Scores(job, augmenter)
        self.steps: list[int] = []
        self.ended: Network | None = None
        self.seconds = 0.0

    def __call__(self, net: Network, step: int) -> None:
        """Take the network as it is after `step` steps; raise EndTrial if the run is to end here."""
        started = time.perf_counter()
        for name, images in self._images.items():
            self._logits[name].append(logits(net, images, *self._with))
        self.steps.append(step)
        self.seconds += time.perf_counter() - started
        self.scores.take(net)
        if self.scores.behind(self._probe):
            self.ended = net
            raise EndTrial

    def predictions(self) -> dict[str, NDArray[np.float32]]:
        """Return the logits of every checkpoint: dataset -> (checkpoints, N, K) float32."""
        return {name: np.stack(found) for name, found in self._logits.items()}


def _tensor(path: str, device: torch.device) -> torch.Tensor:
    try:
        # Copy-on-write: torch wants writable memory, and the pages stay shared until somebody writes.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError as e:
        if e.errno != errno.ENOMEM:
            raise
        # Such a mapping counts as memory of the process, all of it, before anybody writes: under a limit, or where the system
        # promises no more than it has, that refuses a set larger than memory. A read-only mapping never counts. A method
        # that writes into its images, against its contract, ends its process here instead of changing its own copy.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)


def _source(grant: SourceGrant, classes: tuple[str, ...], device: torch.device) -> View:
    groups = _tensor(grant.groups, device) if grant.groups else None
    return View(grant.name, classes, _tensor(grant.images, device), _tensor(grant.labels, device), groups)


def _target(grant: TargetGrant, classes: tuple[str, ...], device: torch.device) -> Target:
    if grant.images is None:
        return Target(grant.name, classes)
    images = _tensor(grant.images, device)
    shots = None
    if grant.shots:
        at, labels = (torch.tensor(values, device=device) for values in (grant.shots.at, grant.shots.labels))
        # All of them are not copied: they may not fit into memory.
        shots = View(grant.name, classes, images if len(at) == len(images) else images[at], labels)
    return Target(grant.name, classes, View(grant.name, classes, images), shots)


def environment(device: torch.device, low: bool) -> dict[str, Any]:
    """Return what a result was computed with: versions, device by its class, precision."""
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
