"""Pseudo-labels (Lee 2013): the target's own most probable classes as its labels, where the network is confident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class PseudoLabel(Adapter):
    """Cross-entropy on the source plus alpha(t) times the cross-entropy of target images with their pseudo-labels.

    The pseudo-label of an image is its most probable class, computed again in each step. The weight alpha rises linearly from 0
    to its final value.

    Differences to the paper: only images with a probability of at least `threshold` count; 0 is the paper's loss. Training
    starts from the network that was trained on the sources, so alpha rises from the first step, with the schedule of [train].
    Source and target are halves of one batch and share the statistics of batch norms. There is no denoising auto-encoder.
    """

    name = "pseudo-label"
    title = "pseudo-labels above a threshold"
    access = "unlabelled"
    family = "self-training"
    citation = """@inproceedings{lee2013pseudo,
  title = {Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks},
  author = {Lee, Dong-Hyun},
  booktitle = {ICML Workshop on Challenges in Representation Learning},
  year = {2013}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of pseudo-label."""

        weight: float = setting(
            1.0, "final weight of the loss of pseudo-labels (alpha_f)", low=0, search=5,
            origin="not searched: the same weight as the source",
        )  # fmt: skip
        threshold: float = setting(
            0.95, "probability from which a pseudo-label counts", low=0, high=1, origin="the paper of fixmatch: 0.95"
        )
        rise: float = setting(
            0.5, "part of the training in which the weight rises from 0", low=0, high=1,
            origin="not searched: half of the training",
        )  # fmt: skip
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches, half and half; needs `target.unlabelled`."""
        import torch

        assert target.unlabelled is not None

        def loss(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            ours, theirs = net(torch.cat([source.images, other.images])).tensor_split([len(source.images)])
            alpha = self.options.weight * (min(1, progress / self.options.rise) if self.options.rise else 1)
            return {
                "classification": trainer.cross_entropy(ours, source.require_labels()),
                "pseudo-labels": alpha * confident_cross_entropy(theirs, theirs, self.options.threshold),
            }

        half = max(1, trainer.settings.batch // 2)
        steps = self.length(trainer.adaptation_steps(sources))
        return trainer.fit(net, loss, trainer.stream(sources, half), trainer.stream([target.unlabelled], half), steps=steps)


def confident_cross_entropy(logits: Tensor, teacher: Tensor, threshold: float) -> Tensor:
    """Return the cross-entropy of logits (B, K) with the most probable classes of the logits `teacher` (B, K), a scalar.

    Images whose class has a probability below `threshold` count as 0 in the mean. No gradient goes through `teacher`.
    """
    from torch.nn import functional as F

    probability, labels = teacher.detach().softmax(1).max(1)
    return (F.cross_entropy(logits, labels, reduction="none") * (probability >= threshold)).mean()
