"""A sweep with folds, run and reported: the predictions of all folds are one test set."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from fabricated import edit
from tiny_sweeps import SHAPES, Tiny, tiny

import dabench
from dabench.analysis.export import Pack, write_pack
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.cli import main
from dabench.data.splits import image_digests
from dabench.errors import DataError, StoreError
from dabench.execution.status import read_status
from dabench.reporting.baseline import baseline_from, baseline_md
from dabench.reporting.citation import cite_results
from dabench.reporting.formats import to_json
from dabench.reporting.html.page import to_html
from dabench.reporting.provenance import facts_tables
from dabench.reporting.tables import caption, unfinished
from dabench.storage.reader import ResultsReader
from dabench.storage.run_store import RunStore

LOST = "adabn_bright_pale_s0_f2"


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    head = 'folds = 2\npairs = ["bright -> pale"]'
    return tiny(tmp_path_factory.mktemp("planned"), ["none", "adabn"], head=head)


@pytest.fixture(scope="module")
def folder(planned: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("runs") / "tiny"
    assert planned.run(where).failed == 0
    return where


@pytest.fixture(scope="module")
def matrix(folder: Path) -> Matrix:
    return read_matrix(RunStore(folder))


@pytest.fixture
def interrupted(planned: Tiny, folder: Path, tmp_path: Path) -> RunStore:
    """Return the store without one run of the second fold."""
    store = RunStore(Path(shutil.copytree(folder, tmp_path / "tiny")))
    store.remove(planned.digest(LOST))
    return store


def test_a_cell_is_over_all_images(matrix: Matrix) -> None:
    assert {cell.n for cell in matrix.cells} == {144}
    assert {cell.interval_over for cell in matrix.cells} == {"groups"}


def test_the_predictions_of_folds_are_joined_with_the_labels_of_their_images(planned: Tiny, matrix: Matrix) -> None:
    (cell,) = (cell for cell in matrix.cells if cell.adapter == "adabn" and cell.test == "pale")
    right = []
    for fold, data in enumerate(planned.plan.folds, 1):
        (run,) = (r for r in matrix.predictions.records.values() if r.facts.name == f"adabn_bright_pale_s0_f{fold}")
        right += (run.logits("pale")[-1].argmax(1) == data["pale"].labels("test")).tolist()
    assert cell.mean == pytest.approx(100 * np.mean(right), abs=1e-4)


def test_the_stored_labels_are_of_the_whole_dataset(planned: Tiny, folder: Path) -> None:
    stored, whole = RunStore(folder).dataset("pale"), planned.plan.prepared["pale"]
    known = {
        digest: label
        for split in whole.splits
        for digest, label in zip(image_digests(whole.samples(split).images).tolist(), whole.labels(split), strict=True)
    }
    images = [d for data in planned.plan.folds for d in image_digests(data["pale"].samples("test").images).tolist()]
    assert stored.labels.tolist() == [known[digest] for digest in images]


def test_a_gain_is_paired_over_all_images(matrix: Matrix) -> None:
    (gain,) = matrix.gains
    cells = {cell.adapter: cell.mean for cell in matrix.cells if cell.test == "pale" and cell.sources == ["bright"]}
    assert gain.mean == pytest.approx(cells["adabn"] - cells["none"], abs=1e-3)


def test_the_table_says_how_it_was_tested(matrix: Matrix) -> None:
    assert caption(matrix).startswith("Accuracy in % on all images, each tested once in 2 folds, one seed, with 95 % intervals")
    assert "1 seed, 2 folds" in to_html(matrix)
    assert "1 seed, 2 folds" in cite_results(matrix.predictions).sentence
    assert matrix.as_dict()["folds"] == 2


def test_the_page_names_the_sizes_of_folds_and_the_tested_groups(matrix: Matrix) -> None:
    (row, _) = facts_tables(matrix)[0].rows
    assert row[:2] == ("BRIGHT", "bright")
    assert row[3:7] == ("48", "24", "144", "6")


def test_a_committed_table_says_its_folds(folder: Path) -> None:
    assert "1 seed, checkpoint 'last', 2 folds, " in baseline_md(baseline_from(RunStore(folder), None))


@pytest.mark.parametrize(("old", "new"), [('"folds": 2', '"folds": 3'), ('"fold": 2', '"fold": 3')], ids=["sweep", "runs"])
def test_a_record_that_names_other_folds_is_refused(old: str, new: str, interrupted: RunStore) -> None:
    edit(interrupted.folder / "sweep.json", lambda text: text.replace(old, new))
    with pytest.raises(StoreError, match="fold"):
        read_matrix(interrupted)


@pytest.mark.usefixtures("registry_restored")
def test_the_plan_prints_the_sizes_of_folds(planned: Tiny, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", str(planned.file.path), "--plan", "--plugin", str(SHAPES), "--out", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bright: 2 folds, each with train 48, val 24, test 72; digest ")
    assert "6 runs: 6 complete, 0 to do" in lines


def test_the_runs_say_their_fold(folder: Path) -> None:
    runs = dabench.load(folder).runs
    assert runs.groupby("fold")["run"].count().to_dict() == {1: 3, 2: 3}


@pytest.mark.parametrize("options", [{}, {"classes_only": True}, {"counts": True}], ids=["logits", "classes", "counts"])
def test_a_pack_gives_the_same_numbers(options: dict[str, bool], folder: Path, matrix: Matrix, tmp_path: Path) -> None:
    pack = Pack(write_pack(RunStore(folder), tmp_path / "pack.zip", **options))
    assert to_json(read_matrix(pack)) == to_json(matrix)


def test_a_sorted_pack_keeps_images_in_their_fold(folder: Path, tmp_path: Path) -> None:
    stores: list[ResultsReader] = [RunStore(folder), Pack(write_pack(RunStore(folder), tmp_path / "p.zip", counts=True))]
    one, other = (store.dataset("pale") for store in stores)
    for fold in (1, 2):
        place = one.facts.tested_in(fold)
        assert sorted(one.labels[place]) == sorted(other.labels[place])


def test_two_tables_of_the_same_folds_are_compared_image_by_image(folder: Path) -> None:
    pairs = dabench.compare(folder, folder).pairs
    assert {pair.verdict for pair in pairs} == {"the same"}
    assert all(pair.paired for pair in pairs)


def test_the_checkpoint_is_chosen_in_each_fold(folder: Path) -> None:
    by_labels, last = (read_matrix(RunStore(folder), selection=rule) for rule in ("oracle", "last"))
    assert all(one.mean >= other.mean for one, other in zip(by_labels.cells, last.cells, strict=True))


def test_a_seed_without_all_its_folds_has_no_result(interrupted: RunStore) -> None:
    matrix = read_matrix(interrupted)
    assert {cell.adapter for cell in matrix.cells} == {"none"}
    assert matrix.missing == [LOST]
    assert unfinished(matrix)[0] == (
        "Unfinished: 1 of 6 runs are missing; the numbers are of the seeds with all their folds."
    )  # fmt: skip


def test_test_images_of_folds_are_not_listed_for_other_models(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"are those of several folds.*; use a sweep without folds"):
        dabench.predictions_template(folder, tmp_path / "images.csv")


def test_a_missing_fold_is_pending(interrupted: RunStore) -> None:
    status = read_status(interrupted.folder)
    assert (status.complete, status.pending) == (5, 1)


def test_only_the_missing_fold_is_run_again(planned: Tiny, interrupted: RunStore, matrix: Matrix) -> None:
    outcome = planned.run(interrupted.folder)
    assert (outcome.completed, outcome.already_complete) == (1, 5)
    assert to_json(read_matrix(interrupted)) == to_json(matrix)
