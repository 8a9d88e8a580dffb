"""Adversarial discriminative domain adaptation (Tzeng et al. 2017): an encoder for the target that a discriminator confuses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench.adapters.dann import domain_classifier

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class ADDA(Adapter):
    """The encoder of the target begins as that of the source. A discriminator learns to tell source features from target
    features, and the target's encoder learns to have its features taken for the source's, with inverted labels.

    The source's encoder and the classifier stay as they are. The result is the target's encoder below that classifier. No label
    is used. Both updates together count as one optimiser step. The batch norms of the target's encoder learn the statistics of
    the target alone.

    Differences to the paper: the optimizers are AdamW with the weight decay and the schedule of [train], in place of Adam. The
    discriminator is updated first, and the encoder then sees the new one.
    """

    name = "adda"
    title = "adversarial target encoder"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{tzeng2017adversarial,
  title = {Adversarial Discriminative Domain Adaptation},
  author = {Tzeng, Eric and Hoffman, Judy and Saenko, Kate and Darrell, Trevor},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year = {2017}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of adda."""

        lr: float = setting(
            2e-4, "highest learning rate of encoder and discriminator, both with AdamW", above=0, search=10,
            origin="the authors' code: 0.0002 with Adam, from SVHN to MNIST",
        )  # fmt: skip
        beta: float = setting(
            0.5, "first beta of AdamW, in place of train.momentum", low=0, high=0.99, origin="the authors' code: Adam with 0.5"
        )  # fmt: skip
        hidden: int = setting(500, "width of the two hidden layers of the discriminator", low=1, origin="the authors' code: 500")
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train the encoder of the target against the discriminator; needs `target.unlabelled`."""
        import torch
        from torch.nn import functional as F

        assert target.unlabelled is not None
        of_source = copy.deepcopy(net).eval()
        discriminator = domain_classifier(net.head.in_features, self.options.hidden)
        of_discriminator = trainer.optimizer(discriminator, lr=self.options.lr, kind="adamw")
        of_encoder = trainer.optimizer(net.encoder, lr=self.options.lr, kind="adamw")
        for group in (*of_discriminator.param_groups, *of_encoder.param_groups):
            group["betas"] = (self.options.beta, 0.999)

        def wrong(features: Tensor, is_target: float) -> Tensor:
            says = discriminator(features).float()
            return F.binary_cross_entropy_with_logits(says, torch.full_like(says, is_target))

        def step(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            with torch.no_grad():
                ours = of_source.features(source.images)
            theirs = net.features(other.images)
            telling = (wrong(ours, 0.0) + wrong(theirs.detach(), 1.0)) / 2
            trainer.minimise(telling, of_discriminator)
            confusing = wrong(theirs, 0.0)
            trainer.minimise(confusing, of_encoder)
            return {"discriminator": telling, "encoder": confusing}

        half = max(1, trainer.settings.batch // 2)
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        return trainer.run(net, step, *streams, steps=self.length(trainer.adaptation_steps(sources)))
