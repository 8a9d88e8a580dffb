"""Small networks that translate images between two domains, and that tell the images of a domain from translated ones.

They take images of 8x8 and more, also of odd sizes. In evaluation and in training, an image does not depend on the rest of its
batch: norms are over groups of channels of one image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Generator(nn.Module):
    """Translate images: (B, C, H, W) float in [0, 1] -> the same shape and range, float32.

    One convolution that halves the size, two residual blocks, and convolutions at the first size that also see the image. They
    give another image and how much of it replaces the first one, pixel by pixel. Training starts at 12 %: nearly the image as
    it is.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), _norm(width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), _norm(2 * width), nn.ReLU(),
        )  # fmt: skip
        self.blocks = nn.Sequential(Residual(2 * width), Residual(2 * width))
        self.up = nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), _norm(width), nn.ReLU())
        self.out = nn.Sequential(nn.Conv2d(width + channels, width, 3, padding=1), nn.ReLU())
        self.other, self.share = (nn.Conv2d(width, channels, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.share.weight)
        assert self.share.bias is not None
        nn.init.constant_(self.share.bias, -2)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated images."""
        deep = F.interpolate(self.blocks(self.down(images)), size=images.shape[-2:])
        seen = self.out(torch.cat([self.up(deep), images], 1))
        return images.lerp(self.other(seen).float().sigmoid(), self.share(seen).float().sigmoid())


class Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), _norm(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), _norm(width),
        )  # fmt: skip

    def forward(self, given: Tensor) -> Tensor:
        """Return input plus correction."""
        result: Tensor = given + self.body(given)
        return result


class Discriminator(nn.Module):
    """Say whether each patch of an image is of the domain: (B, C, H, W) -> (B, 1, h, w), 1 for real and 0 for translated."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), _norm(2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Return a score for each patch, float32."""
        scores: Tensor = self.body(images)
        return scores.float()


class Translators(nn.Module):
    """The generators of both directions."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.to_target, self.to_source = Generator(channels, width), Generator(channels, width)


class Discriminators(nn.Module):
    """The discriminators of both domains."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.of_target, self.of_source = Discriminator(channels, width), Discriminator(channels, width)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(4 if width % 4 == 0 else 1, width)
