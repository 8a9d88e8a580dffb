"""A target without labels: adapted to and predicted on, never a source, and without results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sweeps import tiny
from toys import adapter, even, samples, toy

import dabench
from dabench.analysis.export import open_results
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.errors import DataError, SpecError
from dabench.experiment.plan import Plan
from dabench.experiment.planner import make_plan
from dabench.experiment.validation import sweep_from
from dabench.plugins.registry import Registry
from dabench.reporting.methods import methods_notes
from dabench.reporting.tables import unfinished
from dabench.storage.run_store import RunStore

BASE: dict[str, Any] = {
    "name": "try", "datasets": ["bare", "x", "y"], "adapters": ["none", "images"], "backbone": "conv4", "seeds": 1,
    "pairs": ["x -> bare", "x -> y"],
}  # fmt: skip


def keep(self: Any, net: Any, *rest: Any) -> Any:
    return net


def planned(tmp_path: Path, **changes: Any) -> Plan:
    registry = Registry(entry_points=False)
    for seed, name in enumerate("xy"):
        registry.register(toy(name, {"train": samples(even(20), seed), "test": samples(even(10), seed + 9)}))
    without = {split: replace(samples(even(9), seed), labels=None) for seed, split in enumerate(("train", "test"), 20)}
    registry.register(toy("bare", without, classes=()))
    registry.register(adapter("images", adapt=keep, access="unlabelled"))
    registry.register(adapter("shots", adapt=keep, access="few-shot"))
    registry.register(adapter("every-label", adapt=keep, access="full"))
    return make_plan(sweep_from(BASE | changes, registry), registry, tmp_path / "raw", lambda _: None)


def test_it_has_the_classes_of_the_other_datasets(tmp_path: Path) -> None:
    assert planned(tmp_path).classes == ("a", "b", "c")


def test_no_network_is_trained_on_it_and_each_predicts_it(tmp_path: Path) -> None:
    runs = planned(tmp_path).runs
    assert {r.sources for r in runs} == {("x",), ("y",)}
    assert all("bare" in r.tests for r in runs if r.target is None)


def test_an_adaptation_to_it_is_given_its_images_and_no_labels(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    job = plan.job(next(r for r in plan.runs if r.target == "bare"))
    assert job.target is not None
    assert job.target.images == str(plan.prepared["bare"].path("train", "images"))
    assert job.target.shots is None


@pytest.mark.parametrize("pairs", [[], ["bare -> x"], ["bare + x -> y"], "leave-one-out"])
def test_as_a_source_it_is_refused(tmp_path: Path, pairs: Any) -> None:
    with pytest.raises(SpecError, match=r"'bare' has no labels, so it cannot be a source; .*: pairs = \[\"x -> bare\"\]"):
        planned(tmp_path, pairs=pairs)


@pytest.mark.parametrize(("method", "access"), [("shots", "few-shot"), ("every-label", "full")])
def test_methods_that_need_labels_of_the_target_are_refused(tmp_path: Path, method: str, access: str) -> None:
    with pytest.raises(
        SpecError, match=rf"'{method}' needs labels of its target \(access {access}\), and dataset 'bare' has none"
    ):
        planned(tmp_path, adapters=["none", method])


def test_a_search_by_target_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"search\.select = 'oracle' needs labels of the target, and dataset 'bare' has none"):
        planned(tmp_path, search={"trials": 2, "select": "oracle"})


def test_a_sweep_without_any_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no dataset has labels"):
        planned(tmp_path, datasets=["bare"], pairs=[])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A complete sweep from labelled shapes to shapes without labels, and to others with labels."""
    folder = tmp_path_factory.mktemp("bare")
    images = folder / "images"
    _write(images)
    tables = f'[dataset.bare]\nplugin = "image-folder"\npath = "{images}"\nlabels = false\n'
    pairs = 'datasets=["bright", "pale", "bare"]', 'pairs=["bright -> pale", "bright -> bare"]'
    tiny(folder, ["none", "adabn"], tables=tables, overrides=pairs).run(folder / "out")
    return RunStore(folder / "out")


def _write(folder: Path) -> None:
    from PIL import Image

    folder.mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (20, 16, 16), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i}.png")


@pytest.fixture(params=["folder", "pack", "pack of counts"])
def matrix(stored: RunStore, tmp_path: Path, request: pytest.FixtureRequest) -> Matrix:
    if request.param == "folder":
        return read_matrix(stored)
    dabench.export(stored.folder, tmp_path / "p.zip", counts="counts" in request.param)
    return read_matrix(open_results(tmp_path / "p.zip"))


def test_it_has_no_cells_and_the_other_target_has_all(matrix: Matrix) -> None:
    assert {c.test for c in matrix.cells} == {"bright", "pale"}
    assert {(g.adapter, g.target) for g in matrix.gains} == {("adabn", "pale")}
    assert (matrix.missing, matrix.incomplete) == ([], {})


def test_means_are_over_the_targets_with_labels(matrix: Matrix) -> None:
    assert {s.adapter: s.pairs for s in matrix.summary} == {"none": 1, "adabn": 1}


def test_its_column_in_the_table_of_methods_is_empty_and_the_average_is_over_the_others(matrix: Matrix) -> None:
    (table,) = matrix.methods
    column = [target for _, target in table.tasks].index("bare")
    assert {row.adapter: row.results[column] for row in table.rows} == {"none": None, "adabn": None}
    for row in table.rows:
        assert row.average == next(r.mean for r in row.results if r)


def test_the_table_of_methods_says_why_its_column_is_empty(matrix: Matrix) -> None:
    assert "Without labels, so their columns are empty and no average counts them: BARE." in methods_notes(matrix)


def test_the_report_says_why_its_column_is_empty(matrix: Matrix) -> None:
    assert unfinished(matrix) == ["BARE has no labels; its predictions are stored, see dabench export."]


def test_results_json_says_that_it_has_no_labels(matrix: Matrix) -> None:
    datasets: Mapping[str, Mapping[str, Any]] = matrix.as_dict()["datasets"]
    assert {n: facts.get("labels", True) for n, facts in datasets.items()} == {"bright": True, "pale": True, "bare": False}


def test_its_predictions_are_stored(stored: RunStore) -> None:
    run = next(r for r in stored.read_sweep().runs if r.target == "bare")
    assert dabench.load(stored.folder).logits(run.name, "bare").shape == (1, 4, 4)


def test_other_models_are_not_asked_to_predict_it(stored: RunStore, tmp_path: Path) -> None:
    file, _ = dabench.predictions_template(stored.folder, tmp_path / "images.csv")
    lines = file.read_text(encoding="utf-8").splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == {"bright", "pale"}


def test_predictions_of_another_model_on_it_are_refused(stored: RunStore, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("dataset,image,class\nbare,0,a\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"p\.csv, line 2: bare has no labels in this sweep, so nothing can be computed"):
        dabench.report(stored.folder, predictions={"mine": tmp_path / "p.csv"}, write=False)


def test_a_report_is_written(stored: RunStore) -> None:
    dabench.report(stored.folder)
    page = (stored.report / "index.html").read_text(encoding="utf-8")
    assert "BARE has no labels" in page
