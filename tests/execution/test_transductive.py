"""The transductive protocol: targets are tested on the unlabelled images that methods adapt to, and every table says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_sweeps import Tiny, tiny

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.data.splits import image_digests
from dabench.errors import SpecError
from dabench.experiment.config import Sweep
from dabench.reporting.baseline import baseline_from, baseline_notes
from dabench.reporting.citation import cite_results
from dabench.reporting.formats import to_json
from dabench.reporting.headline import headline
from dabench.reporting.html.page import to_html
from dabench.reporting.tables import caption, conditions
from dabench.storage.run_store import RunStore

SAYS = "transductive: adapted to the unlabelled test images"
METHODS = ["none", "coral", "bn-adapt"]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny(tmp_path_factory.mktemp("planned"), METHODS, head='protocol = "transductive"')


@pytest.fixture(scope="module")
def store(planned: Tiny, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    where = tmp_path_factory.mktemp("runs") / "tiny"
    assert planned.run(where).failed == 0
    return RunStore(where)


@pytest.fixture(scope="module")
def matrix(store: RunStore) -> Matrix:
    return read_matrix(store)


def seen(path: str) -> set[bytes]:
    return set(image_digests(np.load(path)).tolist())


def test_a_method_adapts_to_the_images_that_are_tested(planned: Tiny) -> None:
    (run,) = (run for run in planned.plan.runs if run.name == "coral_bright_pale_s0")
    job = planned.plan.job(run)
    assert job.target is not None
    assert job.target.images is not None
    assert seen(job.target.images) == seen(job.tests["pale"])


def test_a_method_is_given_no_label_of_its_target(planned: Tiny) -> None:
    (run,) = (run for run in planned.plan.runs if run.name == "coral_bright_pale_s0")
    job, labels = planned.plan.job(run), planned.plan.prepared["pale"].path("test", "labels")
    assert job.target is not None
    assert job.target.shots is None
    assert str(labels) not in repr(job)
    assert str(labels).replace("test-", "train-") not in repr(job)


def test_no_network_is_tested_on_a_source(planned: Tiny) -> None:
    assert all(not set(run.tests) & set(run.sources) for run in planned.plan.runs)


def test_a_target_that_is_no_source_is_not_trained_on(tmp_path: Path) -> None:
    plan = tiny(tmp_path, ["none", "coral"], head='protocol = "transductive"\npairs = ["bright -> pale"]').plan
    assert {run.sources for run in plan.runs} == {("bright",)}


def test_the_diagonal_is_empty(matrix: Matrix) -> None:
    assert matrix.cells
    assert all(cell.test not in cell.sources for cell in matrix.cells)


def test_there_is_no_row_of_networks_trained_on_the_target(matrix: Matrix) -> None:
    assert {row.role for table in matrix.methods for row in table.rows} == {"method"}


def test_gains_are_those_over_none_on_the_same_images(matrix: Matrix) -> None:
    assert {(g.adapter, g.target) for g in matrix.gains} == {(m, t) for m in METHODS[1:] for t in ("bright", "pale")}
    assert all(g.gap_closed is None and g.on_source is None for g in matrix.gains)


def test_each_row_states_its_target_images(matrix: Matrix) -> None:
    assert {c.adapter: c.target_images for c in matrix.cells} == {"none": "none", "coral": "all (tested)", "bn-adapt": "test"}


def test_every_output_says_so(store: RunStore, matrix: Matrix) -> None:
    table = baseline_from(store, None)
    texts = [conditions(matrix), to_html(matrix), " ".join(baseline_notes(table)), cite_results(matrix.predictions).sentence]
    assert all(SAYS in text for text in texts)
    assert "(transductive)" in caption(matrix)
    assert json.loads(to_json(matrix))["protocol"] == "transductive"
    assert "tested on the unlabelled images that methods adapt to" in headline(matrix)


def test_a_method_with_target_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"'fine-tune' learns target labels .*every image of a target is tested"):
        tiny(tmp_path, ["none", "fine-tune"], head='protocol = "transductive"')


def test_folds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="leave folds out"):
        tiny(tmp_path, ["none"], head='protocol = "transductive"\nfolds = 3')


def test_an_unknown_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"protocol.*inductive.*transductive"):
        tiny(tmp_path, ["none"], head='protocol = "transductiv"')


def test_settings_of_the_inductive_protocol_are_written_as_ever() -> None:
    assert "protocol" not in Sweep().as_dict()
    assert Sweep(protocol="transductive").recipe["protocol"] == "transductive"
