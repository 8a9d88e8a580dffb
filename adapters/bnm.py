"""Batch nuclear-norm maximisation (Cui et al. 2020): predictions on a target batch that are certain and of many classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class BNM(Adapter):
    """Classification loss on the source minus the nuclear norm of the target batch's predictions over B.

    The nuclear norm is the sum of the singular values of the (B, K) matrix of probabilities. It grows as predictions become
    certain and as more classes are predicted.

    Differences to the paper: training starts from the network that was trained on the sources, with the schedule of [train].
    Source and target are halves of one batch and share the statistics of batch norms. The authors' code divides by the number
    of singular values, the smaller one of B and K.
    """

    name = "bnm"
    title = "batch nuclear-norm maximisation"
    access = "unlabelled"
    family = "self-training"
    citation = """@inproceedings{cui2020towards,
  title = {Towards Discriminability and Diversity: Batch Nuclear-Norm Maximization Under Label Insufficient Situations},
  author = {Cui, Shuhao and Wang, Shuhui and Zhuo, Junbao and Li, Liang and Huang, Qingming and Tian, Qi},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year = {2020}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of bnm."""

        weight: float = setting(
            1.0, "weight of the nuclear norm (lambda)", low=0, search=10,
            origin="not searched: the same weight as the classification loss",
        )  # fmt: skip
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches, half and half; needs `target.unlabelled`."""
        import torch

        from dabench.training.pytorch_adapt import pytorch_adapt_layers

        assert target.unlabelled is not None
        minus_norm = pytorch_adapt_layers().BNMLoss()

        def loss(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            ours, theirs = net(torch.cat([source.images, other.images])).tensor_split([len(source.images)])
            return {
                "classification": trainer.cross_entropy(ours, source.require_labels()),
                "nuclear norm": self.options.weight * minus_norm(theirs),
            }

        half = max(1, trainer.settings.batch // 2)
        steps = self.length(trainer.adaptation_steps(sources))
        return trainer.fit(net, loss, trainer.stream(sources, half), trainer.stream([target.unlabelled], half), steps=steps)
