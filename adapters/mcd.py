"""Maximum classifier discrepancy (Saito et al. 2018): two classifiers that must agree on the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class MCD(Adapter):
    """Two classifiers on one encoder, trained in the three steps of the paper.

    A: encoder and classifiers learn the labelled source. B: with the encoder fixed, the classifiers move apart on the target and
    keep the source. C: with the classifiers fixed, the encoder brings them together again, several times. The discrepancy is the
    mean absolute difference of their probabilities.

    The network keeps both classifiers; its logits are the mean of theirs. A, B and C together count as one optimiser step.
    Batches are half source and half target.
    """

    name = "mcd"
    title = "maximum classifier discrepancy"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{saito2018maximum,
  title = {Maximum Classifier Discrepancy for Unsupervised Domain Adaptation},
  author = {Saito, Kuniaki and Watanabe, Kohei and Ushiku, Yoshitaka and Harada, Tatsuya},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages = {3723--3732},
  year = {2018}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of mcd."""

        encoder_steps: int = setting(4, "repetitions of step C", low=1, origin="the authors' code: n = 4")
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def network(self, net: Network) -> Network:
        """Put two classifiers in the place of one."""
        net.head = mean_of_heads(net.head.in_features, net.head.out_features, 2)
        return net

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Train both classifiers on the sources."""

        def loss(progress: float, batch: Batch) -> Tensor:
            return self.classified(net, batch, trainer)

        return trainer.fit(net, loss, trainer.stream(sources), steps=trainer.steps(sources))

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches; needs `target.unlabelled`."""
        assert target.unlabelled is not None
        of_encoder, of_heads = trainer.optimizer(net.encoder), trainer.optimizer(net.head)

        def step(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            classification = self.classified(net, source, trainer)
            trainer.minimise(classification, of_encoder, of_heads)
            apart = self.classified(net, source, trainer) - discrepancy(net, other.images)
            trainer.minimise(apart, of_heads)
            for _ in range(self.options.encoder_steps):
                together = discrepancy(net, other.images)
                trainer.minimise(together, of_encoder)
            return {"classification": classification, "discrepancy": together}

        half = max(1, trainer.settings.batch // 2)
        steps = self.length(trainer.adaptation_steps(sources))
        return trainer.run(net, step, trainer.stream(sources, half), trainer.stream([target.unlabelled], half), steps=steps)

    def classified(self, net: Network, batch: Batch, trainer: Trainer) -> Tensor:
        """Return the sum of the cross-entropies of both classifiers."""
        features, labels = net.features(batch.images), batch.require_labels()
        return sum(trainer.cross_entropy(head(features).float(), labels) for head in net.head.heads)  # type: ignore[return-value]


def discrepancy(net: Network, images: Tensor) -> Tensor:
    """Return the mean absolute difference of the probabilities of two classifiers, a scalar."""
    features = net.features(images)
    first, second = (head(features).float().softmax(1) for head in net.head.heads)
    distance: Tensor = (first - second).abs().mean()
    return distance


def mean_of_heads(features: int, classes: int, count: int) -> Any:
    """Return a module with `count` linear classifiers in `heads`, (B, features) -> (B, classes): the mean of their logits."""
    import torch
    from torch import nn

    class MeanOfHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.in_features, self.out_features = features, classes
            self.heads = nn.ModuleList([nn.Linear(features, classes) for _ in range(count)])

        def forward(self, given: Tensor) -> Tensor:
            return torch.stack([head(given) for head in self.heads]).mean(0)

    return MeanOfHeads()
