"""Margin disparity discrepancy (Zhang et al. 2019): a second classifier that differs from the first only on the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench.adapters.dann import lambda_at

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class MDD(Adapter):
    """Classification loss on the source plus the margin disparity discrepancy of the domains, by an adversarial classifier f'.

    With the classes h(x) that the classifier predicts, the discrepancy is gamma E_source log f'_h + E_target log (1 - f'_h) in
    probabilities f'. The adversarial classifier maximises it, and the encoder minimises it through a gradient reversal layer.
    No gradient passes through h, so that the classifier learns from the source's labels alone.

    Differences to the paper: the training starts from a network that has learned the source. There is no bottleneck, so the
    encoder has the learning rate of the authors' bottleneck and not a tenth of it. The classifier is linear, and the adversarial
    one has one hidden layer; in the authors' code both have one. The factor of the reversal rises as in dann, faster than in the
    authors' code. Batch norm sees both domains together. The schedule is that of [train].
    """

    name = "mdd"
    title = "margin disparity discrepancy"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{zhang2019bridging,
  title = {Bridging Theory and Algorithm for Domain Adaptation},
  author = {Zhang, Yuchen and Liu, Tianle and Long, Mingsheng and Jordan, Michael},
  booktitle = {Proceedings of the 36th International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {97},
  pages = {7404--7413},
  year = {2019}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of mdd."""

        weight: float = setting(
            0.1, "weight of the discrepancy for the encoder (eta), times the schedule of dann", low=0, search=10,
            origin="the authors' code: the highest factor of the reversal is 0.1",
        )  # fmt: skip
        margin: float = setting(4.0, "margin factor (gamma)", above=0, origin="the authors' code: 4 on Office-31")
        lr: float = setting(
            0.004, "highest learning rate of the network and of the adversarial classifier", above=0, search=10,
            origin="the authors' code: 0.004",
        )  # fmt: skip
        hidden: int = setting(
            128, "width of the hidden layer of the adversarial classifier", low=1, origin="not searched: that of dann"
        )
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches; needs `target.unlabelled`."""
        import torch
        from torch import nn

        from dabench.training.pytorch_adapt import pytorch_adapt_layers

        assert target.unlabelled is not None
        given, reverse = self.options, pytorch_adapt_layers().GradientReversal().to(trainer.device)
        adversary = nn.Sequential(
            nn.Linear(net.head.in_features, given.hidden), nn.ReLU(), nn.Linear(given.hidden, net.head.out_features)
        )

        def loss(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            n = len(source.images)
            features = net.features(torch.cat([source.images, other.images]))
            logits = net.classify(features)
            reverse.weight.fill_(given.weight * lambda_at(progress))  # an item set by its index waits for a GPU
            says = adversary(reverse(features)).float()
            return {
                "classification": trainer.cross_entropy(logits[:n], source.require_labels()),
                "disparity": -disparity(says, logits.argmax(1), n, given.margin),
            }

        half = max(1, trainer.settings.batch // 2)
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        steps = self.length(trainer.adaptation_steps(sources))
        return trainer.fit(net, loss, *streams, steps=steps, trainable=[net, adversary], lr=given.lr)


def disparity(says: Tensor, classes: Tensor, n: int, margin: float) -> Tensor:
    """Return the margin disparity discrepancy, a scalar.

    Args:
        says: (B, K) logits of the adversarial classifier; the first `n` images are from the source.
        classes: (B,) the classes that the classifier predicts.
        margin: the factor gamma.
    """
    from torch.nn import functional as F

    # log (1 - f'_h) is the log of the sum of the others, which is exact where f'_h is almost 1.
    others = says.masked_fill(F.one_hot(classes, says.shape[1]).bool(), float("-inf")).logsumexp(1)
    differs = others - says.logsumexp(1)
    return -margin * F.cross_entropy(says[:n], classes[:n]) + differs[n:].mean()
