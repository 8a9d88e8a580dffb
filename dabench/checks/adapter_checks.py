"""The rules for adapters, checked in a tiny run on synthetic images on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import nn

from dabench.checks.backbone_checks import ALIKE, CLASSES, change_with_the_batch
from dabench.checks.resuming import resume_problem
from dabench.checks.rules import Doubtful, Rule, Skipped
from dabench.data.augment import Augmenter
from dabench.data.host_images import HostImages, HostImagesError
from dabench.plugins.contract import Adapter, Augment, ClassPredictions, Correction, Network, Target, View
from dabench.training.correction import ratios_problem
from dabench.training.device import reproducible
from dabench.training.network import TorchNetwork, adapter_network, misfit
from dabench.training.resume import RunState
from dabench.training.settings import EvalConfig, TrainConfig
from dabench.training.test_stream import StreamPredictor
from dabench.training.trainer import RunTrainer

_FEW = 3
"""Calls of trainer.fit in one adaptation that are no reason for a warning, such as one for the classifier and one for all."""

_SIDE, _CPU = 16, torch.device("cpu")


def adapter_rules(adapter: Adapter) -> list[Rule]:
    """Return the rules of one adapter."""
    of = _AdapterUnderCheck(adapter)
    return [
        Rule("a tiny run returns a network with finite logits", of.runs),
        Rule("several sources are accepted, one of them without groups", of.several),
        Rule("the logits of an image do not depend on the rest of the batch, at checkpoints and at the end", of.alone),
        Rule("the same seed gives exactly the same logits", of.seeded),
        Rule("the images of sources and target are not changed", of.untouched),
        Rule("images of a dataset that does not fit on the device are read in parts", of.large),
        Rule("every parameter of the network is trainable afterwards", of.trainable),
        Rule("adapt() can load the network that pretrain() returns", of.loads),
        Rule("an interrupted and resumed run gives exactly the same logits", of.resumes),
        Rule("adapt() takes no more optimiser steps than length() says", of.counted),
        Rule("adapt() trains in one call of trainer.fit or run, or in few", of.at_once),
        Rule("predict() returns logits of each batch of a test stream, the same each time", of.predicts),
        Rule("pretrain(), adapt() or predict() is implemented", of.does),
        *([Rule("ratios() returns a ratio for each class", lambda: _ratios(adapter))] if isinstance(adapter, Correction) else []),
    ]


def _ratios(correction: Correction) -> str:
    """Return what is wrong with the ratios of a correction, on ordinary predictions and on some of one class alone."""
    random = np.random.default_rng(0)
    source = random.dirichlet(np.ones(4), 80)
    one_class = np.eye(4)[np.zeros(50, int)]
    for name, target in (("predictions", random.dirichlet(np.ones(4), 50)), ("predictions that are all of one class", one_class)):
        given = ClassPredictions(np.array([0.4, 0.3, 0.2, 0.1]), source, np.arange(80) % 4, target)
        if problem := ratios_problem(correction.ratios(given), 4):
            return f"on {name}, {problem}"
    return ""


class _Encoder(nn.Module):
    """A small encoder for checking adapters: convolution, batch norm, pooling; (B, C, H, W) -> (B, 8)."""

    num_features = 8

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
            nn.Flatten(), nn.Linear(32, 8), nn.ReLU(),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.body(images)
        return features


def _view(name: str, seed: int, groups: bool = False) -> View:
    """Return 60 noisy images (60, 1, 16, 16) of three classes; each class has a bright stripe at its own height."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(60) % 3
    images = torch.randint(0, 120, (60, 1, _SIDE, _SIDE), generator=random)
    for k in range(3):
        images[labels == k, :, 5 * k : 5 * k + 5] += 100
    return View(name, CLASSES, images.to(torch.uint8), labels, torch.arange(60) // 3 % 4 if groups else None)


def _outside(view: View) -> View:
    """Return a view whose images do not lie on the device."""
    return replace(view, images=cast(torch.Tensor, HostImages(view.images.numpy(), _CPU, view.name)))


def _beside(change: float) -> str:
    return (
        f"the logits of an image change by {change:.2g} with the other images of the batch; test images may not be used, so keep "
        "the running statistics of batch norms, and let no layer compare images in evaluation mode"
    )


class _AdapterUnderCheck:
    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter

    def target(self) -> Target:
        """Return a target with exactly what its access grants."""
        full = _view("target", 9)
        assert full.labels is not None
        hidden = View(full.name, full.classes, full.images)
        few = View(full.name, full.classes, full.images[:15], full.labels[:15])
        return {
            "none": Target("target", CLASSES),
            "test": Target("target", CLASSES),
            "unlabelled": Target("target", CLASSES, hidden),
            "few-shot": Target("target", CLASSES, hidden, few),
            "full": Target("target", CLASSES, hidden, View(full.name, full.classes, full.images, full.labels)),
        }[self.adapter.access]

    def run(self, sources: Sequence[View], target: Target) -> Network:
        with reproducible(1, 0):
            net = self.adapter.pretrain(self.fresh(self.adapter, len(sources)), sources, self.trainer())
            return self.adapter.adapt(net, self.seen(sources), target, self.trainer())

    def seen(self, sources: Sequence[View]) -> Sequence[View]:
        """Return the sources that adapt() is given."""
        return sources if self.adapter.uses_sources else ()

    def fresh(self, adapter: Adapter, sources: int = 1) -> TorchNetwork:
        adapter.source_count = sources
        return adapter_network(adapter, TorchNetwork(_Encoder(1), _Encoder.num_features, len(CLASSES)))

    def trainer(
        self,
        steps: int = 3,
        checkpoints: int = 1,
        partial: RunState | None = None,
        checkpoint: Callable[[TorchNetwork, int], None] | None = None,
    ) -> RunTrainer:
        settings = TrainConfig(steps=steps, batch=24, precision="fp32", device="cpu", checkpoints=checkpoints, lr=0.01)
        return RunTrainer(settings, Augmenter(Augment(), _SIDE, _SIDE, _CPU), _CPU, 0, checkpoint, partial)

    @cached_property
    def logits(self) -> torch.Tensor:
        return self.said(self.run([_view("source", 1, groups=True)], self.target()))

    def said(self, net: Network) -> torch.Tensor:
        if not isinstance(net, TorchNetwork):
            raise TypeError(f"pretrain() and adapt() must return a Network, not {type(net).__name__}")
        with torch.no_grad():
            logits: torch.Tensor = net.eval()(_view("test", 5).images.float() / 255)
        return logits

    def runs(self) -> str:
        if self.logits.shape != (60, len(CLASSES)):
            return f"60 images of 3 classes give logits {tuple(self.logits.shape)}; do not change the network's head"
        return "" if bool(torch.isfinite(self.logits).all()) else "some logits are not finite after 3 steps; is the loss bounded?"

    def several(self) -> str:
        self.said(self.run([_view("one", 1, groups=True), _view("two", 2)], self.target()))
        return ""  # an exception says what it does not accept

    def alone(self) -> str:
        """Compare the logits of an image in a batch and by itself, at checkpoints of pretrain() and adapt() and after both."""
        images, sources = _view("test", 5).images.float() / 255, [_view("source", 1, groups=True)]
        changes: dict[str, float] = {}

        def look(where: str, net: Network) -> None:
            if isinstance(net, TorchNetwork):  # else the first rule says so
                changes[where] = max(changes.get(where, 0.0), change_with_the_batch(net.eval(), images))

        def trainer(where: str) -> RunTrainer:
            return self.trainer(4, 4, checkpoint=lambda net, step: look(f"at a checkpoint of {where}()", net))

        with reproducible(1, 0):
            net = self.adapter.pretrain(self.fresh(self.adapter), sources, trainer("pretrain"))
            look("after pretrain()", net)
            look("after adapt()", self.adapter.adapt(net, self.seen(sources), self.target(), trainer("adapt")))
        return next((f"{where}, {_beside(change)}" for where, change in changes.items() if not change < ALIKE), "")

    def seeded(self) -> str:
        again = self.said(self.run([_view("source", 1, groups=True)], self.target()))
        return "" if torch.equal(again, self.logits) else "two runs differ; draw all random numbers from trainer.generator()"

    def untouched(self) -> str:
        source, target = _view("source", 1, groups=True), self.target()
        self.run([source], target)
        for old, new in ((_view("source", 1, groups=True), source), (self.target().unlabelled, target.unlabelled)):
            if old is not None and new is not None and not torch.equal(old.images, new.images):
                return f"the images of {new.name} have changed; change a copy of them"
        return ""

    def large(self) -> str:
        """Compare with a run whose images lie outside the device. Small datasets do not need it, so it is a warning."""
        if self.seeded():
            raise Skipped("two runs differ in any case")
        given = self.target()
        unlabelled, shots = (view and _outside(view) for view in (given.unlabelled, given.shots))
        target = replace(given, unlabelled=unlabelled, shots=shots)
        try:
            said = self.said(self.run([_outside(_view("source", 1, groups=True))], target))
        except HostImagesError as e:
            raise Doubtful(str(e)) from None
        return (
            "" if torch.equal(said, self.logits) else "such images give other logits; read them with trainer.stream or view.rows"
        )

    def trainable(self) -> str:
        net = self.run([_view("source", 1, groups=True)], self.target())
        frozen = [n for n, p in net.named_parameters() if not p.requires_grad]
        return f"still frozen: {', '.join(frozen[:3])}; name the trained modules in trainer.fit(trainable=...)" if frozen else ""

    def loads(self) -> str:
        """Compare the network of pretrain() with the fresh network into which an adaptation, in another process, loads it."""
        if not self.adapter.adapts():
            return ""
        with reproducible(1, 0):
            net = self.adapter.pretrain(self.fresh(self.adapter), [_view("source", 1, groups=True)], self.trainer())
            return misfit(self.fresh(self.adapter), net.state_dict())

    def counted(self) -> str:
        """Compare the steps of adapt() with length(), for as many of which `none` trains on with the sources."""
        sources, target = [_view("source", 1, groups=True)], self.target()
        # Three steps make a full training, but an adaptation that is as long has at least five.
        settings = TrainConfig(epochs=1, batch=24, least_steps=5, precision="fp32", device="cpu", checkpoints=1, lr=0.01)
        trainer = RunTrainer(settings, Augmenter(Augment(), _SIDE, _SIDE, _CPU), _CPU, 0)
        with reproducible(1, 0):
            net = self.adapter.pretrain(self.fresh(self.adapter), sources, self.trainer())
            self.adapter.adapt(net, self.seen(sources), target, trainer)
        shots = len(target.shots) if target.shots else 0
        full = trainer.adaptation_steps(sources)  # the target has as many images as the source
        expected = self.adapter.length(full, shots, trainer.settings.batch)
        if trainer.trace.steps <= expected:
            return ""
        return (
            f"adapt() took {trainer.trace.steps} steps, length() says {expected}, so `none` would not train as long; in "
            "adapt(), use trainer.adaptation_steps(sources), or implement length()"
        )

    def resumes(self) -> str:
        """Interrupt and resume pretrain() and adapt(), each time with a new adapter, network and trainer, as in a new process."""
        sources = [_view("source", 1, groups=True)]

        def pretrain(partial: RunState | None) -> Network:
            adapter = copy.deepcopy(self.adapter)
            with reproducible(1, 0):
                return adapter.pretrain(self.fresh(adapter), sources, self.trainer(8, 4, partial))

        def adapt(partial: RunState | None) -> Network:
            adapter = copy.deepcopy(self.adapter)
            with reproducible(1, 0):
                net = self.fresh(adapter)
                net.load_state_dict(first)
                return adapter.adapt(net, self.seen(sources), self.target(), self.trainer(8, 4, partial))

        problem = resume_problem("pretrain", lambda partial: self.said(pretrain(partial)))
        if problem or not self.adapter.adapts():
            return problem
        if self.loads():
            raise Skipped("fix the failure of pretrain() above first")
        first = pretrain(None).state_dict()
        return resume_problem("adapt", lambda partial: self.said(adapt(partial)))

    def at_once(self) -> str:
        """Warn of an adaptation in many short trainings: each begins with no momentum and with the schedule's first rate."""
        sources, trainer = [_view("source", 1, groups=True)], self.trainer(12, 2)
        with reproducible(1, 0):
            net = self.adapter.pretrain(self.fresh(self.adapter), sources, self.trainer())
            self.adapter.adapt(net, self.seen(sources), self.target(), trainer)
        count = trainer.trace.trainings
        if count <= _FEW:
            return ""
        raise Doubtful(
            f"adapt() calls trainer.fit {count} times. Each call restarts momentum and the schedule of the learning rate, and "
            "has checkpoints of its own, so that the run has many times as many as [train] checkpoints says. For alternating "
            "updates or several optimizers, call trainer.run once, with optimizers of trainer.optimizer()"
        )

    def predicts(self) -> str:
        """Predict a test stream of two batches twice."""
        overrides = type(self.adapter).predict is not Adapter.predict
        if (self.adapter.access == "test") != overrides:
            given = f"access = '{self.adapter.access}'"
            return f"predict() is implemented, but {given}; set access = \"test\"" if overrides else (
                f"{given}, but predict() is not implemented; implement it, or set another access"
            )  # fmt: skip
        if not overrides:
            return ""
        net = self.run([_view("source", 1, groups=True)], self.target())
        assert isinstance(net, TorchNetwork)
        test, augmenter = EvalConfig(stream_batch=40), Augmenter(Augment(), _SIDE, _SIDE, _CPU)
        stream = StreamPredictor(lambda: copy.deepcopy(self.adapter), augmenter, test, "fp32", 0)
        one, other = (stream.logits(net, _view("test", 5).images.numpy()) for _ in range(2))
        return "" if np.array_equal(one, other) else "two streams differ; draw random numbers from torch's global generator"

    def does(self) -> str:
        if self.adapter.adapts() or not self.adapter.shares_pretraining() or self.adapter.access == "none":
            return ""
        return f"access = '{self.adapter.access}', but neither pretrain() nor adapt() is implemented; implement adapt()"
