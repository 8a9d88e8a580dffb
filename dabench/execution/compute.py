"""Compute one run: train or adapt its network, and test and score it at each checkpoint. Stores nothing."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.data.augment import Augmenter
from dabench.data.file_rows import open_images
from dabench.errors import DabenchError, DivergedError
from dabench.execution.checkpoint_thread import Checkpoints, in_own_thread
from dabench.execution.placement import ImagePlacement
from dabench.execution.scores import CheckpointScorer
from dabench.plugins.contract import SOURCE_ONLY, SUPERVISED, Adapter, Target, View
from dabench.training.correction import CorrectedCheckpoints
from dabench.training.device import reproducible
from dabench.training.evaluate import logits
from dabench.training.loss_log import TrainingTrace
from dabench.training.network import TorchNetwork, adapter_network, build_network, load_network, moved
from dabench.training.test_stream import StreamPredictor
from dabench.training.trainer import RunTrainer

if TYPE_CHECKING:
    from dabench.experiment.access import SourceGrant, TargetGrant
    from dabench.experiment.job import Job
    from dabench.plugins.registry import Registry
    from dabench.training.resume import RunState


def compute(
    job: Job,
    device: torch.device,
    registry: Registry,
    network: Callable[[str], Path],
    partial: RunState | None = None,
    notify: Callable[[str], object] = lambda line: None,
) -> tuple[TorchNetwork, RunCheckpoints, TrainingTrace]:
    """Do the run of `job` and return its network, the results of its checkpoints, and the trace of its training.

    Args:
        network: returns the file of the network of a finished run, by its digest.
        partial: saved state from which the run continues, and in which it saves its state.

    Raises:
        DabenchError: the run failed or diverged.
        RunStopped: the run was stopped on request, at a checkpoint.
    """
    augmenter = Augmenter(job.augment, job.size, job.size, device)
    make = functools.partial(_adapter, job, registry)
    adapter, stream = make(), None
    if job.target is not None and adapter.access == "test":
        stream = StreamPredictor(make, augmenter, job.test, job.train.precision, job.seed)
    checkpoints, placement = RunCheckpoints(job, augmenter, stream), ImagePlacement(device, notify, job.train.threads)
    alike = reproducible(job.train.threads, job.seed, device, job.train.deterministic)
    with alike, placement.explained(), in_own_thread(checkpoints, job.train.threads) as tests:
        sources = [_source(grant, job.classes, placement) for grant in job.sources]
        target = _target(job.target, job.classes, placement) if job.target else None
        corrected = _corrected(job, adapter, sources, target, augmenter, tests)
        trainer = RunTrainer(job.train, augmenter, device, job.seed, corrected or tests, partial, notify)
        backbone = registry.make("backbone", job.backbone, job.backbone_options)
        pretrained = job.pretrained and job.parent is None
        fresh = build_network(backbone, job.channels, augmenter.size[0], len(job.classes), pretrained, job.network)
        try:
            net = _trained(job, adapter, moved(adapter_network(adapter, fresh), device), sources, target, trainer, network)
            if corrected:
                corrected.correct(net)  # stays in the stored network
            tests(net, trainer.trace.steps)
        except EndTrial:
            assert checkpoints.ended is not None
            net = checkpoints.ended.to(device).eval()
        except DivergedError as e:
            what = "adapting" if job.target else "training"
            raise DivergedError(f"{job.name}: while {what}, {e}") from None
    return net, checkpoints, trainer.trace


def _adapter(job: Job, registry: Registry) -> Adapter:
    """Return a new instance of the adapter of `job`; the default one for training on sources alone."""
    shared = job.method in (SUPERVISED, SOURCE_ONLY)
    adapter: Adapter = Adapter() if shared else registry.make("adapter", job.adapter, job.options)
    adapter.source_count = len(job.source_names)
    if job.correction:
        adapter.correction = registry.make("adapter", job.correction, job.correction_options)
    return adapter


def _corrected(
    job: Job, adapter: Adapter, sources: Sequence[View], target: Target | None, augmenter: Augmenter, tests: Checkpoints
) -> CorrectedCheckpoints | None:
    """Return the checkpoints that correct the network before `tests`; None without a correction."""
    if adapter.correction is None or target is None or target.unlabelled is None:
        return None
    predict = functools.partial(logits, augmenter=augmenter, test=job.test, precision=job.train.precision)
    proportional = job.train.source_batches == "proportional"
    return CorrectedCheckpoints(tests, adapter.correction, sources, target.unlabelled, predict, proportional)


def _trained(
    job: Job,
    adapter: Adapter,
    net: TorchNetwork,
    sources: Sequence[View],
    target: Target | None,
    trainer: RunTrainer,
    network: Callable[[str], Path],
) -> TorchNetwork:
    """Return `net` after pretraining; or, with the weights of its pretraining, after adaptation or longer training on sources."""
    if job.parent is not None:
        load_network(net, network(job.parent))
    if job.length is not None:
        result = trainer.supervised(net, sources, steps=job.length)
    elif target is None:
        result = adapter.pretrain(net, sources, trainer)
    else:
        result = adapter.adapt(net, sources, target, trainer)
    if not isinstance(result, TorchNetwork):
        raise DabenchError(
            f"adapter '{job.method}' returned {type(result).__name__}; pretrain() and adapt() must return a Network"
        )
    return result.to(trainer.device).eval()


class EndTrial(BaseException):
    """Ends a trial whose scores are too low. Raised at a checkpoint, inside the code of the adapter.

    Not an Exception, so that an adapter that catches all exceptions does not continue.
    """


class RunCheckpoints:
    """Test and score the network at each checkpoint of a run.

    Attributes:
        steps: number of steps at each checkpoint.
        scores: scores of each checkpoint, computed without target labels.
        ended: network of the checkpoint at which a trial was ended early.
        seconds: time spent on testing.
    """

    def __init__(self, job: Job, augmenter: Augmenter, stream: StreamPredictor | None = None) -> None:
        self._images = {name: open_images(path, threads=job.train.threads) for name, path in job.tests.items()}
        self._predict = (
            stream.logits
            if stream
            else functools.partial(logits, augmenter=augmenter, test=job.test, precision=job.train.precision)
        )
        self._probe = job.probe
        self._logits: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self._images}
        self.scores = CheckpointScorer(job, augmenter, stream)
        self.steps: list[int] = []
        self.ended: TorchNetwork | None = None
        self.seconds = 0.0

    def __call__(self, net: TorchNetwork, step: int) -> None:
        """Test and score the network after `step` steps; raise EndTrial if the trial is to end here."""
        started = time.perf_counter()
        for name, images in self._images.items():
            self._logits[name].append(self._predict(net, images))
        self.steps.append(step)
        self.seconds += time.perf_counter() - started
        self.scores.take(net)
        if self.scores.behind(self._probe):
            self.ended = net
            raise EndTrial

    def state_dict(self) -> dict[str, Any]:
        """Return the results so far."""
        return {"logits": self._logits, "steps": self.steps, "seconds": self.seconds, "scores": self.scores.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._logits, self.steps, self.seconds = state["logits"], state["steps"], state["seconds"]
        self.scores.load_state_dict(state["scores"])

    def predictions(self) -> dict[str, NDArray[np.float32]]:
        """Return the logits of every checkpoint: dataset -> (checkpoints, N, K) float32."""
        return {name: np.stack(found) for name, found in self._logits.items()}


def _tensor(path: str, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.load(path, allow_pickle=False)).to(device)


def _source(grant: SourceGrant, classes: tuple[str, ...], placement: ImagePlacement) -> View:
    device, placed = placement.device, placement.placed
    groups = _tensor(grant.groups, device) if grant.groups else None
    images = placed(grant.name, grant.images)
    held = View(grant.name, classes, placed(f"{grant.name}, validation", grant.val_images), _tensor(grant.val_labels, device))
    return View(grant.name, classes, images, _tensor(grant.labels, device), groups, held)


def _target(grant: TargetGrant, classes: tuple[str, ...], placement: ImagePlacement) -> Target:
    if grant.images is None:
        return Target(grant.name, classes)
    images = placement.placed(grant.name, grant.images)
    shots = None
    if grant.shots:
        at, labels = (torch.tensor(values, device=placement.device) for values in (grant.shots.at, grant.shots.labels))
        # If all images are shots, they are not copied: the copy may not fit into memory.
        few = images if len(at) == len(images) else placement.selected(f"{grant.name}, shots", images, grant.shots.at)
        shots = View(grant.name, classes, few, labels)
    return Target(grant.name, classes, View(grant.name, classes, images), shots)
