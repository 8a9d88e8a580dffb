"""What every first-party backbone keeps to. A new one is tested by standing in its folder, or by a line in SIZES."""

from __future__ import annotations

import pytest
import torch

from dabench.errors import PluginError
from dabench.plugins.contract import Backbone
from dabench.plugins.registry import Registry
from dabench.training.network import TorchNetwork, build_network

CASES = [
    (entry.name.replace("*", "resnet18"), channels)
    for entry in Registry(entry_points=False).entries("backbone")
    for channels in (1, 3)
]
SIZE = 32

pytestmark = pytest.mark.parametrize(("name", "channels"), CASES)


def backbone(name: str) -> Backbone:
    made: Backbone = Registry(entry_points=False).make("backbone", name)
    return made


def net(name: str, channels: int) -> TorchNetwork:
    torch.manual_seed(0)
    return build_network(backbone(name), channels, SIZE, classes=5)


def images(channels: int, n: int = 4) -> torch.Tensor:
    return torch.rand(n, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_features_are_two_dimensional_and_as_wide_as_it_says(name: str, channels: int) -> None:
    encoder = backbone(name).build(channels, SIZE, False)
    assert encoder(images(channels)).shape == (4, encoder.num_features)


def test_logits_are_finite(name: str, channels: int) -> None:
    assert bool(torch.isfinite(net(name, channels)(images(channels))).all())


def test_every_parameter_gets_a_gradient(name: str, channels: int) -> None:
    made = net(name, channels)
    made(images(channels)).square().sum().backward()
    assert [n for n, p in made.named_parameters() if p.grad is None] == []


def test_the_same_seed_builds_the_same_network(name: str, channels: int) -> None:
    one, other = net(name, channels).state_dict(), net(name, channels).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_in_evaluation_an_image_is_classified_alike_whatever_is_beside_it(name: str, channels: int) -> None:
    made, four = net(name, channels).eval(), images(channels)
    with torch.inference_mode():
        torch.testing.assert_close(made(four)[:1], made(four[:1]), rtol=1e-4, atol=1e-5)


def test_it_is_built_by_plain_words_alone(name: str, channels: int) -> None:
    made = backbone(name)
    assert (made.name, made.short_name != "", made.title != "") == (name, True, True)


def test_its_publication_can_be_cited(name: str, channels: int) -> None:
    assert backbone(name).citation.startswith("@")


def test_one_pixel_is_an_error_that_says_so_or_works(name: str, channels: int) -> None:
    try:
        encoder = backbone(name).build(channels, 1, False)
    except PluginError as e:
        assert "size" in str(e)  # noqa: PT017  the other way out is no error
    else:
        assert encoder(torch.zeros(2, channels, 1, 1)).ndim == 2
