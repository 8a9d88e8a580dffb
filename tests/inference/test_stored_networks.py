"""The networks of a results folder are built again with their weights, or the reason why not is named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fabricated import edit
from safetensors.torch import load_file, save_file
from tiny_sweeps import tiny
from trained import raw_files

import dabench
from dabench.errors import DabenchError, SpecError, StoreError
from dabench.hashing import file_digest
from dabench.inference.predict import network_logits
from dabench.inference.stored import NetworkChoice, StoredNetworks
from dabench.plugins.registry import REGISTRY
from dabench.storage.run_store import RunStore


def networks(runs: Path, adapter: str, to: str = "night", **choice: Any) -> StoredNetworks:
    return StoredNetworks(runs, NetworkChoice(adapter, to, **choice), REGISTRY)


@pytest.mark.parametrize("adapter", ["none", "dann", "dann + em-prior", "mcd", "shot", "cycada"])
def test_raw_files_have_the_logits_that_the_run_stored(trained_runs: Path, adapter: str) -> None:
    found = networks(trained_runs, adapter)
    run = found.runs[0]
    images = np.stack([found.preprocessing.prepared(path) for path in raw_files(trained_runs, "night")])
    made, stored = network_logits(found, found.open(run), images), np.asarray(run.logits("night")[-1])
    apart = np.abs(made[:, None] - stored).max(2)  # of each file from each test image, whose order is another
    assert apart.min(0).max() < 1e-5
    assert apart.min(1).max() < 1e-5


def test_the_network_is_a_torch_module_of_the_preprocessed_images(trained_runs: Path) -> None:
    found = dabench.network(trained_runs, "dann", to="night", seed=1)
    path = raw_files(trained_runs, "night")[0]
    expected = dabench.predict(trained_runs, path, adapter="dann", to="night", seed=1).probabilities
    made = found.network(found.preprocessing(path)).softmax(1).numpy()
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_the_network_says_its_run_and_classes(trained_runs: Path) -> None:
    found = dabench.network(trained_runs, "dann", to="night", seed=1)
    assert (found.run.name, found.classes) == ("dann_day_night_s1", ("left", "right"))


def test_the_network_has_no_gradients(trained_runs: Path) -> None:
    net = dabench.network(trained_runs, "dann", to="night").network
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())


def test_building_a_network_draws_none_of_the_caller_s_random_numbers(trained_runs: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    dabench.network(trained_runs, "dann", to="night")
    assert torch.equal(torch.get_rng_state(), before)


def test_none_is_the_network_that_trained_as_long_as_the_adaptations(trained_runs: Path) -> None:
    assert [run.facts.method for run in networks(trained_runs, "none").runs] == ["source-only", "source-only"]


def test_a_network_without_adaptation_is_used_on_its_own_dataset(trained_runs: Path) -> None:
    assert networks(trained_runs, "none", "night", source="night").key.sources == ("night",)


WRONG = {
    "a test-time method": ({"adapter": "tent"}, "--adapter tent: is a test-time method.*use the network of another adapter"),
    "an unknown adapter": ({"adapter": "dan"}, "--adapter dan: is not in this sweep; did you mean 'dann'"),
    "an unknown target": ({"to": "nigth"}, "--to nigth: is not in this sweep; did you mean 'night'"),
    "no task": ({"to": "day"}, "--adapter dann --to day: is no task of this sweep; its tasks: day -> night"),
    "an unknown source": ({"source": "night"}, "--from 'night': is not a source here; sources: 'day'"),
    "several sources": ({"adapter": "none", "to": "day"}, "choose one with --from; sources: 'day', 'night'"),
    "an unknown seed": ({"seed": 5}, "--seed 5: the sweep has 0, 1"),
    "a fold without folds": ({"fold": 1}, "--fold 1: the sweep has no folds"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_a_choice_that_is_wrong_is_named_with_what_there_is(trained_runs: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        networks(trained_runs, **{"adapter": "dann", **wrong})


def test_a_pack_holds_no_networks(trained_runs: Path, tmp_path: Path) -> None:
    pack = dabench.export(trained_runs, tmp_path / "pack.zip")
    with pytest.raises(StoreError, match="packs hold no networks; use the results folder"):
        networks(pack, "dann")


def test_a_remote_folder_is_refused() -> None:
    with pytest.raises(StoreError, match="networks are used from a local folder"):
        StoredNetworks("s3://bucket/runs", NetworkChoice("dann", "night"), REGISTRY)


@pytest.fixture
def copied(trained_runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_runs, tmp_path / "copy"))


def folder_of(runs: Path, name: str) -> Path:
    return next(runs.glob(f"runs/{name}-*"))


def test_a_run_that_is_not_complete_is_named_with_the_seeds_that_are(copied: Path) -> None:
    shutil.rmtree(folder_of(copied, "dann_day_night_s0"))
    with pytest.raises(StoreError, match=r"no complete run of dann, day -> night with seed 0; seeds with complete runs: 1"):
        networks(copied, "dann", seed=0)


def test_a_network_file_that_has_changed_is_refused(copied: Path) -> None:
    file = folder_of(copied, "dann_day_night_s0") / "network.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    found = networks(copied, "dann")
    with pytest.raises(StoreError, match="has changed since dabench wrote it; run the sweep again with --redo"):
        found.open(found.runs[0])


def test_a_network_file_that_is_missing_is_named(copied: Path) -> None:
    (folder_of(copied, "dann_day_night_s0") / "network.safetensors").unlink()
    found = networks(copied, "dann")
    with pytest.raises(StoreError, match=r"network\.safetensors: cannot be read"):
        found.open(found.runs[0])


def test_weights_of_another_architecture_are_named(copied: Path) -> None:
    folder = folder_of(copied, "dann_day_night_s0")
    file = folder / "network.safetensors"
    before = file_digest(file)
    save_file({**load_file(file), "head.weight": torch.zeros(2, 9)}, file)
    edit(folder / "run.json", lambda text: text.replace(before, file_digest(file)))
    found = networks(copied, "dann")
    with pytest.raises(StoreError, match=r"does not fit the backbone .* other shapes .*head\.weight is \(2, 9\), not \(2, 4\)"):
        found.open(found.runs[0])


def test_a_plugin_that_is_missing_is_named_with_the_files_that_the_sweep_loaded(tmp_path: Path) -> None:
    from dabench.plugins.registry import Registry

    plugin = tmp_path / "small.py"
    plugin.write_text(
        "from dabench import Backbone\nfrom torch import nn\n\n\nclass Small(Backbone):\n"
        "    name = 'small'\n    short_name = 'SMALL'\n    title = 'small'\n\n"
        "    def build(self, channels, size, pretrained):\n"
        "        net = nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, 3))\n        net.num_features = 3\n"
        "        return net\n",
        encoding="utf-8",
    )
    made = tiny(tmp_path, ["none"], overrides=['backbone="small"', f'plugins=["{plugin}"]'], plugins=(SHAPES_FILE, plugin))
    made.run(tmp_path / "runs")
    found = StoredNetworks(tmp_path / "runs", NetworkChoice("none", "pale", "bright"), Registry(entry_points=False))
    with pytest.raises(DabenchError, match=r"unknown backbone 'small'.*--plugin FILE.*the sweep loaded .*small\.py"):
        found.open(found.runs[0])


SHAPES_FILE = Path(__file__).parents[1] / "sample_plugins" / "shapes.py"


def test_the_networks_of_all_folds_are_meant_unless_one_is_named(tmp_path: Path) -> None:
    made = tiny(tmp_path, ["none"], head="folds = 2")
    made.run(tmp_path / "runs")
    choice = NetworkChoice("none", "pale", "bright")
    found = StoredNetworks(tmp_path / "runs", choice, made.registry)
    one = StoredNetworks(tmp_path / "runs", NetworkChoice("none", "pale", "bright", fold=2), made.registry)
    assert [[run.facts.fold for run in each.runs] for each in (found, one)] == [[1, 2], [2]]


def test_a_network_has_the_options_that_a_search_chose(tmp_path: Path) -> None:
    search = '[search]\ntrials = 2\nspace = { "afn.bottleneck" = [6, 10] }\n'
    made = tiny(tmp_path, ["afn"], head='pairs = ["bright -> pale"]', tables=search)
    made.run(tmp_path / "runs")
    found = StoredNetworks(tmp_path / "runs", NetworkChoice("afn", "pale"), made.registry)
    (task,) = RunStore(tmp_path / "runs").read_sweep().search
    chosen = next(trial for trial in task.trials if trial.number == task.chosen)
    assert found.open(found.runs[0]).network.head.in_features == chosen.settings["afn.bottleneck"]


def test_ten_crops_are_taken_where_the_sweep_tests_by_ten(tmp_path: Path) -> None:
    tables = "[test]\ncrops = 10\n[augment]\ncrop = 16\nflip = true\nrotate = 5\n"
    made = tiny(tmp_path, ["none"], head="size = 20", tables=tables)
    made.run(tmp_path / "runs")
    found = StoredNetworks(tmp_path / "runs", NetworkChoice("none", "pale", "bright"), made.registry)
    images = np.asarray(made.plan.prepared["pale"].samples("test").images[:])
    logits = network_logits(found, found.open(found.runs[0]), images)
    np.testing.assert_allclose(logits, found.runs[0].logits("pale")[-1], atol=1e-5)
