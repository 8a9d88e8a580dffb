"""Prototypes (Snell et al. 2017): classify by the nearest class mean of the shots' features. There is no training."""

from __future__ import annotations

from collections.abc import Sequence

from dabench import Adapter, Network, Target, Trainer, View


class Prototypes(Adapter):
    """Softmax of minus the squared distances to the prototypes, which are the mean features of each class (Eq. 1 and 2).

    As a linear classifier, up to a term that is the same for all classes: 2 c_k f(x) - |c_k|^2 (Eq. 8). It takes the place of
    the head. A class without a shot is never predicted.

    Difference to the paper: the features are those of the classifier that was trained on the sources, not trained by episodes.
    """

    name = "prototypes"
    title = "nearest class mean of labelled target shots"
    access = "few-shot"
    family = "prototypes"
    citation = """@inproceedings{snell2017prototypical,
  title = {Prototypical Networks for Few-shot Learning},
  author = {Snell, Jake and Swersky, Kevin and Zemel, Richard},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {30},
  year = {2017}
}"""

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return 0: nothing is trained."""
        return 0

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Replace the head by the prototypes; needs `target.shots`."""
        import torch
        from torch.nn import functional as F

        assert target.shots is not None
        assert target.shots.labels is not None
        net.eval()
        with torch.no_grad():
            features = torch.cat([net.features(images) for images in trainer.batches(target.shots)])
            members = F.one_hot(target.shots.labels, len(target.classes)).to(features.dtype)  # (N, K)
            means = members.T @ features / members.sum(0).clamp_min(1)[:, None]
            net.head.weight.copy_(2 * means)
            net.head.bias.copy_(torch.where(members.any(0), -means.square().sum(1), -1e6))
        return net
