"""`dabench score` predicts the test splits of a sweep by a user's own network, under the sweep's preprocessing."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_sweeps import SHAPES, tiny
from torch import Tensor, nn
from trained import write_images

import dabench
from dabench.cli import main
from dabench.data.csv_files import image_name
from dabench.errors import DabenchError, PluginError, SpecError, StoreError
from dabench.inference.own_weights import OwnNetwork, class_order, own_network
from dabench.inference.predict import softmax
from dabench.inference.score import NetworkScores, ScoredDataset, write_scores
from dabench.plugins.registry import REGISTRY
from dabench.storage.run_store import RunStore

NETWORK = OwnNetwork(lambda images: images, "")


@pytest.fixture
def weights(trained_runs: Path) -> Path:
    """The network file of dann, seed 1."""
    return next(trained_runs.glob("runs/dann_day_night_s1-*")) / "network.safetensors"


def stored(runs: Path) -> np.ndarray:
    """The probabilities that the run of dann, seed 1, stored for night."""
    return softmax(dabench.load(runs).logits("dann_day_night_s1", "night")[-1])


def of_night(found: NetworkScores) -> ScoredDataset:
    return next(of for of in found.datasets if of.name == "night")


def test_the_weights_of_a_run_give_its_stored_probabilities(trained_runs: Path, weights: Path) -> None:
    found = of_night(dabench.score(trained_runs, weights, backbone="conv4"))
    np.testing.assert_allclose(found.probabilities, stored(trained_runs), atol=1e-6)


def test_the_accuracy_is_that_of_the_labels(trained_runs: Path, weights: Path) -> None:
    found = of_night(dabench.score(trained_runs, weights, backbone="conv4"))
    labels = dabench.load(trained_runs).tests["night"].labels
    assert found.accuracy == (stored(trained_runs).argmax(1) == labels).mean()


def test_the_csv_names_images_as_other_commands_do(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    dabench.score(trained_runs, weights, backbone="conv4", out=tmp_path / "mine.csv")
    with open(tmp_path / "mine.csv", encoding="utf-8", newline="") as f:
        header, *rows = csv.reader(f)
    night = RunStore(trained_runs).dataset("night")
    assert header == ["dataset", "image", "left", "right"]
    assert [row[1] for row in rows if row[0] == "night"] == [image_name(night.facts.digest, i) for i in range(len(night.labels))]
    assert {row[0] for row in rows} == {"day", "night"}


def test_a_report_reads_the_file_and_finds_the_same_accuracy(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    found = of_night(dabench.score(trained_runs, weights, backbone="conv4", out=tmp_path / "mine.csv"))
    assert found.accuracy is not None
    matrix = dabench.report(trained_runs, predictions={"mine": tmp_path / "mine.csv"}, write=False)
    (model,) = matrix.provided
    assert {cell.test: cell.mean for cell in model.cells}["night"] == pytest.approx(100 * found.accuracy, abs=0.01)


def test_a_file_beside_the_csv_that_exists_stays_as_it_is(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("mine", encoding="utf-8")
    dabench.score(trained_runs, weights, backbone="conv4", out=tmp_path / "mine.csv")
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == "mine"


def test_a_class_with_the_name_of_a_column_leaves_the_predicted_class(tmp_path: Path) -> None:
    scored = ScoredDataset("a", "A", "0" * 64, np.array([[0.2, 0.8]]), np.array([1]))
    write_scores(NetworkScores("x", NETWORK, ("image", "b"), (scored,)), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "dataset,image,class\na,00000000-0,b\n"


def test_a_dataset_without_labels_is_not_in_the_csv(tmp_path: Path) -> None:
    scored = ScoredDataset("a", "A", "0" * 64, np.array([[0.2, 0.8]]), None)
    write_scores(NetworkScores("x", NETWORK, ("a", "b"), (scored,)), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "dataset,image,a,b\n"


def test_weights_of_another_program_are_read_by_their_ends(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    """A torch file with module. before the encoder's names, and another name of the head."""
    own = load_file(weights)
    renamed = {name.replace("encoder.", "module.").replace("head.", "module.fc."): value for name, value in own.items()}
    torch.save({"state_dict": renamed, "epoch": 3}, tmp_path / "mine.pth")
    found = dabench.score(trained_runs, tmp_path / "mine.pth", backbone="conv4")
    np.testing.assert_allclose(of_night(found).probabilities, stored(trained_runs), atol=1e-6)
    assert found.network.fit.endswith("head: module.fc.weight, module.fc.bias")


