"""One run, from its job to its finished folder. The same function whatever engine calls it, in whatever process."""

from __future__ import annotations

import errno
import gc
import math
import platform
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.data.augment import Augmenter
from dabench.data.view import Target, View
from dabench.device import choose_device, low_precision, reproducible
from dabench.errors import DabenchError, DivergedError
from dabench.evaluate import logits
from dabench.network import Network, build_network, load_network, save_network
from dabench.partial import Partial
from dabench.places import cores
from dabench.plan import SUPERVISED
from dabench.protocols import Adapter, Augment
from dabench.references import Opaque
from dabench.registry import Registry
from dabench.scoring import Scores
from dabench.settings import Test, Train
from dabench.store import Store
from dabench.train import Trainer
from dabench.typed import build


def execute(
    job: Mapping[str, Any],
    store: Store,
    registry: Registry,
    save_every: float = math.inf,
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Do the run that `job` describes (Plan.job), from where an earlier try of it stood, and store it.

    Args:
        save_every: seconds after which it keeps, at its next checkpoint, what it needs to go on from there.
        say: takes a line now and then, of how far it is.

    Raises:
        DabenchError: it cannot be done, or diverged; nothing of it is stored.
        Stopped: it was told to stop, and did so at a checkpoint.
    """
    key = {"digest": job["digest"], "torch": str(torch.__version__), "dabench": version("dabench")}
    ongoing = store.ongoing
    device = choose_device(build(Train, job["train"]).device)
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
    partial = Partial(ongoing.partial(job["name"], job["digest"]), key | {"device": kind}, save_every, lambda: ongoing.stopping)
    try:
        _execute(job, store, registry, partial, say)
    except Opaque:  # what was kept does not fit, though it says that it is of this run
        partial.clear()
        _execute(job, store, registry, partial, say)
    partial.clear()


def _execute(job: Mapping[str, Any], store: Store, registry: Registry, partial: Partial, say: Callable[[str], object]) -> None:
    gc.collect()  # what an earlier run of this process left in reference cycles, labels among it, is gone before this one
    started = time.perf_counter()
    train, test = build(Train, job["train"]), build(Test, job["test"])
    device = choose_device(train.device)
    with reproducible(train.threads, job["seed"]):
        augmenter = Augmenter(build(Augment, job["augment"]), job["size"], job["size"], device)
        predictions = _Predictions(job, augmenter, test, train.precision)
        scores = Scores(job, augmenter, test, train.precision)

        def checkpoint(net: Network, step: int) -> None:
            predictions.take(net, step)
            scores.take(net)
            if scores.behind(job["probe"]):
                raise _Ended(net)

        trainer = Trainer(train, augmenter, device, job["seed"], checkpoint, partial, say)
        backbone = registry.make("backbone", *job["backbone"])
        net = build_network(
            backbone,
            job["channels"],
            augmenter.size[0],
            len(job["classes"]),
            job["pretrained"] and job["parent"] is None,
        ).to(device)
        ended = False
        try:
            net = _train(job, net, trainer, store, registry)
            checkpoint(net, trainer.trace.steps)
        except _Ended as e:
            net, ended = e.net.to(device).eval(), True
        except DivergedError as e:
            what = "adapting" if job["target"] else "training"
            raise DivergedError(f"{job['name']}: while {what}, {e}") from None
    facts = {
        "name": job["name"],
        "method": job["method"],
        "sources": [s["name"] for s in job["sources"]],
        "target": job["target"] and job["target"]["name"],
        "labels": job["labels"],
        "seed": job["seed"],
        "digest": job["digest"],
        "parent": job["parent"],
        "tests": job["test_digests"],
        "classes": job["classes"],
        "steps": predictions.steps[-1],
        **({"stopped": True} if ended else {}),
        "checkpoints": predictions.steps,
        "scores": scores.found,
        "losses": trainer.trace.losses,
        "seconds": {
            "train": round(trainer.trace.train_seconds, 3),
            "test": round(predictions.seconds, 3),
            "score": round(scores.seconds, 3),
            "total": round(time.perf_counter() - started, 3),
        },
        "environment": environment(device, low_precision(train.precision, device)),
    }
    store.add(job["name"], job["digest"], facts, predictions.arrays(), lambda path: save_network(net, path))


def _train(job: Mapping[str, Any], net: Network, trainer: Trainer, store: Store, registry: Registry) -> Network:
    sources = [_source(s, job["classes"], trainer.device) for s in job["sources"]]
    adapter = Adapter() if job["method"] == SUPERVISED else registry.make("adapter", job["method"], job["options"])
    if job["parent"] is None:
        result = adapter.pretrain(net, sources, trainer)
    else:
        load_network(net, store.network(job["parent"]))
        result = adapter.adapt(net, sources, _target(job["target"], job["classes"], trainer.device), trainer)
    if not isinstance(result, Network):
        raise DabenchError(
            f"adapter '{job['method']}' returned {type(result).__name__}; pretrain() and adapt() must return a Network"
        )
    return result.to(trainer.device).eval()


class _Ended(Exception):
    """A trial is behind the others; `net` is its network as far as it came."""

    def __init__(self, net: Network) -> None:
        super().__init__("ended early")
        self.net = net


class _Predictions:
    """The logits of every checkpoint on every test split of the job."""

    def __init__(self, job: Mapping[str, Any], augmenter: Augmenter, test: Test, precision: str) -> None:
        self.images = {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in job["tests"].items()}
        self.augmenter, self.test, self.precision = augmenter, test, precision
        self.found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self.images}
        self.steps: list[int] = []
        self.seconds = 0.0

    def take(self, net: Network, step: int) -> None:
        started = time.perf_counter()
        for name, images in self.images.items():
            self.found[name].append(logits(net, images, self.augmenter, self.test, self.precision))
        self.steps.append(step)
        self.seconds += time.perf_counter() - started

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return dataset -> (checkpoints, N, K) float32."""
        return {name: np.stack(found) for name, found in self.found.items()}


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


def _source(grant: Mapping[str, Any], classes: list[str], device: torch.device) -> View:
    groups = _tensor(grant["groups"], device) if "groups" in grant else None
    images, labels = _tensor(grant["images"], device), _tensor(grant["labels"], device)
    return View(grant["name"], tuple(classes), images, labels, groups)


def _target(grant: Mapping[str, Any], classes: list[str], device: torch.device) -> Target:
    name, names = grant["name"], tuple(classes)
    if "images" not in grant:
        return Target(name, names)
    images = _tensor(grant["images"], device)
    shots = None
    if "shots" in grant:
        at, labels = (torch.tensor(grant["shots"][key], device=device) for key in ("at", "labels"))
        # All of them are not copied: they may not fit into memory.
        shots = View(name, names, images if len(at) == len(images) else images[at], labels)
    return Target(name, names, View(name, names, images), shots)


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
