"""Conditional domain-adversarial networks (Long et al. 2018): a domain classifier of features together with predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench.adapters.dann import domain_classifier, lambda_at

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor, nn


class CDAN(Adapter):
    """Classification loss on the source plus the loss of a domain classifier of the multilinear map f x g, behind a gradient
    reversal layer. f are the features and g the probabilities of an image.

    The map is the outer product of f and g up to 4096 numbers. Above, it is the randomised one, (R_f f) * (R_g g) / sqrt(d),
    with fixed normal matrices and d = 1024. With `entropy` (CDAN+E), an image weighs 1 + exp(-H(g)) in the domain loss, where H
    is the entropy of its prediction. Weights are normalised within each domain. As in the authors' code, no gradient passes
    through g; none passes through the weights either, unlike there.

    Differences to the paper: the training starts from a network that has learned the source, with the optimizer and the schedule
    of [train] for all parts, and batch norm sees both domains together. The factor of the reversal rises as in dann. The hook of
    pytorch-adapt alternates two optimisations instead, which gives other accuracies (docs/reference.md).
    """

    name = "cdan"
    title = "conditional domain-adversarial training"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{long2018conditional,
  title = {Conditional Adversarial Domain Adaptation},
  author = {Long, Mingsheng and Cao, Zhangjie and Wang, Jianmin and Jordan, Michael I.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {31},
  pages = {1640--1650},
  year = {2018}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of cdan."""

        entropy: bool = setting(
            False, "weight images by the certainty of their predictions (CDAN+E)", origin="the paper: both variants"
        )
        weight: float = setting(
            1.0, "weight of the domain loss for the encoder, times the schedule of dann", low=0, search=10,
            origin="the authors' code: 1",
        )  # fmt: skip
        hidden: int = setting(
            128, "width of the two hidden layers of the domain classifier", low=1, origin="not searched: that of dann"
        )
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches; needs `target.unlabelled`."""
        import torch

        from dabench.training.pytorch_adapt import pytorch_adapt_layers

        assert target.unlabelled is not None
        reverse = pytorch_adapt_layers().GradientReversal().to(trainer.device)
        joined, width = multilinear_map(net.head.in_features, net.head.out_features)
        domain = domain_classifier(width, self.options.hidden)

        def loss(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            n = len(source.images)
            features = net.features(torch.cat([source.images, other.images]))
            logits = net.classify(features)
            reverse.weight.fill_(self.options.weight * lambda_at(progress))  # an item set by its index waits for a GPU
            says = domain(joined(reverse(features), logits.detach().softmax(1))).float().squeeze(1)
            return {
                "classification": trainer.cross_entropy(logits[:n], source.require_labels()),
                "domain": domain_loss(says, logits.detach(), n, self.options.entropy),
            }

        half = max(1, trainer.settings.batch // 2)
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        steps = self.length(trainer.adaptation_steps(sources))
        return trainer.fit(net, loss, *streams, steps=steps, trainable=[net, joined, domain])


def multilinear_map(features: int, classes: int) -> tuple[nn.Module, int]:
    """Return a module of features (B, F) and probabilities (B, K), and the width of its result: exact up to 4096 numbers."""
    from torch import nn

    from dabench.training.pytorch_adapt import pytorch_adapt_layers

    class OuterProduct(nn.Module):
        def forward(self, f: Tensor, g: Tensor) -> Tensor:
            return (f[:, :, None] * g[:, None, :]).flatten(1)

    if features * classes <= 4096:
        return OuterProduct(), features * classes
    return pytorch_adapt_layers().RandomizedDotProduct([features, classes], 1024), 1024


def domain_loss(says: Tensor, logits: Tensor, n: int, entropy: bool) -> Tensor:
    """Return the mean of the weighted cross-entropies of both domains, a scalar.

    Args:
        says: (B,) logits that an image is from the target; the first `n` images are from the source.
        logits: (B, K) logits of the classes.
        entropy: weight images by 1 + exp(-H); else alike.
    """
    import torch
    from torch.nn import functional as F

    from dabench.training.pytorch_adapt import pytorch_adapt_layers

    weigh: Any = pytorch_adapt_layers().EntropyWeights() if entropy else lambda z: torch.full_like(z[:, 0], 1 / len(z))
    truth = (torch.arange(len(says), device=says.device) >= n).to(says.dtype)
    wrong = F.binary_cross_entropy_with_logits(says, truth, reduction="none")
    ours, theirs = (torch.sum(weigh(z) * w) for z, w in ((logits[:n], wrong[:n]), (logits[n:], wrong[n:])))
    return (ours + theirs) / 2
