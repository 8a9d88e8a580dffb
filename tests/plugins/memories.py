"""Adapters whose losses remember: what a run must keep to go on from the middle of a training. None of them knows of that."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Batch, Network, Target, Trainer, View

if TYPE_CHECKING:
    from torch import Tensor


class Teacher(Adapter):
    """A mean teacher, a memory of features that grows, a counter, and random numbers of three libraries."""

    name = "teacher"
    access = "unlabelled"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train towards the teacher, with noise."""
        import numpy as np
        import torch

        assert target.unlabelled is not None
        teacher = copy.deepcopy(net)
        memory: deque[Tensor] = deque(maxlen=3)
        centre = torch.zeros(4)
        calls, rng, seen = 0, np.random.default_rng(3), {"losses": [0.0]}

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            nonlocal calls, centre
            calls += 1
            with torch.no_grad():
                for ours, theirs in zip(teacher.parameters(), net.parameters(), strict=True):
                    ours.lerp_(theirs, 0.1)
                told = teacher(other.images)
                centre = 0.9 * centre + 0.1 * told.mean(0)
            memory.append(told.mean(0))
            noise = float(rng.normal()) + random.random() + float(np.random.rand()) + float(torch.rand(1))
            apart = (net(other.images) - told + centre + torch.stack(list(memory)).mean(0)).square().mean()
            value = trainer.cross_entropy(net(source.images), source.require_labels()) + apart * (
                0.1 + 0.01 * noise + 0.001 * calls
            )
            seen["losses"].append(float(value.detach()))
            return value * (1 + 0.01 * seen["losses"][-2])

        random.seed(1)
        np.random.seed(1)
        return trainer.fit(net, loss, trainer.stream(sources), trainer.stream([target.unlabelled]), steps=trainer.steps(sources))


class Twice(Adapter):
    """Trains the head, looks at the statistics, and trains the whole network; its state is its own attribute."""

    name = "twice"
    access = "few-shot"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train twice."""
        import torch

        assert target.shots is not None
        self.seen: list[Any] = []
        trainer.supervised(net, sources, trainable=[net.head])
        pull = net.head.weight.detach().clone() + torch.rand(1)

        def loss(progress: float, batch: Batch) -> Tensor:
            self.seen.append(progress)
            return (
                trainer.cross_entropy(net(batch.images), batch.require_labels())
                + len(self.seen) * (net.head.weight - pull).square().sum()
            )

        return trainer.fit(net, loss, trainer.stream([target.shots]), steps=trainer.steps(sources))


class Redrawn(Adapter):
    """Draws its batches from a generator function of its own."""

    name = "redrawn"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on batches of batches."""

        def pairs() -> Iterator[tuple[Batch, float]]:
            stream, weight = trainer.stream(sources), 0.5
            while True:
                weight = 1.5 - weight
                yield next(stream), weight

        def loss(progress: float, drawn: tuple[Batch, float]) -> Tensor:
            batch, weight = drawn
            return weight * trainer.cross_entropy(net(batch.images), batch.require_labels())

        return trainer.fit(net, loss, pairs(), steps=trainer.steps(sources))


class Hidden(Adapter):
    """Draws from an iterator of Python's own inside its loss, where nobody can look: its runs begin anew."""

    name = "hidden"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train with weights from an iterator."""
        weights = iter([1.0, 0.5] * 1000)

        def loss(progress: float, batch: Batch) -> Tensor:
            return next(weights) * trainer.cross_entropy(net(batch.images), batch.require_labels())

        return trainer.fit(net, loss, trainer.stream(sources), steps=trainer.steps(sources))
