"""The study in small: a made-up FER2013 and made-up clips of non-actors, prepared, swept with four methods, reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dabench
from dabench.analysis.matrix import Matrix
from dabench.api import prepare_sweep
from dabench.datasets.fer2013 import FER2013
from dabench.datasets.nae import NAE
from dabench.storage.paths import data_folder
from dabench.storage.run_store import RunStore

SWEEP = """
name = "study"
datasets = ["fer2013", "nae"]
adapters = ["none", "fine-tune", "dann", "maml"]
backbone = "conv4"
seeds = 1
shots = 2

[dataset.nae]
frames = 4
test = 0.45

[train]
steps = 4
batch = 8
checkpoints = 1
device = "cpu"

[conv4]
width = 4

[maml]
inner_steps = 1
tasks = 1
support = 1
query = 1
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Matrix]:
    """The sweep's file, run into runs/ beside it, and its matrix."""
    folder = tmp_path_factory.mktemp("study")
    file = folder / "study.toml"
    file.write_text(SWEEP, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(folder / "cache"))
        patch.setenv("DABENCH_DATA", str(folder / "raw"))
        patch.setattr(FER2013, "counts", {})  # those of the real set
        FER2013().make_synthetic(data_folder() / "fer2013", 4, 0)
        NAE(NAE.Options(frames=4)).make_synthetic(data_folder() / "nae", 1, 0)
        return file, dabench.sweep(file, out=folder / "runs", engine="inline", quiet=True)


def test_every_method_is_run_between_pictures_and_clips(study: tuple[Path, Matrix]) -> None:
    assert study[1].failed == {}
    assert {g.adapter for g in study[1].gains} == {"fine-tune", "dann", "maml"}
    assert len(study[1].gains) == 3 * 2


def test_nobody_stands_in_two_splits_of_the_clips(study: tuple[Path, Matrix], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DABENCH_CACHE", str(study[0].parent / "cache"))
    monkeypatch.setenv("DABENCH_DATA", str(study[0].parent / "raw"))
    monkeypatch.setattr(FER2013, "counts", {})
    nae = prepare_sweep(study[0])[1]
    assert nae.digest == study[1].datasets["nae"].digest
    subjects = [set(nae.samples(split).attributes["subject"].tolist()) for split in nae.splits]
    assert sum(map(len, subjects)) == len(set().union(*subjects)) == 12


def test_what_is_known_of_the_people_is_stored_with_the_predictions(study: tuple[Path, Matrix]) -> None:
    known = RunStore(study[0].parent / "runs").dataset("nae")
    assert {"subject", "clip", "age", "sex"} <= set(known.attributes)
    assert all(18 <= age <= 84 for age in known.attributes["age"])
    assert len(np.unique(known.groups)) == 5


def test_the_report_tells_ages_and_sexes_apart(study: tuple[Path, Matrix]) -> None:
    told = json.loads((study[0].parent / "runs" / "report" / "results.json").read_text(encoding="utf-8"))["subgroups"]
    assert {g["attribute"] for g in told if g["test"] == "nae"} == {"age", "sex"}
    for attribute in ("age", "sex"):
        parts = [g["n"] for g in told if g["attribute"] == attribute and g["adapter"] == "dann" and g["target"] == "nae"]
        assert len(parts) > 1
        assert sum(parts) == 5 * 7 * 4  # every frame of the five
