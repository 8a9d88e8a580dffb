"""FixMatch (Sohn et al. 2020): what the network says of a weakly augmented image is the label of its strongly augmented copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench.adapters.pseudo_label import confident_cross_entropy

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class FixMatch(Adapter):
    """Cross-entropy on weakly augmented source images (Eq. 3) plus the consistency loss on target images (Eq. 4).

    The source is the labelled part and the target the unlabelled one. Weak is the augmentation of [augment]. Strong is also a
    random shift (that of the adapter augmented) and erasing.

    Differences to the paper: the strong augmentation is neither RandAugment nor CTAugment. Training starts from the network
    that was trained on the sources, with the schedule of [train]; a moving average of the weights is [train] ema. A batch
    is half source and half target, not 1 to 7. Source, weak and strong images share the statistics of batch norms.
    """

    name = "fixmatch"
    title = "consistency of strong with weak augmentation"
    access = "unlabelled"
    family = "self-training"
    citation = """@inproceedings{sohn2020fixmatch,
  title = {{FixMatch}: Simplifying Semi-Supervised Learning with Consistency and Confidence},
  author = {Sohn, Kihyuk and Berthelot, David and Carlini, Nicholas and Zhang, Zizhao and Zhang, Han and Raffel, Colin and
            Cubuk, Ekin Dogus and Kurakin, Alexey and Li, Chun-Liang},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33},
  year = {2020}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of fixmatch."""

        weight: float = setting(
            1.0, "weight of the consistency loss (lambda_u)", low=0, search=5, origin="the paper: lambda_u = 1"
        )
        threshold: float = setting(
            0.95, "probability from which a pseudo-label counts (tau)", low=0, high=1, origin="the paper: tau = 0.95"
        )
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on labelled source and unlabelled target batches, half and half; needs `target.unlabelled`."""
        import torch

        assert target.unlabelled is not None

        def loss(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            n, m = len(source.images), len(other.images)
            ours, weak, strong = net(torch.cat([source.images, *other.copies])).tensor_split([n, n + m])
            return {
                "classification": trainer.cross_entropy(ours, source.require_labels()),
                "consistency": self.options.weight * confident_cross_entropy(strong, weak, self.options.threshold),
            }

        half = max(1, trainer.settings.batch // 2)
        unlabelled = trainer.stream([target.unlabelled], half, copies=2, strong=True)
        return trainer.fit(
            net, loss, trainer.stream(sources, half), unlabelled, steps=self.length(trainer.adaptation_steps(sources))
        )
