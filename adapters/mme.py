"""Minimax entropy (Saito et al. 2019): few labelled and many unlabelled target images, and a classifier of prototypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class MME(Adapter):
    """Cross-entropy on source images and shots; the entropy of unlabelled target images is raised by the classifier and lowered
    by the encoder, with a gradient reversal layer between them.

    The classifier is W f / (|f| T), without bias. Labelled batches are half source and half shots.
    """

    name = "mme"
    title = "minimax entropy (semi-supervised)"
    access = "few-shot"
    family = "self-training"
    citation = """@inproceedings{saito2019semi,
  title = {Semi-Supervised Domain Adaptation via Minimax Entropy},
  author = {Saito, Kuniaki and Kim, Donghyun and Sclaroff, Stan and Darrell, Trevor and Saenko, Kate},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  pages = {8050--8058},
  year = {2019}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of mme."""

        weight: float = setting(0.1, "weight of the entropy (lambda)", low=0, search=5, origin="the authors' code: lambda = 0.1")
        temperature: float = setting(0.05, "temperature of the classifier (T)", above=0, origin="the authors' code: T = 0.05")
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def network(self, net: Network) -> Network:
        """Replace the classifier by one of normalised features."""
        net.head = _prototypes(net.head.in_features, net.head.out_features, self.options.temperature)
        return net

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled and unlabelled batches; needs `target.shots` and `target.unlabelled`."""
        from dabench.training.pytorch_adapt import pytorch_adapt_layers

        assert target.unlabelled is not None
        assert target.shots is not None
        reverse = pytorch_adapt_layers().GradientReversal().to(trainer.device)

        def loss(progress: float, source: Batch, shots: Batch, other: Batch) -> dict[str, Tensor]:
            classification = [trainer.cross_entropy(net(b.images), b.require_labels()) for b in (source, shots)]
            logits = net.classify(reverse(net.features(other.images)))
            # The classifier sees minus the entropy, the encoder through the reversal the entropy itself.
            certainty = (logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
            return {"classification": sum(classification) / 2, "entropy": self.options.weight * certainty}

        batch = trainer.settings.batch
        few, many = max(1, batch // 4), max(1, batch // 2)
        streams = (trainer.stream(sources, few), trainer.stream([target.shots], few), trainer.stream([target.unlabelled], many))
        return trainer.fit(net, loss, *streams, steps=self.length(trainer.adaptation_steps(sources)))


def _prototypes(features: int, classes: int, temperature: float) -> Any:
    """Return the classifier (B, features) -> (B, classes): normalised features times weights, over `temperature`."""
    from torch import nn
    from torch.nn import functional as F

    class Prototypes(nn.Linear):
        def forward(self, given: Tensor) -> Tensor:
            return F.linear(F.normalize(given.float()), self.weight) / temperature

    return Prototypes(features, classes, bias=False)
