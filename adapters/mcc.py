"""Minimum class confusion (Jin et al. 2020): target predictions that mix no two classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class MCC(Adapter):
    """Classification loss on the source plus the class confusion of the predictions on a target batch.

    Predictions are softened by a temperature (probability rescaling) and weighted by their certainty (uncertainty reweighting).
    Their class correlation, divided by the sum of each class (category normalisation), has the confusion off its diagonal. As
    in the authors' code, no gradient passes through the weights.

    Differences to the paper: the training starts from a network that has learned the source, and batch norm sees both domains
    together. The optimizer and the schedule are those of [train] for all layers.
    """

    name = "mcc"
    title = "minimum class confusion"
    access = "unlabelled"
    family = "self-training"
    citation = """@inproceedings{jin2020minimum,
  title = {Minimum Class Confusion for Versatile Domain Adaptation},
  author = {Jin, Ying and Wang, Ximei and Long, Mingsheng and Wang, Jianmin},
  booktitle = {Computer Vision -- ECCV 2020},
  pages = {464--480},
  year = {2020}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of mcc."""

        weight: float = setting(
            1.0, "weight of the class confusion in the loss", low=0, search=10,
            origin="the authors' code: both losses weigh the same",
        )  # fmt: skip
        temperature: float = setting(
            2.5, "temperature of target predictions (T)", above=0, search=3, origin="the authors' code: 2.5"
        )
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches; needs `target.unlabelled`."""
        import torch

        assert target.unlabelled is not None

        def loss(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            n = len(source.images)
            logits = net(torch.cat([source.images, other.images]))
            return {
                "classification": trainer.cross_entropy(logits[:n], source.require_labels()),
                "confusion": self.options.weight * class_confusion(logits[n:], self.options.temperature),
            }

        half = max(1, trainer.settings.batch // 2)
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        return trainer.fit(net, loss, *streams, steps=self.length(trainer.adaptation_steps(sources)))


def class_confusion(logits: Tensor, temperature: float) -> Tensor:
    """Return the mean share of each class that other classes have in its correlation, a scalar, of logits (B, K)."""
    import torch

    with torch.autocast(logits.device.type, enabled=False):
        softened = logits.float() / temperature
        p = softened.softmax(1)
        certainty = 1 + torch.exp((p * softened.log_softmax(1)).sum(1).detach())  # 1 + exp(-H)
        correlation = p.T @ (p * (len(p) * certainty / certainty.sum())[:, None])
        # A class without any probability, after rounding, is confused with none.
        shares = correlation / correlation.sum(1, keepdim=True).clamp_min(1e-30)
        return (shares.sum() - shares.trace()) / len(shares)
