"""Results as frames and arrays: what columns hold, and that they are the numbers of the report."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from fabricated import FINE_TUNE, LABELS, NONE, WRONG, DatasetContent, two_sets

import dabench
from dabench.analysis.export import write_pack
from dabench.analysis.frames import Results
from dabench.analysis.results import Cell, Gain, SubgroupCell
from dabench.analysis.summary import Summary
from dabench.data.csv_files import image_name
from dabench.errors import SpecError, StoreError
from dabench.hashing import digest
from dabench.plugins.contract import SUPERVISED
from dabench.storage.run_store import RunStore

PEOPLE = {
    "print": DatasetContent("P", groups=[0, 0, 1, 1, 1, 2, 2, 3, 3, 3], attributes={"age": [20] * 5 + [60] * 5}),
    "hand": DatasetContent("H"),
}
FRAMES = {"cells": Cell, "gains": Gain, "subgroups": SubgroupCell}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets(datasets=PEOPLE).write(tmp_path / "made")


@pytest.fixture
def results(store: RunStore) -> Results:
    return dabench.load(store.folder)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_has_the_columns_and_rows_of_results_json(results: Results, name: str) -> None:
    frame, rows = getattr(results, name), results.matrix.as_dict()[name]
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows) > 0
    assert frame["mean"].tolist() == [row["mean"] for row in rows]


@pytest.mark.parametrize("name", FRAMES)
def test_numbers_are_numbers_and_text_is_text_even_where_there_are_no_rows(tmp_path: Path, name: str) -> None:
    empty = dabench.load(two_sets(leave_out=lambda run: True).write(tmp_path / "s").folder)
    full = dabench.load(two_sets(datasets=PEOPLE).write(tmp_path / "t").folder)
    for of in (empty, full):
        frame = getattr(of, name)
        kinds = {f.name: {"i": "int", "f": "float"}.get(frame[f.name].dtype.kind, "text") for f in fields(FRAMES[name])}
        assert {kinds[c] for c in ("adapter", "sources", "target", "label_budget")} == {"text"}
        assert {kinds[c] for c in ("mean", "low", "high")} == {"float"}
        assert kinds["seeds"] == "int"


def test_means_over_pairs_are_a_frame_too(results: Results, tmp_path: Path) -> None:
    rows = results.matrix.as_dict()["summary"]
    assert list(results.summary.columns) == list(rows[0])
    assert results.summary["drop"].tolist() == [row["drop"] for row in rows]
    assert np.isnan(results.summary["gain"][0])  # none gains nothing over itself
    empty = dabench.load(two_sets(leave_out=lambda run: True).write(tmp_path / "s").folder).summary
    assert (len(empty), empty["pairs"].dtype.kind, empty["gain"].dtype.kind) == (0, "i", "f")


@pytest.mark.parametrize("name", [*FRAMES, "summary"])
def test_every_column_is_described(name: str) -> None:
    of = {**FRAMES, "summary": Summary}[name]
    text = f"{getattr(Results, name).__doc__} {of.__doc__}"
    assert [f.name for f in fields(of) if not re.search(rf"\b{f.name}\b", text)] == []


def test_no_target_is_an_empty_text_so_that_no_grouping_drops_it(results: Results) -> None:
    assert set(results.cells[results.cells.adapter == "none"].target) == {""}
    assert results.cells.groupby(["adapter", "target"]).size().sum() == len(results.cells)


def test_several_sources_are_one_text(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    made = two_sets(
        wrong=lambda run, test: 1, datasets=sets, adapters={"none": NONE, "fine-tune": FINE_TUNE}, pairs=("a + b -> c",)
    )
    assert dabench.load(made.write(tmp_path / "s").folder).gains.sources.tolist() == ["a+b"]


def test_predictions_give_the_cells_again(results: Results) -> None:
    for test in ("print", "hand"):
        rows = results.predictions(test)
        right = rows.assign(right=rows.label == rows.predicted).groupby(["adapter", "sources", "target"]).right.mean()
        cells = results.cells[results.cells.test == test].set_index(["adapter", "sources", "target"])["mean"]
        assert (100 * right).sort_index().round(4).to_dict() == cells.sort_index().to_dict()


def test_predictions_have_a_row_for_each_image_seed_and_row_of_the_matrix(results: Results) -> None:
    rows = results.predictions("hand")
    assert list(rows.columns) == ["adapter", "sources", "target", "seed", "image", "name", "label", "predicted"]
    assert len(rows) == 10 * 2 * (results.cells.test == "hand").sum()
    one = rows[(rows.adapter == "fine-tune") & (rows.sources == "print") & (rows.seed == 1)]
    assert (one.image.tolist(), one.label.tolist()) == (list(range(10)), list(LABELS))
    assert (one.label != one.predicted).sum() == WRONG["fine-tune", "print", "hand", "hand"][1]


def test_predictions_name_each_image_as_people_and_audits_do(results: Results) -> None:
    rows = results.predictions("hand", adapter="none")
    assert rows.name.tolist() == [image_name(digest("hand"), i) for i in range(10)] * 4


def test_predictions_say_file_clip_and_subject_where_they_are_known(tmp_path: Path) -> None:
    attributes = {what: [f"{what}{i}" for i in range(10)] for what in ("clip", "file", "subject", "pose")}
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", attributes=attributes)}
    rows = dabench.load(two_sets(datasets=sets).write(tmp_path / "s").folder).predictions("hand", adapter="none")
    assert [c for c in rows.columns if c in attributes] == ["file", "subject", "clip"]
    assert rows.file.tolist() == attributes["file"] * 4


def test_predictions_say_the_group_where_groups_are_known(results: Results) -> None:
    rows = results.predictions("print", adapter="none")
    assert set(rows.adapter) == {"none"}
    assert rows.group.tolist() == [*PEOPLE["print"].groups] * 4  # type: ignore[misc]


def test_predictions_of_nothing_are_an_empty_frame(tmp_path: Path) -> None:
    results = dabench.load(two_sets(leave_out=lambda run: run.method == "adabn").write(tmp_path / "s").folder)
    rows = results.predictions("hand", adapter="adabn")
    assert (len(rows), rows.label.dtype, rows.predicted.dtype) == (0, np.int64, np.int64)


def test_the_truth_of_the_test_images_is_arrays(results: Results) -> None:
    assert results.tests["hand"].labels.tolist() == list(LABELS)
    assert results.tests["hand"].groups is None
    assert results.tests["print"].attributes["age"].tolist() == [20] * 5 + [60] * 5
    assert results.classes == ("x", "y", "z")


def test_runs_and_their_logits_go_together(results: Results) -> None:
    run = results.runs[(results.runs.method == SUPERVISED) & (results.runs.sources == "print") & (results.runs.seed == 0)].iloc[0]
    logits = results.logits(run.run, "hand")
    assert (logits.shape, logits.dtype) == ((2, 10, 3), np.float32)
    assert (logits[-1].argmax(1) != LABELS).sum() == WRONG[SUPERVISED, "print", None, "hand"][0]
    assert (run.total_seconds, run.device, run.target) == (1.5, "cpu (x86_64)", "")
    assert results.facts(run.run)["digest"]


def test_a_pack_loads_as_its_output_folder_does(store: RunStore, results: Results, tmp_path: Path) -> None:
    pack = dabench.load(write_pack(store, tmp_path / "s.zip"))
    assert pack.cells.equals(results.cells)
    assert pack.runs.equals(results.runs)
    assert pack.predictions("print").equals(results.predictions("print"))


def test_another_metric_is_in_the_cells(store: RunStore) -> None:
    assert set(dabench.load(store.folder, metric="recall:x").cells.metric) == {"recall:x"}


def test_what_is_not_there_names_what_there_is(results: Results) -> None:
    with pytest.raises(SpecError, match=r"'hnd' is not in this sweep; did you mean 'hand'.*; known: print, hand"):
        results.predictions("hnd")
    with pytest.raises(SpecError, match=r"'dann' is not in this sweep.*known: none, adabn, fine-tune"):
        results.predictions("hand", adapter="dann")
    with pytest.raises(SpecError, match="no complete run 'x'"):
        results.logits("x", "hand")
    with pytest.raises(SpecError, match="run 'supervised_print_s0' was not tested on 'hnd', but on hand, print"):
        results.logits("supervised_print_s0", "hnd")


def test_a_folder_of_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a results folder"):
        dabench.load(tmp_path)
