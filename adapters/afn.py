"""Stepwise adaptive feature norm (Xu et al. 2019): features whose lengths grow in small steps on both domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class AFN(Adapter):
    """Classification loss on the source plus, for each domain, the mean of (|f| - (|f|_0 + r))^2 over the features f.

    |f|_0 is the present length of f as a constant, so that each step makes each feature longer by about the same. The value of
    this loss is therefore always twice weight times r^2; only its gradient has a meaning.

    The features are those of a bottleneck with batch norm and ReLU before the classifier, which is trained with the network on
    the sources. Without a batch norm there, lengths grow with the product of all layers, without bound.

    Differences to the paper: this is the stepwise variant (SAFN) without the entropy loss that the authors' code adds on some
    datasets, and without the paper's dropout that preserves lengths. The adaptation starts from a network that has learned the
    source. The optimizer and the schedule are those of [train] for all layers.

    Each domain passes through the network by itself, as in the authors' code, so that a batch norm normalises each by its own
    batch.
    """

    name = "afn"
    title = "stepwise adaptive feature norm"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{xu2019larger,
  title = {Larger Norm More Transferable: An Adaptive Feature Norm Approach for Unsupervised Domain Adaptation},
  author = {Xu, Ruijia and Li, Guanbin and Yang, Jihan and Lin, Liang},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year = {2019}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of afn."""

        weight: float = setting(
            0.05, "weight of the loss of lengths (lambda)", low=0, search=10, origin="the authors' code: 0.05 on Office-31"
        )
        radius: float = setting(
            1.0, "how much longer each feature is to be (r)", low=0, origin="the authors' code: 1 on Office-31"
        )
        bottleneck: int = setting(
            256, "width of the bottleneck; that of [network] is used instead if there is one", low=1,
            origin="not searched: that of shot",
        )  # fmt: skip
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def network(self, net: Network) -> Network:
        """Add the bottleneck, whose features are to grow, unless the sweep has one, and a new classifier."""
        from torch import nn

        width = net.bottleneck or self.options.bottleneck
        if not net.bottleneck:
            own = nn.Linear(net.head.in_features, width), nn.BatchNorm1d(width), nn.ReLU()
            net.encoder = nn.Sequential(net.encoder, *own)
        net.head = nn.Linear(width, net.head.out_features)
        return net

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches; needs `target.unlabelled`."""
        from dabench.training.pytorch_adapt import pytorch_adapt_layers

        assert target.unlabelled is not None
        longer = pytorch_adapt_layers().AdaptiveFeatureNorm(self.options.radius)

        def loss(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            ours, theirs = net.features(source.images), net.features(other.images)
            return {
                "classification": trainer.cross_entropy(net.classify(ours), source.require_labels()),
                "lengths": self.options.weight * (longer(ours) + longer(theirs)),
            }

        half = max(1, trainer.settings.batch // 2)
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        return trainer.fit(net, loss, *streams, steps=self.length(trainer.adaptation_steps(sources)))
