"""CyCADA (Hoffman et al. 2018): translate source images into the target's style, and train the classifier on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class CyCADA(Adapter):
    """Cycle-consistent adversarial adaptation of pixels and of class scores, in two trainings (Eq. 5).

    1. Pixels: two generators translate between the domains. Their loss is the GAN loss of both directions (Eq. 2), the cycle
    loss, the mean absolute error of an image that is translated to the other domain and back (Eq. 3), and the semantic loss:
    the fixed pretrained network must predict the same class before and after a translation, in both directions (Eq. 4).
    2. Classifier: it learns translated source images with their labels (Eq. 1). A discriminator tells their class scores from
    those of target images, and the classifier makes the scores of target images look like those of translated ones.

    Differences to the paper: the GAN loss of pixels is the least-squares one on patches, as in the authors' code. The second
    training has the classification loss and the feature loss together, as Eq. 5 has; the authors' code adapts a copy of the
    classifier afterwards, without the classification loss. So the classifier's own scores of translated images take the place
    of those of a fixed network, and it starts from the pretrained network. Generators and discriminators are small, with norms
    over groups of channels. Generators begin near the identity, so that short trainings suffice; as in Eq. 5, no loss keeps them
    there. Discriminators see the images of the current batch alone, without a history of earlier ones. AdamW trains them and
    the generators. Learning rates follow the schedule of [train]. The second training starts the schedule again.
    Batches are half source and half target, and both halves share the statistics of batch norms.

    Checkpoints of the first training have the pretrained classifier. The network that is returned and stored also holds the
    generators (`translated`).
    """

    name = "cycada"
    title = "cycle-consistent image translation"
    access = "unlabelled"
    family = "image translation"
    citation = """@inproceedings{hoffman2018cycada,
  title = {{CyCADA}: Cycle-Consistent Adversarial Domain Adaptation},
  author = {Hoffman, Judy and Tzeng, Eric and Park, Taesung and Zhu, Jun-Yan and Isola, Phillip and Saenko, Kate and
            Efros, Alexei and Darrell, Trevor},
  booktitle = {Proceedings of the 35th International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {80},
  pages = {1989--1998},
  year = {2018}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of cycada."""

        cycle: float = setting(
            1.0, "weight of the cycle loss", low=0, search=10, origin="the authors' code for digits: lambda_A = lambda_B = 1"
        )
        semantic: float = setting(1.0, "weight of the semantic loss", low=0, search=10, origin="the paper: 1 (Eq. 5)")
        weight: float = setting(
            1.0, "weight of the feature loss in the second training", low=0, search=10, origin="the paper: 1 (Eq. 5)"
        )
        rate: float = setting(
            0.002, "highest learning rate of generators and discriminators", above=0, search=10,
            origin="without labels: of 0.001 to 0.008, translations of planted images came nearest to the planted shift at 0.002 "
            "and 0.004, and collapsed at 0.008; the authors' 0.0002 is for trainings that are much longer",
        )  # fmt: skip
        beta: float = setting(
            0.5, "first beta of AdamW for generators and discriminators, in place of train.momentum", low=0, high=0.99,
            origin="the authors' code: Adam with 0.5",
        )  # fmt: skip
        width: int = setting(
            16, "channels of the first convolution of generators and discriminators", low=1, origin="not searched: small images"
        )
        hidden: int = setting(
            500, "width of the two hidden layers of the discriminator of class scores", low=1, origin="the authors' code: 500"
        )
        pixel_fraction: float = setting(
            0.5, "length of the training of the generators, as a fraction of a full training", above=0,
            origin="not searched: both trainings together are as long as the pretraining",
        )  # fmt: skip
        steps_fraction: float = setting(
            0.5, "length of the training of the classifier, as a fraction of a full training (see train.least_steps)", above=0,
            origin="not searched: both trainings together are as long as the pretraining",
        )  # fmt: skip

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return the steps of both trainings together."""
        return self.pixel_steps(full) + super().length(full, shots, batch)

    def pixel_steps(self, full: int) -> int:
        """Return the steps of the training of the generators."""
        fraction: float = self.options.pixel_fraction
        return max(1, round(fraction * full))

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train the generators, then the classifier; needs `target.unlabelled`."""
        from dabench.adapters._translators import Discriminators, Translators

        assert target.unlabelled is not None
        half, full = max(1, trainer.settings.batch // 2), trainer.adaptation_steps(sources)
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        given, channels = self.options, target.unlabelled.images.shape[1]
        # In the network before both trainings, so that each of them saves and restores the generators.
        cast(Any, net).translators = Translators(channels, given.width).to(trainer.device)
        discriminators = Discriminators(channels, given.width)
        self.learn_pixels(net, discriminators, streams, trainer, self.pixel_steps(full))
        show(net, sources[0], target.unlabelled, trainer)
        return self.learn_classes(net, streams, trainer, super().length(full))

    def adam(self, module: Any, trainer: Trainer) -> Any:
        """Return the optimizer of a generator or discriminator."""
        optimizer = trainer.optimizer(module, lr=self.options.rate, kind="adamw")
        for group in optimizer.param_groups:
            group["betas"] = (self.options.beta, 0.999)
        return optimizer

    def learn_pixels(self, net: Network, d: Any, streams: Sequence[Iterator[Batch]], trainer: Trainer, steps: int) -> None:
        """Train the generators in `net` against the discriminators `d`; encoder and head of `net` are fixed."""
        g = cast(Any, net).translators
        of_g, of_d = (self.adam(module, trainer) for module in (g, d))

        def step(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            s, t = source.images, other.images
            as_target, as_source = g.to_target(s), g.to_source(t)
            losses = {
                "gan": taken_for(1, d.of_target(as_target)) + taken_for(1, d.of_source(as_source)),
                "cycle": self.options.cycle * (apart(g.to_source(as_target), s) + apart(g.to_target(as_source), t)),
                "semantic": self.options.semantic * (reclassified(net, s, as_target) + reclassified(net, t, as_source)),
            }
            trainer.minimise(sum(losses.values()), of_g)
            told = discriminated(d.of_target, t, as_target) + discriminated(d.of_source, s, as_source)
            trainer.minimise(told, of_d)
            return {**losses, "pixel discriminators": told}

        trainer.run(net, step, *streams, steps=steps)

    def learn_classes(self, net: Network, streams: Sequence[Iterator[Batch]], trainer: Trainer, steps: int) -> Network:
        """Train the classifier on translated source images, against a discriminator of class scores."""
        import torch
        from torch import nn

        h = self.options.hidden
        d = nn.Sequential(nn.Linear(net.head.out_features, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 1))
        of_net = trainer.optimizer(net.encoder, net.dropout, net.head)
        of_d = self.adam(d, trainer)

        def step(progress: float, source: Batch, other: Batch) -> dict[str, Tensor]:
            n = len(source.images)
            scores = net(torch.cat([translated(net, source.images), other.images]))
            losses = {
                "classification": trainer.cross_entropy(scores[:n], source.require_labels()),
                "features": self.options.weight * told_apart(1, d(scores[n:])),
            }
            trainer.minimise(sum(losses.values()), of_net)
            told = told_apart(1, d(scores[:n].detach())) + told_apart(0, d(scores[n:].detach()))
            trainer.minimise(told, of_d)
            return {**losses, "feature discriminator": told}

        return trainer.run(net, step, *streams, steps=steps)


def show(net: Network, source: View, other: View, trainer: Trainer) -> None:
    """Show the first images of the source and of the target, and their translations, on the page of the report."""
    import torch

    ours, theirs = (next(iter(trainer.batches(view, 12))) for view in (source, other))
    with torch.no_grad():
        back = cast(Any, net).translators.to_source(theirs)
    trainer.show("source images, and below them their translations into the style of the target", ours, translated(net, ours))
    trainer.show("target images, and below them their translations into the style of the source", theirs, back)


def translated(net: Network, images: Tensor) -> Tensor:
    """Return source images (B, C, h, w) in [0, 1] in the style of the target, by the generator in the adapted network."""
    import torch

    with torch.no_grad():
        result: Tensor = cast(Any, net).translators.to_target(images)
    return result


def taken_for(truth: int, scores: Tensor) -> Tensor:
    """Return the least-squares GAN loss of a discriminator's scores of images: their mean squared distance from `truth`."""
    return (scores - truth).square().mean()


def discriminated(discriminator: Any, real: Tensor, made: Tensor) -> Tensor:
    """Return a discriminator's loss: half that of real images as 1 and of translated ones as 0."""
    return (taken_for(1, discriminator(real)) + taken_for(0, discriminator(made.detach()))) / 2


def apart(again: Tensor, images: Tensor) -> Tensor:
    """Return the cycle loss of images that were translated forth and back: their mean absolute error (Eq. 3)."""
    return (again - images).abs().mean()


def reclassified(net: Network, images: Tensor, other: Tensor) -> Tensor:
    """Return the semantic loss: the cross-entropy of translated images with the classes predicted before (Eq. 4)."""
    import torch
    from torch.nn import functional as F

    with torch.no_grad():
        before = net(images).argmax(1)
    return F.cross_entropy(net(other), before)


def told_apart(truth: int, scores: Tensor) -> Tensor:
    """Return the cross-entropy of a discriminator's scores (B, 1) with `truth`: 1 translated source, 0 target (Eq. 2)."""
    import torch
    from torch.nn import functional as F

    return F.binary_cross_entropy_with_logits(scores.float(), torch.full_like(scores, truth, dtype=torch.float32))
