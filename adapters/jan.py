"""Joint adaptation networks (Long et al. 2017): an equal joint distribution of features and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench.adapters.dan import gaussian_kernel, squared_mmd
from dabench.adapters.dann import lambda_at

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class JAN(Adapter):
    """Classification loss on the source plus the squared joint MMD of features and predicted probabilities.

    The joint MMD is the distance of mean embeddings under the product of the kernels of both layers. Each is Gaussian with the
    median squared distance as bandwidth. Its weight rises over the training as that of dann's domain loss.

    Differences to the paper: this is JAN without the adversarial layers of JAN-A. The estimate is the unbiased one of all pairs
    of a batch, where the authors' code takes the linear-time one. The bandwidths follow the median of each batch. The training
    starts from a network that has learned the source, and batch norm sees both domains together. The optimizer and the schedule
    are those of [train] for all layers.
    """

    name = "jan"
    title = "joint maximum mean discrepancy"
    access = "unlabelled"
    family = "alignment"
    citation = """@inproceedings{long2017deep,
  title = {Deep Transfer Learning with Joint Adaptation Networks},
  author = {Long, Mingsheng and Zhu, Han and Wang, Jianmin and Jordan, Michael I.},
  booktitle = {Proceedings of the 34th International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {70},
  pages = {2208--2217},
  year = {2017}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of jan."""

        weight: float = setting(
            1.0, "weight of the discrepancy in the loss (lambda), times the schedule of dann", low=0, search=10,
            origin="not searched: the discrepancy weighs as much as the classification at the end",
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
            return {
                "classification": trainer.cross_entropy(logits[:n], source.require_labels()),
                "discrepancy": self.options.weight * lambda_at(progress) * joint_mmd(features, logits.softmax(1), n),
            }

        half = max(2, trainer.settings.batch // 2)  # the estimate needs two images of each domain
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        return trainer.fit(net, loss, *streams, steps=self.length(trainer.adaptation_steps(sources)))


def joint_mmd(features: Tensor, probabilities: Tensor, n: int) -> Tensor:
    """Return the squared joint MMD of features (B, F) and probabilities (B, K), a scalar; the first `n` rows are the source."""
    distance: Tensor = squared_mmd(gaussian_kernel(features, (1,)) * gaussian_kernel(probabilities, (1,)), n)
    return distance
