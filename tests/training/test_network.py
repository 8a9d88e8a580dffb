"""A network is an encoder, dropout and a linear layer; its file brings it back to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from planted import SIZE, network, trainer, view
from torch import nn

from dabench.backbones.conv4 import Conv4
from dabench.backbones.timm import Timm
from dabench.errors import PluginError, StoreError
from dabench.plugins.contract import Backbone
from dabench.training.network import (
    TorchNetwork,
    build_network,
    device_of,
    estimate_statistics,
    load_network,
    misfit,
    moved,
    parameter_count,
    save_network,
)
from dabench.training.settings import NetworkConfig

IMAGES = torch.rand(6, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


class Bad(Backbone):
    """A backbone that forgets its number of features, or gives no module."""

    name = "bad"

    def __init__(self, given: object) -> None:
        super().__init__()
        self.given = given

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        return self.given  # type: ignore[return-value]


class Dropping(Backbone):
    """A backbone whose features are dropped."""

    name = "dropping"
    dropout = 0.25

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        encoder = nn.Flatten()
        encoder.num_features = channels * size * size  # type: ignore[assignment]
        return encoder


def test_logits_are_the_classifier_of_the_features() -> None:
    net = network(8).eval()
    assert torch.equal(net(IMAGES), net.classify(net.features(IMAGES)))


def test_features_have_the_encoders_width() -> None:
    assert network(8).features(IMAGES).shape == (6, 8)


def test_dropout_is_the_backbones() -> None:
    assert build_network(Dropping(), 1, 4, 3).dropout.p == 0.25


def test_dropout_acts_between_features_and_classifier() -> None:
    net = build_network(Dropping(), 1, 4, 3).train()
    net.dropout.p = 1.0
    assert torch.equal(net(torch.ones(2, 1, 4, 4)), net.head.bias.expand(2, 3))


# [network]


def conv4(**settings: Any) -> TorchNetwork:
    torch.manual_seed(0)
    return build_network(Conv4(Conv4.Options(width=8)), 1, SIZE, 3, settings=NetworkConfig(**settings))


def test_features_with_a_bottleneck_are_those_of_the_bottleneck() -> None:
    net = conv4(bottleneck=5).eval()
    assert (net.bottleneck, net.head.in_features) == (5, 5)
    own, linear, norm, relu = net.encoder.children()
    assert torch.equal(net.features(IMAGES), relu(norm(linear(own(IMAGES)))))
    assert net(IMAGES).shape == (6, 3)


def test_a_bottleneck_has_batch_norm_and_relu_unless_it_is_the_linear_layer_alone() -> None:
    kinds = [[type(m).__name__ for m in conv4(bottleneck=5, bottleneck_norm=on).encoder.children()][1:] for on in (True, False)]
    assert kinds == [["Linear", "BatchNorm1d", "ReLU"], ["Linear"]]


def test_without_settings_a_network_is_what_it_always_was() -> None:
    plain, own = network(8), conv4()
    assert own.bottleneck == 0
    assert own.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(own.features(IMAGES), plain.features(IMAGES))


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        ((0.5,), (0.25,), [-2.0, 0.0, 2.0]),
        ((0.0, 0.5, 1.0), (1.0, 0.5, 0.25), [0.0, 0.0, 0.0]),
        ((0.5,), (1, 0.5, 0.25), [-0.5, 0, 2]),
    ],
)
def test_images_are_normalised_by_one_value_or_by_one_for_each_channel(
    mean: tuple[float, ...], std: tuple[float, ...], expected: list[float]
) -> None:
    net = build_network(Dropping(), 3, 2, 3, settings=NetworkConfig(mean=mean, std=std))
    images = torch.tensor([0.0, 0.5, 1.0])[None, :, None, None].expand(1, 3, 2, 2)
    torch.testing.assert_close(net.features(images).view(3, 4), torch.tensor(expected)[:, None].expand(3, 4))


def test_the_normalisation_of_a_timm_model_is_replaced() -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    own, other = (
        build_network(Timm(variant="test_resnet"), 3, 32, 7, settings=s).eval()
        for s in (NetworkConfig(), NetworkConfig(mean=(0.25,), std=(0.5,)))
    )
    assert misfit(own, other.state_dict()) == ""
    own.load_state_dict(other.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(other.features(images), own.encoder[1]((images - 0.25) / 0.5))  # type: ignore[index]
    assert str(other.encoder.note).endswith(
        "; [network] normalises images by mean 0.25, 0.25, 0.25 and standard deviation 0.5, 0.5, 0.5 instead"
    )


def test_the_note_of_an_encoder_stays_with_its_bottleneck() -> None:
    net = build_network(Timm(variant="test_resnet"), 3, 32, 7, settings=NetworkConfig(bottleneck=4))
    assert str(net.encoder.note).startswith("images are normalised by mean")


@pytest.mark.parametrize("given", [nn.Flatten(), "no module", None])
def test_a_backbone_that_breaks_its_contract_is_named(given: object) -> None:
    with pytest.raises(PluginError, match=r"backbone 'bad': build\(\) must return a torch module with an int attribute"):
        build_network(Bad(given), 1, 4, 3)


def test_only_trainable_parameters_are_counted() -> None:
    net = TorchNetwork(nn.Linear(4, 2), 2, 3)
    for p in net.encoder.parameters():
        p.requires_grad_(False)
    assert parameter_count(net) == 2 * 3 + 3


def test_device_is_that_of_the_parameters() -> None:
    assert device_of(network(8)) == torch.device("cpu")


def test_a_saved_network_comes_back_to_the_bit(tmp_path: Path) -> None:
    net, other = trainer(steps=5).supervised(network(8), [view("source", 50, 1)]), network(8, seed=1)
    save_network(net, tmp_path / "network.safetensors")
    load_network(other, tmp_path / "network.safetensors")
    saved, loaded = net.state_dict(), other.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_a_network_in_channels_last_memory_can_be_saved(tmp_path: Path) -> None:
    net, other = network(8).to(memory_format=torch.channels_last), network(8, seed=1)  # type: ignore[call-overload]
    save_network(net, tmp_path / "network.safetensors")
    load_network(other, tmp_path / "network.safetensors")
    assert torch.equal(net.encoder[4].weight, other.encoder[4].weight)


@pytest.mark.parametrize(("device", "last"), [("cuda", True), ("cpu", False)])
def test_on_cuda_weights_lie_channels_last(monkeypatch: pytest.MonkeyPatch, device: str, last: bool) -> None:
    net, places, real = network(), list[object](), nn.Module.to

    def to(self: nn.Module, *place: Any, **form: Any) -> nn.Module:
        places.extend(place)
        return self if place else real(self, **form)

    monkeypatch.setattr(nn.Module, "to", to)
    weights = [p for p in moved(net, torch.device(device)).parameters() if p.dim() == 4 and p.shape[1] > 1]
    assert places == [torch.device(device)]
    assert [p.is_contiguous(memory_format=torch.channels_last) for p in weights] == [last] * len(weights) != []


def test_another_networks_file_is_an_error(tmp_path: Path) -> None:
    save_network(network(8), tmp_path / "network.safetensors")
    with pytest.raises(StoreError, match=r"the stored network has other shapes .* is \(8,.*\), not \(16,"):
        load_network(network(16), tmp_path / "network.safetensors")


def test_the_error_of_another_architecture_names_what_is_more_and_less_and_where_to_add_it() -> None:
    net = network(8)
    bottleneck = {"bottleneck.weight": torch.ones(2, 2)}
    assert misfit(net, net.state_dict()) == ""
    assert "has more than this network (bottleneck.weight); " in misfit(net, net.state_dict() | bottleneck)
    assert "add others in the adapter's network()" in misfit(net, net.state_dict() | bottleneck)
    assert "has less than this network (head.bias)" in misfit(
        net, {n: t for n, t in net.state_dict().items() if n != "head.bias"}
    )


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_network(network(8), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match=r"network.safetensors: cannot be read \(.*\); run the sweep again with --redo"):
        load_network(network(8), path)


def moments(norm: nn.BatchNorm2d | nn.BatchNorm1d) -> tuple[torch.Tensor, torch.Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


@pytest.mark.parametrize("sizes", [(512, 1), (1, 512), (300, 200, 13)])
def test_estimated_statistics_weigh_images_however_they_are_divided_into_batches(sizes: tuple[int, ...]) -> None:
    images = torch.randn(513, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * 5 + 3
    norm = nn.BatchNorm2d(3)
    estimate_statistics(norm, images.split(sizes))
    mean, variance = moments(norm)
    torch.testing.assert_close(mean, images.mean((0, 2, 3)))
    torch.testing.assert_close(variance, images.var((0, 2, 3)))


def test_a_division_into_batches_hardly_changes_the_statistics_of_deep_norms() -> None:
    images = torch.rand(1025, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    one, divided = network(8), network(8)
    estimate_statistics(one, [images])
    estimate_statistics(divided, images.tensor_split(2))
    deepest = [[m for m in net.modules() if isinstance(m, nn.BatchNorm2d)][-1] for net in (one, divided)]
    for whole, parts in zip(*map(moments, deepest), strict=True):
        torch.testing.assert_close(parts, whole, rtol=0.03, atol=0.003)


def test_estimating_statistics_leaves_the_network_in_evaluation_mode() -> None:
    net = network(8).train()
    estimate_statistics(net, [IMAGES])
    assert not any(m.training for m in net.modules())
