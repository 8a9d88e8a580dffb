"""timm/NAME is any model of that library, its number of features found and its weights not guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dabench.backbones.timm import Timm, _normalise
from dabench.errors import PluginError
from dabench.plugins.registry import REGISTRY
from dabench.training.network import build_network


def model(name: str) -> Timm:
    return Timm(variant=name)


def test_width_of_resnet18_is_found() -> None:
    assert model("resnet18").build(channels=3, size=32, pretrained=False).num_features == 512


def test_resnet18_takes_grey_images() -> None:
    net = build_network(model("resnet18"), channels=1, size=32, classes=7).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 7)


def test_a_transformer_is_built_for_the_size_of_the_images() -> None:
    net = build_network(model("vit_tiny_patch16_224"), channels=3, size=32, classes=7).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_probing_for_the_width_leaves_batch_statistics_alone() -> None:
    encoder = model("resnet18").build(channels=3, size=32, pretrained=False)
    means = [m.running_mean for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert means
    assert all(float(mean.abs().sum()) == 0 for mean in means if mean is not None)


def test_the_encoder_is_ready_to_train() -> None:
    assert model("resnet18").build(channels=3, size=32, pretrained=False).training


def test_the_registry_finds_any_model_by_its_name() -> None:
    backbone = REGISTRY.make("backbone", "timm/resnet18")
    assert (backbone.name, backbone.short_name) == ("timm/resnet18", "RESNET18")


def test_an_unknown_model_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(PluginError, match=r"timm has no model 'resnet19'; did you mean .*'resnet1"):
        model("resnet19").build(channels=3, size=32, pretrained=False)


def test_pretrained_weights_that_cannot_be_had_are_an_error_that_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # The library reads the variable when it is imported, which may have been long ago.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        PluginError, match=r"timm/resnet18: its pretrained weights cannot be loaded \(.*\(HF_HOME\), or set pretrained"
    ):
        model("resnet18").build(channels=3, size=32, pretrained=True)


def test_an_image_size_that_a_model_cannot_take_is_an_error() -> None:
    with pytest.raises(PluginError, match="timm/inception_v3 does not accept 3x16x16 images"):
        model("inception_v3").build(channels=3, size=16, pretrained=False)


def test_pretrained_models_see_images_normalised_as_they_were_trained() -> None:
    images = torch.tensor([0.2, 0.5, 0.9])[None, :, None, None].expand(1, 3, 2, 2)
    expected = torch.tensor([(0.2 - 0.4) / 0.1, (0.5 - 0.5) / 0.2, (0.9 - 0.6) / 0.3])
    torch.testing.assert_close(_normalise(3, [0.4, 0.5, 0.6], [0.1, 0.2, 0.3])(images)[0, :, 0, 0], expected)


def test_grey_images_are_normalised_by_the_mean_of_the_colours() -> None:
    grey = _normalise(1, [0.4, 0.5, 0.6], [0.1, 0.2, 0.3])(torch.full((1, 1, 2, 2), 0.7))
    torch.testing.assert_close(grey, torch.ones(1, 1, 2, 2))
