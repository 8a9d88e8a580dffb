"""`dabench export-network` writes networks that give the same logits in programs without dabench, with a model card."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from fabricated import edit
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn
from trained import raw_files

import dabench
from dabench.cli import main
from dabench.errors import SpecError, StoreError
from dabench.inference import export as module
from dabench.inference.plain import PlainNetwork, plain_code
from dabench.plugins.registry import REGISTRY
from dabench.training.network import build_network
from dabench.training.settings import NetworkConfig

FORMATS = ("safetensors", "pt2", "torchscript", "onnx")

TOLERANCE = 1e-5
"""Between the logits of an exported network and those of the stored one."""

WITHOUT_DABENCH = """
import sys, torch
sys.modules["dabench"] = None
torch.set_printoptions(precision=8, sci_mode=False)
"""


def exported(runs: Path, form: str, to: Path, adapter: str = "dann") -> Path:
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="needs dabench[onnx]")
    return dabench.export_network(runs, to / form, adapter=adapter, to="night", seed=1, format=form).folder  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folders(trained_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network of dann in every format that can be written here."""
    folder = tmp_path_factory.mktemp("exported")
    for form in FORMATS[:3]:
        exported(trained_runs, form, folder)
    return folder


def written(folders: Path, trained_runs: Path, form: str) -> Path:
    """Return the folder of a format; ONNX is written when it is first needed."""
    return folders / form if (folders / form).is_dir() else exported(trained_runs, form, folders)


def code_of(card: str) -> str:
    found = re.search(r"```python\n(.*?)```", card, re.S)
    assert found
    return found[1]


def printed_logits(folder: Path, image: Path) -> NDArray[np.float64]:
    """Return the logits that the code of the card prints for an image, in a process that cannot import dabench."""
    code = code_of((folder / "README.md").read_text(encoding="utf-8")).replace('"image.png"', repr(str(image)))
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_DABENCH + code.replace(".softmax(1)", "")], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return np.array(re.findall(r"-?\d+\.\d+", ran.stdout), np.float64)


@pytest.mark.parametrize("form", FORMATS)
def test_the_code_of_the_card_gives_the_same_logits_without_dabench(folders: Path, trained_runs: Path, form: str) -> None:
    image = raw_files(trained_runs, "night")[0]
    stored = dabench.network(trained_runs, "dann", to="night", seed=1)
    expected = stored.network(stored.preprocessing(image)).numpy()[0]
    np.testing.assert_allclose(printed_logits(written(folders, trained_runs, form), image), expected, atol=TOLERANCE)


@pytest.mark.parametrize("form", FORMATS)
def test_the_files_do_not_name_folders_of_this_machine(folders: Path, trained_runs: Path, form: str) -> None:
    places = [str(Path(dabench.__file__).parent), sysconfig.get_paths()["purelib"], str(trained_runs.parent), "site-packages"]
    for file in written(folders, trained_runs, form).iterdir():
        content = file.read_bytes()
        assert [place for place in places if place.encode() in content] == []


def test_an_onnx_file_names_its_input_and_takes_any_number_of_images(folders: Path, trained_runs: Path) -> None:
    net = module.OnnxNetwork(written(folders, trained_runs, "onnx") / "network.onnx")
    assert net.shape == ("batch", 3, 16, 16)


@pytest.mark.parametrize("form", ["safetensors", "pt2", "torchscript"])
@pytest.mark.parametrize("adapter", ["dann + em-prior", "shot"])
def test_a_correction_and_weights_made_of_others_are_exported(
    trained_runs: Path, tmp_path: Path, adapter: str, form: str
) -> None:
    found = dabench.export_network(trained_runs, tmp_path / "out", adapter=adapter, to="night", format=form)  # type: ignore[arg-type]
    assert found.difference <= TOLERANCE


def test_a_head_of_the_method_itself_has_no_plain_code(trained_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"MeanOfHeads is neither a layer of torch\.nn .* use --format pt2 or --format onnx"):
        exported(trained_runs, "safetensors", tmp_path, "mcd")
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_the_method_itself_is_exported_as_its_computation(trained_runs: Path, tmp_path: Path) -> None:
    assert dabench.export_network(trained_runs, tmp_path / "out", adapter="mcd", to="night", format="pt2").difference <= TOLERANCE


