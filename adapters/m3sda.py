"""Moment matching for several sources (Peng et al. 2019): a classifier for each source, and equal moments of all features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class M3SDA(Adapter):
    """Cross-entropy of each source's own classifier, plus the moment distance between all domains (Eq. 1 and 2).

    With `beta` (M3SDA-beta), each source has two classifiers, trained as in MCD (Eq. 3 and 4): they move apart on the target
    with the encoder fixed, and the encoder brings them together.

    The network predicts the logarithm of the mean of all classifiers' probabilities. The paper weights the classifiers by
    accuracies of single sources on the target, which need its labels; here all weigh the same, as in its M3SDA*.
    """

    name = "m3sda"
    title = "moment matching of several sources"
    access = "unlabelled"
    family = "several sources"
    citation = """@inproceedings{peng2019moment,
  title = {Moment Matching for Multi-Source Domain Adaptation},
  author = {Peng, Xingchao and Bai, Qinxun and Xia, Xide and Huang, Zijun and Saenko, Kate and Wang, Bo},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  pages = {1406--1415},
  year = {2019}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of m3sda."""

        beta: bool = setting(
            False, "two classifiers for each source, trained as in MCD (M3SDA-beta)", origin="the paper: both variants"
        )
        weight: float = setting(
            0.05, "weight of the moment distance (lambda)", low=0, search=10,
            origin="not searched: a tenth of the paper's 0.5",
        )  # fmt: skip
        encoder_steps: int = setting(4, "with beta: repetitions of the encoder's step", low=1, origin="the authors' code: 4")
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def network(self, net: Network) -> Network:
        """Give each source a classifier of its own, or two with `beta`."""
        count = self.source_count * (2 if self.options.beta else 1)
        net.head = _mixture(net.head.in_features, net.head.out_features, count)
        return net

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Train each source's classifiers on it."""

        def loss(progress: float, *batches: Batch) -> Tensor:
            return self.classified(net, [net.features(b.images) for b in batches], batches, trainer)

        return trainer.fit(net, loss, *self._streams(sources, trainer, len(sources)), steps=trainer.steps(sources))

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled batches of each source and unlabelled ones of the target; needs `target.unlabelled`."""
        assert target.unlabelled is not None
        of_encoder, of_heads = trainer.optimizer(net.encoder), trainer.optimizer(net.head)

        def step(progress: float, *batches: Batch) -> dict[str, Tensor]:
            *labelled, other = batches
            features = [net.features(b.images) for b in batches]
            losses = {
                "classification": self.classified(net, features[:-1], labelled, trainer),
                "moments": self.options.weight * moment_distance(features[:-1], features[-1]),
            }
            trainer.minimise(losses["classification"] + losses["moments"], of_encoder, of_heads)
            if self.options.beta:
                seen = [net.features(b.images) for b in labelled]
                apart = self.classified(net, seen, labelled, trainer) - self.disagreement(net, other.images)
                trainer.minimise(apart, of_heads)
                for _ in range(self.options.encoder_steps):
                    losses["discrepancy"] = self.disagreement(net, other.images)
                    trainer.minimise(losses["discrepancy"], of_encoder)
            return losses

        streams = self._streams([*sources, target.unlabelled], trainer, len(sources) + 1)
        return trainer.run(net, step, *streams, steps=self.length(trainer.adaptation_steps(sources)))

    def _streams(self, views: Sequence[View], trainer: Trainer, count: int) -> list[Any]:
        """Return one stream for each view, with equal parts of a batch."""
        return [trainer.stream([view], max(1, trainer.settings.batch // count)) for view in views]

    def classified(self, net: Network, features: Sequence[Tensor], batches: Sequence[Batch], trainer: Trainer) -> Tensor:
        """Return the cross-entropies of each source's classifiers on its features (B, F), summed."""
        each = len(net.head.heads) // self.source_count
        return sum(  # type: ignore[return-value]
            trainer.cross_entropy(head(f).float(), b.require_labels())
            for i, (f, b) in enumerate(zip(features, batches, strict=True))
            for head in net.head.heads[each * i : each * (i + 1)]
        )

    def disagreement(self, net: Network, images: Tensor) -> Tensor:
        """Return the mean absolute difference of the two classifiers of each source on target images, summed over sources."""
        features = net.features(images)
        p = [head(features).float().softmax(1) for head in net.head.heads]
        total: Any = sum((p[2 * i] - p[2 * i + 1]).abs().mean() for i in range(self.source_count))
        return total  # type: ignore[no-any-return]


def moment_distance(sources: Sequence[Tensor], target: Tensor) -> Tensor:
    """Return the moment distance of features (B, F) for the first two moments (Eq. 1), a scalar.

    For each moment k: the mean over sources of |E(S_i^k) - E(T^k)|, plus the mean over pairs of sources of |E(S_i^k) - E(S_j^k)|.
    """
    total: Any = 0
    for k in (1, 2):
        moments, of_target = [(s**k).mean(0) for s in sources], (target**k).mean(0)
        total = total + sum((m - of_target).norm() for m in moments) / len(moments)
        pairs = list(combinations(moments, 2))
        total = total + sum((one - other).norm() for one, other in pairs) / max(1, len(pairs))
    return total  # type: ignore[no-any-return]


def _mixture(features: int, classes: int, count: int) -> Any:
    """Return a module with `count` linear classifiers in `heads`: the logarithm of the mean of their probabilities."""
    import math

    import torch
    from torch import nn

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.in_features, self.out_features = features, classes
            self.heads = nn.ModuleList([nn.Linear(features, classes) for _ in range(count)])

        def forward(self, given: Tensor) -> Tensor:
            each = torch.stack([head(given).float().log_softmax(1) for head in self.heads])
            return each.logsumexp(0) - math.log(count)

    return Mixture()
