"""SHOT (Liang et al. 2020): adapt the encoder to the target without any source, below a frozen classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class SHOT(Adapter):
    """Source hypothesis transfer: information maximisation and clustered pseudo-labels.

    The network has a bottleneck with batch norm before a classifier with weight normalisation. It is trained on the sources with
    label smoothing. Then the classifier is fixed, and the encoder with the bottleneck learns from target images alone.
    Pseudo-labels come from the nearest class centroid in cosine distance: centroids of features of length 1, weighted by the
    predictions, and then once more by the labels found. They are computed again every ceil(N / batch) steps for N target images,
    which is about each pass over them. The authors append a 1 to the features before they are scaled to length 1; here they are
    not.
    """

    name = "shot"
    title = "source hypothesis transfer (source-free)"
    access = "unlabelled"
    family = "self-training"
    uses_sources = False
    citation = """@inproceedings{liang2020we,
  title = {Do We Really Need to Access the Source Data? Source Hypothesis Transfer for Unsupervised Domain Adaptation},
  author = {Liang, Jian and Hu, Dapeng and Feng, Jiashi},
  booktitle = {Proceedings of the 37th International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {119},
  pages = {6028--6039},
  year = {2020}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of shot."""

        weight: float = setting(
            0.3, "weight of the loss of pseudo-labels (beta)", low=0, search=5, origin="the authors' code: 0.3, but 0.1 on digits"
        )
        bottleneck: int = setting(
            256, "width of the bottleneck; that of [network] is used instead if there is one", low=1,
            origin="the authors' code: 256",
        )  # fmt: skip
        smoothing: float = setting(
            0.1, "label smoothing of the training on the sources (alpha)", low=0, high=0.999,
            origin="the paper: alpha = 0.1",
        )  # fmt: skip
        steps_fraction: float = setting(
            1.0, "length, as a fraction of a full training on the target's images (see train.least_steps)", above=0,
            origin="not searched: an adaptation as long as the pretraining",
        )  # fmt: skip

    def network(self, net: Network) -> Network:
        """Add the bottleneck, unless the sweep has one, and normalise the weights of the classifier."""
        from torch import nn
        from torch.nn.utils import parametrizations

        width = net.bottleneck or self.options.bottleneck
        if not net.bottleneck:
            net.encoder = nn.Sequential(net.encoder, nn.Linear(net.head.in_features, width), nn.BatchNorm1d(width))
        net.head = parametrizations.weight_norm(nn.Linear(width, net.head.out_features))
        return net

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Train on the sources with label smoothing."""
        from torch.nn import functional as F

        def loss(progress: float, batch: Batch) -> Tensor:
            return F.cross_entropy(net(batch.images), batch.require_labels(), label_smoothing=self.options.smoothing)

        return trainer.fit(net, loss, trainer.stream(sources), steps=trainer.steps(sources))

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train the encoder on unlabelled target batches; needs `target.unlabelled`."""
        import torch
        from torch.nn import functional as F

        images = target.unlabelled
        assert images is not None
        steps, every = self.length(trainer.adaptation_steps([images])), math.ceil(len(images) / trainer.settings.batch)
        labels = torch.zeros(len(images), dtype=torch.int64, device=trainer.device)

        def loss(progress: float, batch: Batch) -> dict[str, Tensor]:
            if round(progress * steps) % every == 0:
                labels.copy_(self.pseudo_labels(net, images, trainer))
            logits = net(batch.images)
            clustered = F.cross_entropy(logits, labels[batch.index])
            return {"information": -information(logits), "pseudo-labels": self.options.weight * clustered}

        return trainer.fit(
            net, loss, trainer.stream([images]), steps=steps, trainable=[net.encoder], state={"pseudo-labels": labels}
        )  # fmt: skip

    def pseudo_labels(self, net: Network, images: View, trainer: Trainer) -> Tensor:
        """Return the class of the nearest centroid of every target image, (N,) int64."""
        import torch
        from torch.nn import functional as F

        learning = net.encoder.training
        net.encoder.eval()
        with torch.no_grad():
            features = torch.cat([net.features(batch) for batch in trainer.batches(images)])
            share = net.classify(features).softmax(1)  # (N, K)
            features = F.normalize(features)
            for _ in range(2):  # the second time with the labels of the first
                centroids = F.normalize(share.T @ features / share.sum(0)[:, None].clamp_min(1e-8))
                known = share.sum(0) > 0  # a class without an image has no centroid
                labels = (features @ centroids.T).masked_fill(~known, -2).argmax(1)
                share = F.one_hot(labels, share.shape[1]).float()
        net.encoder.train(learning)
        return labels


def information(logits: Tensor) -> Tensor:
    """Return the entropy of the mean prediction minus the mean entropy, in nats, of logits (B, K)."""
    import torch

    p, mean = logits.softmax(1), logits.softmax(1).mean(0)
    return (p * logits.log_softmax(1)).sum(1).mean() - torch.xlogy(mean, mean).sum()
