"""Adapters whose losses remember something: most name it, so that an interrupted run resumes; some forget to."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
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
        centre, rng = torch.zeros(len(net.head.bias)), np.random.default_rng(3)
        seen: dict[str, Any] = {"calls": 0, "losses": [0.0], "mean": np.zeros(2)}

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            seen["calls"] += 1
            with torch.no_grad():
                for ours, theirs in zip(teacher.parameters(), net.parameters(), strict=True):
                    ours.lerp_(theirs, 0.1)
                told = teacher(other.images)
                centre.mul_(0.9).add_(told.mean(0), alpha=0.1)
            memory.append(told.mean(0))
            noise = float(rng.normal()) + random.random() + float(np.random.rand()) + float(torch.rand(1)) + seen["mean"].sum()
            apart = (net(other.images) - told + centre + torch.stack(list(memory)).mean(0)).square().mean()
            weight = 0.1 + 0.01 * noise + 0.001 * seen["calls"]
            value = trainer.cross_entropy(net(source.images), source.require_labels()) + apart * weight
            seen["losses"].append(float(value.detach()))
            seen["mean"] = np.array(seen["losses"][-2:])
            return value * (1 + 0.01 * seen["losses"][-2])

        random.seed(1)
        np.random.seed(1)
        state = {"teacher": teacher, "memory": memory, "centre": centre, "rng": rng, "seen": seen}
        streams = trainer.stream(sources), trainer.stream([target.unlabelled])
        return trainer.fit(net, loss, *streams, steps=trainer.adaptation_steps(sources), state=state)


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

        state = {"seen": self.seen}
        return trainer.fit(net, loss, trainer.stream([target.shots]), steps=trainer.adaptation_steps(sources), state=state)


class Pairs(Iterator["tuple[Batch, float]"]):
    """A stream of its own: batches with weights that take turns."""

    def __init__(self, stream: Iterator[Batch]) -> None:
        self.stream, self.weight = stream, 0.5

    def __next__(self) -> tuple[Batch, float]:
        self.weight = 1.5 - self.weight
        return next(self.stream), self.weight

    def state_dict(self) -> dict[str, float]:
        """Return the last weight; the trainer keeps the state of the stream."""
        return {"weight": self.weight}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on after that weight."""
        self.weight = state["weight"]


class Redrawn(Adapter):
    """Draws its batches from a stream of its own."""

    name = "redrawn"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on batches with weights."""

        def loss(progress: float, drawn: tuple[Batch, float]) -> Tensor:
            batch, weight = drawn
            return weight * trainer.cross_entropy(net(batch.images), batch.require_labels())

        return trainer.fit(net, loss, Pairs(trainer.stream(sources)), steps=trainer.adaptation_steps(sources))


class Hidden(Adapter):
    """Draws from a generator function, whose state cannot be saved: its runs begin anew."""

    name = "hidden"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on batches from a generator function."""

        def halves() -> Iterator[float]:
            weight = 0.5
            while True:
                weight = 1.5 - weight
                yield weight

        def loss(progress: float, batch: Batch, weight: float) -> Tensor:
            return weight * trainer.cross_entropy(net(batch.images), batch.require_labels())

        return trainer.fit(net, loss, trainer.stream(sources), halves(), steps=trainer.adaptation_steps(sources))


class Forgetful(Adapter):
    """Keeps a memory of features in its loss, and names it only where its subclass says so."""

    name = "forgetful"
    access = "unlabelled"
    names_it = False

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Pull the logits of the target to the mean of those before."""
        import torch

        assert target.unlabelled is not None
        memory: list[Tensor] = []

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            told = net(other.images)
            memory.append(told.detach().mean(0))
            apart = (told - torch.stack(memory).mean(0)).square().mean()
            return trainer.cross_entropy(net(source.images), source.require_labels()) + apart

        streams = trainer.stream(sources), trainer.stream([target.unlabelled])
        state = {"memory": memory} if self.names_it else {}
        return trainer.fit(net, loss, *streams, steps=trainer.adaptation_steps(sources), state=state)


class Mindful(Forgetful):
    """Names the memory."""

    name = "mindful"
    names_it = True


class ForgetfulBefore(Adapter):
    """Counts the steps of its own pretraining, and does not name the counter."""

    name = "forgetful-before"

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Train with weights that fall."""
        calls = 0

        def loss(progress: float, batch: Batch) -> Tensor:
            nonlocal calls
            calls += 1
            return trainer.cross_entropy(net(batch.images), batch.require_labels()) / calls

        return trainer.fit(net, loss, trainer.stream(sources), steps=trainer.adaptation_steps(sources))


class Late(Adapter):
    """Makes a random generator inside its loss, where a resumed run would make another one."""

    name = "late"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train with noise."""
        import torch

        def loss(progress: float, batch: Batch) -> Tensor:
            noise = torch.rand(1, generator=trainer.generator())
            return trainer.cross_entropy(net(batch.images), batch.require_labels()) * (1 + noise.squeeze())

        return trainer.fit(net, loss, trainer.stream(sources), steps=trainer.adaptation_steps(sources))
