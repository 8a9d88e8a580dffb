"""A control: train on half source, half target batches as dann and coral do, but without any loss on the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class JointBatchNorm(Adapter):
    """Classification loss on the source; the target's images only pass through the network beside it.

    This is dann with weight 0: the same mixed batches, so that batch norm uses statistics of both datasets, and the same number
    of further steps on the source. What dann or coral gains over this control is due to its domain loss.
    """

    name = "joint-bn"
    title = "control: shared batch statistics, no domain loss"
    access = "unlabelled"
    family = "control"

    @dataclass(frozen=True)
    class Options:
        """Options of joint-bn."""

        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source batches with target batches beside them; needs `target.unlabelled`."""
        import torch

        assert target.unlabelled is not None

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            logits = net(torch.cat([source.images, other.images]))
            return trainer.cross_entropy(logits[: len(source.images)], source.require_labels())

        half = max(1, trainer.settings.batch // 2)
        steps = self.length(trainer.adaptation_steps(sources))
        return trainer.fit(net, loss, trainer.stream(sources, half), trainer.stream([target.unlabelled], half), steps=steps)
