"""Deep adaptation networks (Long et al. 2015): equal distributions of features and logits, by mean embeddings of many kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor

MULTIPLES = tuple(2 ** (power / 2) for power in range(-16, 17))
"""The bandwidths of the 33 kernels, as multiples of the median squared distance: from 2^-8 to 2^8 by steps of 2^(1/2)."""


class DAN(Adapter):
    """Classification loss on the source plus the squared MK-MMD of the domains, summed over the features and the logits.

    The MK-MMD is the distance of mean embeddings under a mixture of Gaussian kernels.

    Differences to the paper: the kernels weigh the same, where the paper learns their weights beside the network. The estimate is
    the unbiased one of all pairs of a batch, where the paper takes the linear-time one. The bandwidths follow the median of each
    batch. The training starts from a network that has learned the source, and batch norm sees both domains together. The
    optimizer and the schedule are those of [train] for all layers.
    """

    name = "dan"
    title = "multi-kernel maximum mean discrepancy"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{long2015learning,
  title = {Learning Transferable Features with Deep Adaptation Networks},
  author = {Long, Mingsheng and Cao, Yue and Wang, Jianmin and Jordan, Michael I.},
  booktitle = {Proceedings of the 32nd International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {37},
  pages = {97--105},
  year = {2015}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of dan."""

        weight: float = setting(
            1.0, "weight of the discrepancy in the loss (lambda)", low=0, search=10,
            origin="not searched: the discrepancy weighs as much as the classification",
        )  # fmt: skip
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
            features = net.features(torch.cat([source.images, other.images]))
            logits = net.classify(features)
            apart = squared_mmd(gaussian_kernel(features, MULTIPLES), n) + squared_mmd(gaussian_kernel(logits, MULTIPLES), n)
            return {
                "classification": trainer.cross_entropy(logits[:n], source.require_labels()),
                "discrepancy": self.options.weight * apart,
            }

        half = max(2, trainer.settings.batch // 2)  # the estimate needs two images of each domain
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        return trainer.fit(net, loss, *streams, steps=self.length(trainer.adaptation_steps(sources)))


def gaussian_kernel(given: Tensor, multiples: Sequence[float]) -> Tensor:
    """Return the kernel matrix (B, B) of (B, F) features: the mean of exp(-|x - y|^2 / (m median)) over the multiples m.

    The median is that of the squared distances of the batch, without gradient. Computed in fp32.
    """
    import torch

    with torch.autocast(given.device.type, enabled=False):
        x = given.float() - given.float().mean(0)  # far from 0, the differences below would be rounding errors
        squares = x.square().sum(1)
        distances = (squares[:, None] + squares - 2 * x @ x.T).clamp_min(0)
        median = distances.detach().median().clamp_min(1e-6)  # equal features have no median distance
        total: Any = sum(torch.exp(-distances / (m * median)) for m in multiples)
        return total / len(multiples)  # type: ignore[no-any-return]


def squared_mmd(kernel: Tensor, n: int) -> Tensor:
    """Return the unbiased estimate of the squared MMD, a scalar, from a kernel matrix whose first `n` rows are of the source."""
    within = [(k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1)) for k in (kernel[:n, :n], kernel[n:, n:])]
    return within[0] + within[1] - 2 * kernel[:n, n:].mean()
