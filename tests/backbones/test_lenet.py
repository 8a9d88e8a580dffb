"""lenet is the network of the digit experiments of the ADDA paper."""

from __future__ import annotations

import pytest
import torch

from dabench.backbones.lenet import LeNet
from dabench.errors import PluginError


@pytest.mark.parametrize("size", [16, 17, 28, 32])
def test_features_are_the_500_units_of_the_hidden_layer(size: int) -> None:
    encoder = LeNet().build(channels=1, size=size, pretrained=False)
    found = encoder(torch.rand(2, 1, size, size))
    assert found.shape == (2, 500)
    assert bool((found >= 0).all())


def test_lenet_has_the_426070_parameters_of_28_pixels() -> None:
    encoder = LeNet().build(channels=1, size=28, pretrained=False)
    # 20 * (25 + 1), 50 * (20 * 25 + 1), 500 * (4 * 4 * 50 + 1)
    assert sum(p.numel() for p in encoder.parameters()) == 520 + 25_050 + 400_500 == 426_070


def test_too_few_pixels_are_an_error() -> None:
    with pytest.raises(PluginError, match="16 pixels or more, not 15; set size = 16 or more"):
        LeNet().build(channels=1, size=15, pretrained=False)


def test_pretrained_weights_are_an_error() -> None:
    with pytest.raises(PluginError, match="'lenet' has no pretrained weights"):
        LeNet().build(channels=1, size=16, pretrained=True)
