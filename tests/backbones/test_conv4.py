"""conv4 is the four-block network of the few-shot literature."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dabench.backbones.conv4 import Conv4
from dabench.errors import PluginError


@pytest.mark.parametrize("width", [8, 64])
def test_width_is_the_option(width: int) -> None:
    encoder = Conv4(Conv4.Options(width=width)).build(channels=1, size=16, pretrained=False)
    assert encoder(torch.zeros(2, 1, 16, 16)).shape == (2, width)


def test_conv4_has_the_113088_parameters_of_the_literature_at_64_filters() -> None:
    encoder = Conv4(Conv4.Options(width=64)).build(channels=3, size=84, pretrained=False)
    # 3x3 convolutions with bias: 1,792 + 3 * 36,928; batch norms: 4 * 128.
    assert sum(p.numel() for p in encoder.parameters()) == 1_792 + 3 * 36_928 + 4 * 128 == 113_088


def test_conv4_has_four_blocks() -> None:
    encoder = Conv4().build(channels=1, size=16, pretrained=False)
    assert sum(isinstance(m, nn.MaxPool2d) for m in encoder.modules()) == 4


def test_too_few_pixels_are_an_error() -> None:
    with pytest.raises(PluginError, match="15 pixels are too few; set size = 16 or more"):
        Conv4().build(channels=1, size=15, pretrained=False)


def test_pretrained_weights_are_an_error() -> None:
    with pytest.raises(PluginError, match="'conv4' has no pretrained weights"):
        Conv4().build(channels=1, size=16, pretrained=True)
