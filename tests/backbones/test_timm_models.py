"""timm/NAME is any model of that library, its number of features found and its weights not guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub.errors import EntryNotFoundError
from safetensors.torch import save_file

from dabench.backbones.timm import Timm, _normalise
from dabench.errors import NotDownloadedError, PluginError
from dabench.plugins.registry import REGISTRY
from dabench.plugins.weights import offline
from dabench.training.network import build_network, misfit


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


# Names with a tag, and names of the hub


def test_a_name_may_have_the_tag_of_its_weights() -> None:
    backbone = REGISTRY.make("backbone", "timm/test_resnet.r160_in1k")
    assert (backbone.short_name, backbone.build(3, 32, False).num_features) == ("TEST_RESNET.R160_IN1K", 96)


def test_an_unknown_tag_is_an_error_with_the_tags_of_the_model() -> None:
    with pytest.raises(PluginError, match=r"timm has no weights 'a1' of the model 'resnet18'; it has a1_in1k, a2_in1k"):
        model("resnet18.a1").build(channels=3, size=32, pretrained=False)


def test_a_model_without_published_weights_is_an_error_that_says_so() -> None:
    name = next(name for name in timm.list_models("resnet*") if not timm.is_model_pretrained(name))
    with pytest.raises(PluginError, match=f"no weights of the model '{name}'; set pretrained = false, or weights = FILE"):
        model(name).build(channels=3, size=32, pretrained=True)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A hub of one model, timm's test_vit, with weights of seed 3 at 160 pixels. The list names what was downloaded."""
    asked: list[str] = []
    torch.manual_seed(3)
    net = timm.create_model("test_vit.r160_in1k")
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": "test_vit", "num_classes": 1000, "pretrained_cfg": {"mean": [0.4] * 3, "std": [0.1] * 3}}
    config["pretrained_cfg"] |= {"input_size": [3, 160, 160], "fixed_input_size": True, "num_classes": 1000, "classifier": "head"}
    (tmp_path / "config.json").write_text(json.dumps(config))

    def download(repo_id: str, filename: str, **_: object) -> str:
        asked.append(filename)
        if not (tmp_path / filename).exists():
            raise EntryNotFoundError(filename)
        return str(tmp_path / filename)

    for place in ("timm.models._hub.hf_hub_download", "huggingface_hub.hf_hub_download"):
        monkeypatch.setattr(place, download)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "config.json") if asked else None)
    return asked


def test_a_model_of_the_hub_has_its_weights_its_normalisation_and_the_size_of_the_images(hub: list[str]) -> None:
    backbone = REGISTRY.make("backbone", "timm/hf-hub:me/small")
    encoder = backbone.build(3, 64, True)
    torch.manual_seed(3)
    weights = timm.create_model("test_vit.r160_in1k").state_dict()
    assert torch.equal(encoder.state_dict()["1.blocks.0.attn.qkv.weight"], weights["blocks.0.attn.qkv.weight"])
    assert encoder.state_dict()["1.pos_embed"].shape[1] < weights["pos_embed"].shape[1]
    assert backbone.short_name == "SMALL"
    assert encoder.note == (
        "published weights of 160x160 images, used at 64x64; images are normalised by mean 0.4, 0.4, 0.4 and standard deviation "
        "0.1, 0.1, 0.1"
    )


def test_a_model_of_the_hub_is_built_without_its_weights_from_what_was_downloaded(hub: list[str]) -> None:
    model("hf-hub:me/small").build(3, 64, True)
    hub[:] = ["config.json"]
    offline(model("hf-hub:me/small")).build(3, 64, False)
    assert hub == ["config.json"]


def test_a_plan_downloads_nothing_of_the_hub(hub: list[str]) -> None:
    with pytest.raises(NotDownloadedError, match="timm/hf-hub:me/small is not in the hub's cache; the sweep downloads it"):
        offline(model("hf-hub:me/small")).build(3, 64, False)
    assert hub == []


# Files of weights


def test_position_embeddings_of_a_file_are_resampled_to_the_size_of_the_images(tmp_path: Path) -> None:
    torch.manual_seed(3)
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "vit.safetensors")
    encoder = REGISTRY.make("backbone", "timm/test_vit", {"weights": str(tmp_path / "vit.safetensors")}).build(3, 64, False)
    assert "tensors; not used: head.bias, head.weight; images are normalised by mean" in encoder.note
    assert "shapes" not in encoder.note


def test_pretrained_and_adapted_networks_have_the_same_parameters(hub: list[str]) -> None:
    one, other = (build_network(model("hf-hub:me/small"), 3, 64, 7, pretrained) for pretrained in (True, False))
    assert misfit(one, other.state_dict()) == ""
