"""Domain-adversarial training (Ganin et al. 2016): learn features that do not reveal the domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor, nn


class DANN(Adapter):
    """Classification loss on the source plus the loss of a domain classifier behind a gradient reversal layer.

    The factor of the reversal rises as in the paper, lambda_p = 2 / (1 + exp(-10 p)) - 1 over the progress p (Section 5.2.2).
    Half of each batch is from the source and half from the target.
    """

    name = "dann"
    title = "domain-adversarial training"
    access = "unlabelled"
    family = "alignment"
    citation = """@article{ganin2016domain,
  title = {Domain-Adversarial Training of Neural Networks},
  author = {Ganin, Yaroslav and Ustinova, Evgeniya and Ajakan, Hana and Germain, Pascal and Larochelle, Hugo and
            Laviolette, Fran{\\c{c}}ois and Marchand, Mario and Lempitsky, Victor},
  journal = {Journal of Machine Learning Research},
  volume = {17},
  number = {59},
  pages = {1--35},
  year = {2016}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of dann."""

        weight: float = setting(
            0.2, "weight of the domain loss, times the schedule lambda_p", low=0, search=10,
            origin="a search without target labels (sweeps/defaults.toml): information maximisation chose 0.3 from USPS to MNIST "
            "and 0.1 back; the geometric mean",
        )  # fmt: skip
        hidden: int = setting(
            128, "width of the two hidden layers of the domain classifier", low=1,
            origin="not searched: close to the 100 of the paper's network for MNIST, which has one hidden layer",
        )  # fmt: skip
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches; needs `target.unlabelled`."""
        import torch
        from torch.nn import functional as F

        from dabench.training.pytorch_adapt import pytorch_adapt_layers

        assert target.unlabelled is not None
        reverse = pytorch_adapt_layers().GradientReversal().to(trainer.device)
        domain = domain_classifier(net.head.in_features, self.options.hidden)

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            n = len(source.images)
            features = net.features(torch.cat([source.images, other.images]))
            reverse.weight.fill_(self.options.weight * lambda_at(progress))  # an item set by its index waits for a GPU
            says = domain(reverse(features)).float().squeeze(1)
            truth = (torch.arange(len(says), device=says.device) >= n).float()
            classified = trainer.cross_entropy(net.classify(features[:n]), source.require_labels())
            return classified + F.binary_cross_entropy_with_logits(says, truth)

        half = max(1, trainer.settings.batch // 2)
        return trainer.fit(
            net,
            loss,
            trainer.stream(sources, half),
            trainer.stream([target.unlabelled], half),
            trainable=[net, domain],
            steps=self.length(trainer.adaptation_steps(sources)),
            replay=True,
        )


def domain_classifier(inputs: int, hidden: int) -> nn.Sequential:
    """Return a module (B, inputs) -> (B, 1), the logit that an image is from the target, with two hidden layers."""
    from torch import nn

    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))


def lambda_at(progress: Any) -> Any:
    """Return the paper's lambda_p for progress p from 0 to 1, a number or a scalar tensor: from 0 up to almost 1."""
    power = -10 * progress
    return 2 / (1 + (math.exp(power) if isinstance(progress, int | float) else power.exp())) - 1
