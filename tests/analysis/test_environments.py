"""Runs of one store that were computed in different ways: found by one function, and said wherever their numbers are."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fabricated import edit, two_sets
from rich.console import Console
from tiny_sweeps import SHAPES, Tiny, tiny

import dabench
from dabench.analysis.baselines import committed_tables, records_of
from dabench.analysis.environments import mixed, mixed_text
from dabench.analysis.export import open_results, write_pack
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.trials import Trial
from dabench.api import _mixed
from dabench.cli import main
from dabench.experiment import planner as planning
from dabench.experiment.schedule import complete_runs
from dabench.reporting.baseline import baseline_from, baseline_md, compared_notes
from dabench.reporting.formats import FILES, files_of, one_text, trials_text
from dabench.reporting.sections import trials_notes
from dabench.reporting.terminal import print_matrix
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run, SearchTable

CPU = {"precision": "fp32", "device": "cpu (x86_64)", "torch": "2.15.0"}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, {}),
        ({"torch": "2.11.0"}, {"torch": {"2.11.0": 1, "2.15.0": 2}}),
        ({"precision": "bf16"}, {"precision": {"bf16": 1, "fp32": 2}}),
        ({"device": "Some GPU 80GB"}, {"device class": {"cpu": 2, "cuda": 1}}),
        ({"device": "mps (arm64)"}, {"device class": {"cpu": 2, "mps": 1}}),
        ({"device": "cpu (arm64)", "numpy": "2.4.6", "cores": 8}, {}),
        ({"device": "", "torch": "", "precision": ""}, {}),  # not known
    ],
)
def test_runs_are_mixed_that_differ_in_precision_class_of_device_or_torch(other: dict[str, Any], expected: Any) -> None:
    assert mixed([CPU, CPU, CPU | other]) == expected


def test_runs_of_one_gpu_and_another_are_of_one_class() -> None:
    assert mixed([{"device": "GPU A"}, {"device": "GPU B"}]) == {}


def test_runs_may_differ_from_what_would_be_computed_now() -> None:
    now = {"torch": "2.16.0", "precision": "fp32"}
    assert mixed([CPU, CPU], now) == {"torch": {"2.15.0": 2, "2.16.0": 0}}
    assert mixed([], now) == {}


def test_a_note_says_each_value_and_its_runs() -> None:
    found = {"precision": {"bf16": 1, "fp32": 2}, "torch": {"2.15.0": 3, "2.16.0": 0}}
    assert mixed_text(found) == "precision bf16 (1 run), fp32 (2 runs); torch 2.15.0 (3 runs), 2.16.0 (now)"


# Where it is said

NOTE = "ixed runs: torch 2.11.0 (6 runs), 2.15.0 (6 runs)"


def by_seed(run: Run) -> Mapping[str, str]:
    return {"torch": "2.11.0"} if run.seed else {}


def matrix_of(folder: Path) -> Matrix:
    return read_matrix(two_sets(environment=by_seed).write(folder))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return matrix_of(tmp_path_factory.mktemp("mixed") / "s")


def test_the_terminal_says_it(matrix: Matrix) -> None:
    text = io.StringIO()
    print_matrix(matrix, Console(file=text, width=1000))
    assert NOTE in text.getvalue()


def test_every_written_file_says_it(matrix: Matrix) -> None:
    silent = [name for name in files_of(matrix) if name != "results.json" and NOTE[11:] not in FILES[name](matrix)]
    assert silent == []


def test_every_table_in_markdown_says_it(matrix: Matrix) -> None:
    text = one_text(matrix, "md")
    assert text.count(NOTE) >= text.count("\n## ")


def test_results_json_says_it(matrix: Matrix) -> None:
    assert json.loads(FILES["results.json"](matrix))["mixed"] == {"torch": {"2.11.0": 6, "2.15.0": 6}}


def test_the_page_says_it_in_its_lead_and_at_every_table(matrix: Matrix) -> None:
    assert one_text(matrix, "html").count(NOTE) > 3


def test_a_baseline_says_it(tmp_path: Path) -> None:
    store = two_sets(environment=by_seed).write(tmp_path / "s")
    assert NOTE in baseline_md(baseline_from(store, None))


def test_a_pack_says_it(tmp_path: Path) -> None:
    pack = write_pack(two_sets(environment=by_seed).write(tmp_path / "s"), tmp_path / "made.zip")
    assert read_matrix(open_results(pack)).mixed == {"torch": {"2.11.0": 6, "2.15.0": 6}}


def test_a_comparison_says_it_of_the_side_that_is_mixed(tmp_path: Path) -> None:
    ours = two_sets(environment=by_seed).write(tmp_path / "ours").folder
    theirs = two_sets().write(tmp_path / "theirs").folder
    assert [line for line in compared_notes(dabench.compare(ours, theirs)) if "ixed" in line] == [f"A: m{NOTE}."]


@pytest.mark.parametrize("form", ["json", "md", "csv", "tex"])
def test_trials_say_it(form: str) -> None:
    search = SearchTable(2, "entropy", "random", 1000, {})
    trial = Trial("none", ["x"], "y", 0, {}, "entropy", "done", 0.5, 10, True, "none_x_y_s1000")
    assert "torch 1 (1 run), 2 (1 run)" in trials_text(search, [trial], form, {"torch": {"1": 1, "2": 1}})
    assert not any("ixed" in line for line in trials_notes(search, [], {}))


def test_where_runs_are_alike_nothing_is_said(tmp_path: Path) -> None:
    alike = read_matrix(two_sets().write(tmp_path / "s"))
    assert alike.mixed == {}
    assert [name for name in files_of(alike) if "ixed" in FILES[name](alike)] == []
    assert "ixed runs" not in one_text(alike, "html")


@pytest.mark.parametrize("name", sorted(name for name in committed_tables() if records_of(name)))
def test_no_committed_table_is_mixed(name: str) -> None:
    pack = records_of(name)
    assert pack is not None
    assert read_matrix(open_results(pack)).mixed == {}


# Planning


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, Path]:
    folder = tmp_path_factory.mktemp("planned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        of = tiny(folder, ["none"])
    of.run(folder / "runs")
    return of, folder


def planned(done: tuple[Tiny, Path]) -> Any:
    of, folder = done
    store = RunStore(folder / "runs")
    return _mixed(of.plan, complete_runs(of.plan, store), store)


def test_a_plan_whose_runs_were_done_as_they_would_be_now_says_nothing(done: tuple[Tiny, Path]) -> None:
    assert planned(done) == {}


def test_a_plan_says_that_complete_runs_are_of_another_torch(done: tuple[Tiny, Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = done[1]
    records = sorted((folder / "runs" / "runs").glob("*/run.json"))
    version = str(torch.__version__)
    before = [record.read_text() for record in records]
    for record in records:
        edit(record, lambda text: text.replace(json.dumps(version), '"1.0"'))
    try:
        assert planned(done) == {"torch": {"1.0": 2, version: 0}}
        words = ["--plan", "--plugin", str(SHAPES), "--out", str(folder / "runs")]
        assert main(["sweep", str(folder / "tiny.toml"), *words]) == 0
        assert f"Mixed runs: torch 1.0 (2 runs), {version} (now)." in capsys.readouterr().out
    finally:
        for record, text in zip(records, before, strict=True):
            record.write_text(text)


def test_a_plan_says_that_runs_to_do_stand_of_another_class_of_device(done: tuple[Tiny, Path]) -> None:
    of, folder = done
    elsewhere = replace(of.plan, device="cuda")
    elsewhere = replace(elsewhere, runs=tuple(planning._runs(elsewhere)))
    store = RunStore(folder / "runs")
    assert complete_runs(elsewhere, store) == set()
    assert _mixed(elsewhere, set(), store) == {"device class": {"cpu": 2, "cuda": 0}}
