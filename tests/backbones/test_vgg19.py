"""vgg19 is the study's network, to the parameter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dabench.backbones.vgg19 import VGG19
from dabench.errors import PluginError
from dabench.training.network import TorchNetwork, build_network, parameter_count


@pytest.fixture(scope="module")
def net() -> TorchNetwork:
    return build_network(VGG19(), channels=3, size=44, classes=7)


def test_vgg19_has_the_studys_20038983_parameters(net: TorchNetwork) -> None:
    assert parameter_count(net) == 20_038_983


def test_vgg19_drops_half_of_its_features(net: TorchNetwork) -> None:
    assert net.dropout.p == 0.5


@pytest.mark.parametrize(("kind", "count"), [(nn.Conv2d, 16), (nn.BatchNorm2d, 16), (nn.ReLU, 16), (nn.MaxPool2d, 5)])
def test_vgg19_has_the_studys_layers(net: TorchNetwork, kind: type[nn.Module], count: int) -> None:
    assert sum(isinstance(m, kind) for m in net.encoder.modules()) == count


def test_vgg19_gives_seven_logits_at_44(net: TorchNetwork) -> None:
    with torch.inference_mode():
        assert net.eval()(torch.zeros(2, 3, 44, 44)).shape == (2, 7)


def test_average_of_what_is_left_changes_nothing_at_44(net: TorchNetwork) -> None:
    images = torch.rand(2, 3, 44, 44, generator=torch.Generator().manual_seed(0))
    before_average = nn.Sequential(*list(net.encoder.children())[:-2]).eval()
    with torch.inference_mode():
        assert torch.equal(before_average(images).flatten(1), net.eval().features(images))


def test_vgg19_takes_grey_images() -> None:
    encoder = VGG19().build(channels=1, size=44, pretrained=False).eval()
    with torch.inference_mode():
        assert encoder(torch.zeros(1, 1, 44, 44)).shape == (1, 512)


def test_vgg19_takes_32_pixels() -> None:
    encoder = VGG19().build(channels=1, size=32, pretrained=False).eval()
    with torch.inference_mode():
        assert encoder(torch.zeros(1, 1, 32, 32)).shape == (1, 512)


def test_too_few_pixels_are_an_error() -> None:
    with pytest.raises(PluginError, match="31 pixels are too few; set size = 32 or more"):
        VGG19().build(channels=3, size=31, pretrained=False)


def test_pretrained_weights_are_an_error_that_names_where_there_are_some() -> None:
    with pytest.raises(PluginError, match="no pretrained weights; use timm/vgg19_bn"):
        VGG19().build(channels=3, size=44, pretrained=True)


def test_he_initialisation_is_by_fan_out() -> None:
    encoder = VGG19(VGG19.Options(init="he")).build(channels=3, size=44, pretrained=False)
    for convolution in (m for m in encoder.modules() if isinstance(m, nn.Conv2d)):
        expected = (2 / (9 * convolution.out_channels)) ** 0.5
        assert float(convolution.weight.detach().std()) == pytest.approx(expected, rel=0.06)
        assert convolution.bias is not None
        assert not convolution.bias.any()


def test_the_initialisation_is_torchs_unless_asked() -> None:
    torch.manual_seed(0)
    first = next(VGG19().build(channels=3, size=44, pretrained=False).parameters())
    torch.manual_seed(0)
    assert torch.equal(first, nn.Conv2d(3, 64, 3).weight)
