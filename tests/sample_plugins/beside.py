"""Adapters whose networks look at the other test images of a batch, which no access grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Network, Target, Trainer, View

if TYPE_CHECKING:
    from torch import nn


def norms(net: Network) -> list[nn.Module]:
    """Return the batch norms of a network."""
    from torch import nn

    return [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]


class TestNorm(Adapter):
    """Drops the running statistics, so that each test batch is normalised by its own."""

    name = "test-norm"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Drop them."""
        for norm in norms(net):
            norm.running_mean = norm.running_var = None
            norm.track_running_stats = False
        return net


class TestNormAtCheckpoints(Adapter):
    """Does so during its training, and hides it at the end."""

    name = "test-norm-at-checkpoints"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Drop them, train, and put them back."""
        kept: list[tuple[Any, Any, Any]] = [(n, n.running_mean, n.running_var) for n in norms(net)]
        for norm, _, _ in kept:
            norm.running_mean = norm.running_var = None
        trainer.fit(net, lambda progress: net.head.bias.square().sum(), steps=trainer.steps(sources))
        for norm, mean, variance in kept:
            norm.running_mean, norm.running_var = mean, variance
        return net
