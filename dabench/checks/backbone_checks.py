"""The rules for backbones, checked on synthetic images on the CPU."""

from __future__ import annotations

from functools import cached_property

import torch

from dabench.checks.rules import Rule, Skipped
from dabench.plugins.contract import Backbone
from dabench.training.device import reproducible
from dabench.training.network import TorchNetwork, build_network

_SIZES = (32, 44, 224)

ALIKE = 1e-3
"""Logits that differ by less than this, or by less than this part of the largest one, are alike: sums have another order."""

CLASSES = ("a", "b", "c")


def backbone_rules(backbone: Backbone) -> list[Rule]:
    """Return the rules of one backbone."""
    if backbone.name.endswith("*"):
        return []  # a family: its members are checked by name, as in timm/resnet18
    of = _BackboneUnderCheck(backbone)
    return [
        Rule("build() accepts grey or colour images of 32, 44 or 224 pixels", of.builds),
        Rule("the features have the shape (B, num_features)", of.features),
        Rule("the logits are finite, and every parameter gets a gradient", of.gradients),
        Rule("the same seed builds the same network", of.seeded),
        Rule("in evaluation mode, the logits of an image do not depend on the other images of the batch", of.alone),
    ]


class _BackboneUnderCheck:
    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    @cached_property
    def form(self) -> tuple[int, int]:
        """Channels and size that build() accepts."""
        reasons = []
        for channels, size in ((c, s) for s in _SIZES for c in (3, 1)):
            try:
                self.net(channels, size)
                return channels, size
            except Exception as e:
                reasons.append(f"{channels}x{size}x{size}: {e}")
        raise Skipped(f"build() accepts none of the sizes tried ({reasons[0]})")

    def net(self, channels: int, size: int) -> TorchNetwork:
        with reproducible(1, 0):
            return build_network(self.backbone, channels, size, len(CLASSES))

    def images(self) -> torch.Tensor:
        channels, size = self.form
        return torch.rand(4, channels, size, size, generator=torch.Generator().manual_seed(1))

    def builds(self) -> str:
        try:
            return "" if self.form else "none"
        except Skipped as e:
            return f"{e}; use the arguments `channels` and `size`"

    def features(self) -> str:
        encoder = self.net(*self.form).encoder
        shape, features = tuple(encoder(self.images()).shape), encoder.num_features
        if shape == (4, features):
            return ""
        return f"4 images give {shape}, but num_features = {features}; flatten the features and set num_features"

    def gradients(self) -> str:
        net = self.net(*self.form)
        logits = net(self.images())
        if not bool(torch.isfinite(logits).all()):
            return "some logits are not finite for images in [0, 1]"
        logits.square().sum().backward()
        idle = [n for n, p in net.named_parameters() if p.requires_grad and p.grad is None]
        return f"the features do not depend on the parameters {', '.join(idle[:5])}; remove them" if idle else ""

    def seeded(self) -> str:
        one, other = self.net(*self.form).state_dict(), self.net(*self.form).state_dict()
        unlike = [k for k in one if not torch.equal(one[k], other[k])]
        return f"{', '.join(unlike[:3])} differ; draw the initial weights from torch's global generator" if unlike else ""

    def alone(self) -> str:
        change = change_with_the_batch(self.net(*self.form).eval(), self.images())
        return (
            "" if change < ALIKE else f"the logits of an image change by {change:.2g} with the batch; they must not depend on it"
        )


def change_with_the_batch(net: TorchNetwork, images: torch.Tensor) -> float:
    """Return the largest change of the first image's logits when the other images of the batch are taken away."""
    with torch.inference_mode():
        together = net(images)[:1]
        return float((together - net(images[:1])).abs().max() / together.abs().max().clamp(min=1))
