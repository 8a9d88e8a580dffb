"""Deep CORAL (Sun and Saenko 2016): align the second-order statistics of source and target features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class DeepCORAL(Adapter):
    """Classification loss on the source plus the distance of feature covariances, ||C_S - C_T||_F^2 / (4 F^2) (Eq. 1)."""

    name = "coral"
    title = "correlation alignment"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{sun2016deep,
  title = {Deep {CORAL}: Correlation Alignment for Deep Domain Adaptation},
  author = {Sun, Baochen and Saenko, Kate},
  booktitle = {Computer Vision -- ECCV 2016 Workshops},
  pages = {443--450},
  year = {2016}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of coral."""

        weight: float = setting(
            0.2, "weight of the covariance distance in the loss", low=0, search=10,
            origin="a search without target labels (sweeps/defaults.toml): information maximisation chose 0.3 from USPS to MNIST "
            "and 0.1 back; the geometric mean",
        )  # fmt: skip
        logits: bool = setting(False, "align logits, as the paper, not features", origin="not searched: `weight` is of features")
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches, half and half; needs `target.unlabelled`."""
        import torch

        assert target.unlabelled is not None

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            ours, theirs = net.features(torch.cat([source.images, other.images])).tensor_split([len(source.images)])
            says = net.classify(ours)
            aligned = (says, net.classify(theirs)) if self.options.logits else (ours, theirs)
            apart: Tensor = self.options.weight * covariance_distance(*aligned)
            return trainer.cross_entropy(says, source.require_labels()) + apart

        half = max(2, trainer.settings.batch // 2)
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        return trainer.fit(net, loss, *streams, steps=self.length(trainer.adaptation_steps(sources)), replay=True)


def covariance_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return Eq. 1 of the paper, a scalar, for features (B, F) of two domains. Computed in fp32."""
    import torch

    # In bf16, or without centring first, as in Eqs. 2 and 3, covariances of features far from 0 cancel to rounding errors.
    with torch.autocast(ours.device.type, enabled=False):
        apart = torch.cov(ours.float().T) - torch.cov(theirs.float().T)
        return apart.square().sum() / (4 * ours.shape[1] ** 2)