def test_outputs_in_another_order_are_named(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    own = load_file(weights)
    flipped = {name: value.flip(0) if name.startswith("head.") else value for name, value in own.items()}
    torch.save(flipped, tmp_path / "mine.pth")
    found = dabench.score(trained_runs, tmp_path / "mine.pth", backbone="conv4", classes=["right", "left"])
    np.testing.assert_allclose(of_night(found).probabilities, stored(trained_runs), atol=1e-6)


def test_more_outputs_than_the_sweep_has_classes_are_left_out() -> None:
    assert class_order(["b", "x", "a"], ["a", "b"]).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("given", "message"),
    [(["a", "c"], "the class 'b' of the sweep is missing"), (["a", "a", "b"], "'a' occurs twice")],
)
def test_a_wrong_list_of_classes_is_named(given: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        class_order(given, ["a", "b"])


def test_weights_without_their_backbone_are_refused(trained_runs: Path, weights: Path) -> None:
    with pytest.raises(SpecError, match="holds weights alone; name their backbone with --backbone"):
        dabench.score(trained_runs, weights)


def test_a_file_that_is_missing_is_named(trained_runs: Path) -> None:
    with pytest.raises(SpecError, match=r"--network gone\.pth: there is no such file"):
        dabench.score(trained_runs, "gone.pth", backbone="conv4")


def test_a_head_of_other_classes_is_named(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    torch.save(load_file(weights) | {"head.weight": torch.zeros(7, 4)}, tmp_path / "mine.pth")
    with pytest.raises(PluginError, match=r"no linear layer of 2 classes on the 4 features of conv4; .*head\.weight \(7, 4\)"):
        dabench.score(trained_runs, tmp_path / "mine.pth", backbone="conv4")


def test_weights_that_do_not_fill_the_backbone_are_refused(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    own = load_file(weights)
    del own["encoder.0.weight"]
    torch.save(own, tmp_path / "mine.pth")
    with pytest.raises(PluginError, match=r"does not fill the backbone conv4: .*the file lacks: 0\.weight"):
        dabench.score(trained_runs, tmp_path / "mine.pth", backbone="conv4")


def test_test_images_that_have_changed_are_refused(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(trained_runs, tmp_path / "copy"))
    raw = trained_runs.parent / "raw" / "night"
    kept = Path(shutil.move(raw, tmp_path / "kept"))
    try:
        write_images(raw, 9, 0)
        with pytest.raises(StoreError, match="prepared images of night are not those that the runs were tested on"):
            dabench.score(runs, weights, backbone="conv4")
    finally:
        shutil.rmtree(raw)
        shutil.move(kept, raw)


def test_an_existing_csv_is_not_overwritten(trained_runs: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="exists; give another file with --out"):
        dabench.score(trained_runs, weights, backbone="conv4", out=tmp_path / "mine.csv")


def test_the_test_images_of_all_folds_are_predicted_in_the_order_of_the_store(tmp_path: Path) -> None:
    made = tiny(tmp_path, ["none"], head="folds = 2")
    made.run(tmp_path / "runs")
    store = RunStore(tmp_path / "runs")
    file = next((tmp_path / "runs").glob("runs/supervised_bright_s0_f1-*")) / "network.safetensors"
    found = dabench.score(tmp_path / "runs", file, backbone="conv4", plugins=[SHAPES])
    pale = next(of for of in found.datasets if of.name == "pale")
    facts = store.dataset("pale").facts
    first = made.digest("supervised_bright_s0_f1")
    record = store.find(first)
    assert record is not None
    np.testing.assert_allclose(pale.probabilities[facts.tested_in(1)], softmax(record.logits("pale")[-1]), atol=1e-6)
    assert len(pale.probabilities) == facts.counts["test"]


def test_ten_crops_are_taken_where_the_sweep_tests_by_ten(tmp_path: Path) -> None:
    made = tiny(tmp_path, ["none"], head="size = 20", tables="[test]\ncrops = 10\n[augment]\ncrop = 16\nflip = true\n")
    made.run(tmp_path / "runs")
    record = RunStore(tmp_path / "runs").find(made.digest("supervised_bright_s0"))
    assert record is not None
    file = tmp_path / "runs" / record.where / "network.safetensors"
    found = dabench.score(tmp_path / "runs", file, backbone="conv4", plugins=[SHAPES])
    pale = next(of for of in found.datasets if of.name == "pale")
    np.testing.assert_allclose(pale.probabilities, softmax(record.logits("pale")[-1]), atol=1e-5)


def test_a_dataset_without_labels_has_no_accuracy() -> None:
    assert ScoredDataset("a", "A", "0" * 64, np.array([[0.2, 0.8]]), None).accuracy is None


def test_the_command_prints_accuracies_and_the_next_command(
    trained_runs: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["score", str(trained_runs), "--network", str(weights), "--backbone", "conv4", "--name", "mine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    right = 100 * float((stored(trained_runs).argmax(1) == dabench.load(trained_runs).tests["night"].labels).mean())
    assert f"  night  accuracy {right:.1f} %, 16 test images" in lines
    assert lines[-1] == f"Next: dabench report {trained_runs} --predictions mine=mine.csv"


def test_the_command_says_that_reports_of_folds_take_no_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny(tmp_path, ["none"], head="folds = 2").run(tmp_path / "runs")
    file = next((tmp_path / "runs").glob("runs/supervised_bright_s0_f1-*")) / "network.safetensors"
    given = ["--network", str(file), "--backbone", "conv4", "--name", "mine", "--plugin", str(SHAPES)]
    assert main(["score", str(tmp_path / "runs"), *given]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("This sweep has folds, so its reports take no predictions")


# ONNX


class Channels(nn.Module):
    """Two logits: the means of the upper and the lower half."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([images[:, :, :8].mean((1, 2, 3)), images[:, :, 8:].mean((1, 2, 3))], dim=1)


def onnx_file(path: Path, size: int, batch: int | None) -> Path:
    pytest.importorskip("onnxruntime", reason="needs dabench[onnx]")
    shapes = None if batch else ({0: torch.export.Dim("batch")},)
    program = torch.export.export(Channels(), (torch.rand(batch or 4, 3, size, size),), dynamic_shapes=shapes)
    written = torch.onnx.export(program, dynamo=True, verbose=False)
    assert written is not None
    written.save(path)
    return path


@pytest.mark.filterwarnings("ignore")  # of the exporter
@pytest.mark.parametrize("batch", [None, 3], ids=["any number of images", "three images at once"])
def test_a_network_in_onnx_is_scored(trained_runs: Path, tmp_path: Path, batch: int | None) -> None:
    record = RunStore(trained_runs).read_sweep()
    net = own_network(onnx_file(tmp_path / "net.onnx", 16, batch), None, 2, record, (3, 16), REGISTRY)
    images = torch.rand(7, 3, 16, 16)
    torch.testing.assert_close(net.logits(images), Channels()(images))


@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_a_network_in_onnx_for_images_of_another_size_is_refused(trained_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"but the sweep's images are \(B, 3, 16, 16\)"):
        dabench.score(trained_runs, onnx_file(tmp_path / "net.onnx", 20, None))


def test_a_file_that_is_no_onnx_network_is_named(trained_runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs dabench[onnx]")
    (tmp_path / "net.onnx").write_bytes(b"no network")
    with pytest.raises(DabenchError, match=r"net\.onnx: cannot be read as an ONNX network"):
        dabench.score(trained_runs, tmp_path / "net.onnx")