def test_a_network_that_reads_back_otherwise_is_not_written(
    trained_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    with pytest.raises(StoreError, match="the written network differs from the stored one"):
        exported(trained_runs, "safetensors", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_refused(trained_runs: Path, tmp_path: Path) -> None:
    (tmp_path / "safetensors").mkdir()
    (tmp_path / "safetensors" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="exists; give another folder with --out"):
        exported(trained_runs, "safetensors", tmp_path)
    assert [path.name for path in (tmp_path / "safetensors").iterdir()] == ["mine.txt"]


def test_a_package_that_onnx_needs_is_named(trained_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(SpecError, match=r"needs the package onnxscript; install it with: pip install 'dabench\[onnx\]'"):
        dabench.export_network(trained_runs, tmp_path / "out", adapter="dann", to="night", format="onnx")


def test_an_unknown_format_is_named_with_those_that_there_are(trained_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="format 'keras': must be safetensors, pt2, torchscript, onnx"):
        dabench.export_network(trained_runs, tmp_path, adapter="dann", to="night", format="keras")  # type: ignore[arg-type]


def test_the_command_prints_the_files_and_the_run(trained_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-network", str(trained_runs), "--adapter", "dann", "--to", "night", "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"{tmp_path / 'out'}: README.md, network.json, network.py, network.safetensors",
        "Network: dann_day_night_s0",
    ]


def test_the_facts_are_json(folders: Path) -> None:
    facts = json.loads((folders / "pt2" / "network.json").read_text(encoding="utf-8"))
    assert (facts["classes"], facts["input"]["crop"], facts["seed"]) == (["left", "right"], 16, 1)


# The card


@pytest.fixture
def card(folders: Path) -> str:
    return (folders / "safetensors" / "README.md").read_text(encoding="utf-8")


def test_the_card_states_the_mean_of_the_table_with_its_interval(card: str, trained_runs: Path) -> None:
    cells = dabench.report(trained_runs, write=False).cells
    cell = next(c for c in cells if (c.adapter, c.target, c.test) == ("dann", "night", "night"))
    assert f"{cell.mean:.1f} [{cell.low:.1f}, {cell.high:.1f}]" in card


def test_the_card_states_the_accuracy_of_this_network(card: str, trained_runs: Path) -> None:
    found = dabench.load(trained_runs)
    right = found.logits("dann_day_night_s1", "night")[-1].argmax(1) == found.tests["night"].labels
    assert re.search(rf"^\| NIGHT +\| {100 * right.mean():.1f} ", card, re.M)


def test_the_card_states_licenses(card: str) -> None:
    assert "- night (target): your own images in class folders or a zip of them. License: CC0" in card


def test_the_card_states_the_conditions(card: str) -> None:
    assert "Target labels: no target labels. Target images while adapting: train" in card


def test_the_card_cites_its_own_adapter_alone(card: str) -> None:
    assert "ganin2016domain" in card
    assert "saito2018maximum" not in card


def test_the_card_says_that_logits_are_corrected(trained_runs: Path, tmp_path: Path) -> None:
    folder = exported(trained_runs, "safetensors", tmp_path, "dann + em-prior")
    assert "The logits contain the correction for the class shares" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_names_the_weights_that_the_training_started_from(trained_runs: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(trained_runs, tmp_path / "copy"))
    edit(runs / "sweep.json", lambda text: text.replace('"short_name": "CONV4"', '"short_name": "CONV4", "weights": "mine.pth"'))
    card = (exported(runs, "safetensors", tmp_path) / "README.md").read_text(encoding="utf-8")
    assert "- The training started from other weights, whose terms apply as well: mine.pth" in card


# Plain code


def outputs_of(code: str, weights: PlainNetwork, folder: Path, images: torch.Tensor) -> torch.Tensor:
    from safetensors.torch import save_file

    (folder / "network.py").write_text(code, encoding="utf-8")
    save_file({name: value.contiguous() for name, value in weights.state_dict().items()}, folder / "network.safetensors")
    network = runpy.run_path(str(folder / "network.py"))["load_network"]()
    with torch.inference_mode():
        result: torch.Tensor = network(images)
    return result


BACKBONES = {
    "conv4": ("conv4", 1, 16),
    "lenet": ("lenet", 3, 20),
    "vgg19": ("vgg19", 1, 32),
    "a convolutional model of timm": ("timm/resnet10t", 3, 32),
    "a model of timm for one size": ("timm/vit_tiny_patch16_224", 3, 32),
}


@pytest.mark.parametrize(("backbone", "channels", "size"), BACKBONES.values(), ids=BACKBONES)
def test_plain_code_makes_the_network_of_a_backbone(backbone: str, channels: int, size: int, tmp_path: Path) -> None:
    made = REGISTRY.make("backbone", backbone)
    net = PlainNetwork(build_network(made, channels, size, 3))
    images = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    code = plain_code(net, "A network.", ("a", "b", "c"), (channels, size), made)
    torch.testing.assert_close(outputs_of(code, net, tmp_path, images), net(images))


def test_plain_code_holds_the_normalisation_and_the_bottleneck_of_the_sweep(tmp_path: Path) -> None:
    made = REGISTRY.make("backbone", "conv4")
    settings = NetworkConfig(bottleneck=6, mean=(0.2, 0.5, 0.4), std=(0.3, 0.2, 0.5))
    net = PlainNetwork(build_network(made, 3, 16, 2, settings=settings))
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    code = plain_code(net, "A network.", ("a", "b"), (3, 16), made)
    torch.testing.assert_close(outputs_of(code, net, tmp_path, images), net(images))


def test_plain_code_holds_arguments_that_are_not_the_defaults() -> None:
    made = REGISTRY.make("backbone", "lenet")
    net = build_network(made, 1, 16, 2)
    net.encoder = nn.Sequential(nn.Conv2d(1, 2, (3, 5), stride=2, bias=False), nn.BatchNorm2d(2, eps=0.1), nn.Flatten())
    code = plain_code(PlainNetwork(net), "A network.", ("a", "b"), (1, 16), made)
    assert "nn.Conv2d(1, 2, (3, 5), stride=2, bias=False)" in code
    assert "nn.BatchNorm2d(2, eps=0.1)" in code


def test_a_name_cannot_end_the_docstring_of_plain_code() -> None:
    made = REGISTRY.make("backbone", "lenet")
    code = plain_code(
        PlainNetwork(build_network(made, 1, 16, 2)), 'A """\nraise SystemExit\n""" \\', ('"""', "b\n"), (1, 16), made
    )
    assert [type(node).__name__ for node in ast.parse(code).body if isinstance(node, ast.Raise)] == []
    assert str(ast.get_docstring(ast.parse(code))).startswith("A ''' raise SystemExit ''' '\n")


def test_the_exported_weights_are_those_that_predict(folders: Path) -> None:
    names = load_file(folders / "safetensors" / "network.safetensors")
    assert {name.partition(".")[0] for name in names} == {"encoder", "head"}
