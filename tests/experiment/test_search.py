"""A search really made: every task by itself, by a rule that needs no label, to the same result whatever happens to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import edit
from tiny_sweeps import PLUGINS, SHAPES, Tiny, identical, tiny

from dabench.analysis.matrix import read_matrix
from dabench.analysis.trials import read_trials
from dabench.data.cache import Prepared
from dabench.errors import SpecError, StoreError
from dabench.execution.queue import Event
from dabench.execution.recorder import SweepOutcome
from dabench.execution.sweep import SweepCallbacks
from dabench.experiment.search import HyperparameterSearch
from dabench.plugins.contract import SUPERVISED
from dabench.storage.reader import StoredRun
from dabench.storage.run_store import RunStore
from dabench.storage.schema import RunRecord, from_json, record_from

PUSHES = (SHAPES, PLUGINS / "pushes.py")
BY = '"pushes.by" = [0.0, 1000.0, 10.0]'


def searched(folder: Path, search: str = "", space: str = BY, adapters: Sequence[str] = ("none", "pushes"), **more: Any) -> Tiny:
    """A tiny sweep whose search finds 1000 where it chooses by `entropy`."""
    keys = {"trials": "3", "method": '"grid"', "select": '"entropy"'}
    given = dict(line.split(" = ") for line in search.splitlines())
    rows = "\n".join(f"{key} = {value}" for key, value in (keys | given).items())
    tables = f'[search]\n{rows}\n[search.space]\n"train.lr" = [0.05]\n{space}\n'
    head = 'pairs = ["bright -> pale"]'
    return tiny(folder, adapters, head=head, tables=tables, plugins=PUSHES, **more)


def chosen(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Task -> the settings that were chosen, from sweep.json."""
    tasks = RunStore(folder).read_sweep().search
    return {f"{t.adapter}_{'+'.join(t.sources)}_{t.target}": t.trials[t.chosen].settings for t in tasks if t.chosen is not None}


def results(folder: Path) -> dict[tuple[str, str], Any]:
    """(digest, test set) -> logits of every run that stands, trials among them."""
    store, found = RunStore(folder), {}
    for name in store.names("runs"):
        record = StoredRun(store, f"runs/{name}", record_from(RunRecord, from_json(store.text(f"runs/{name}/run.json"))))
        found |= {(record.facts.digest, test): np.array(record.logits(test)) for test in record.facts.tests}
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, Path, SweepOutcome]:
    """The search, made in this process without disturbance."""
    folder = tmp_path_factory.mktemp("search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        of = searched(folder, "trials = 4")
        return of, folder / "out", of.run(folder / "out")


Done = tuple[Tiny, Path, SweepOutcome]


def test_the_value_that_is_clearly_better_by_the_rule_is_found(done: Done) -> None:
    assert chosen(done[1])["pushes_bright_pale"]["pushes.by"] == 1000.0


def test_a_trial_is_scored_where_it_ends(done: Done) -> None:
    store = RunStore(done[1])
    for task in store.read_sweep().search:
        for trial in task.trials:
            record = store.find(trial.run, network=False)
            assert record
            assert trial.score == record.facts.scores[task.target]["entropy"][-1]


def test_what_was_chosen_is_run_on_every_seed_and_makes_the_table(tmp_path: Path) -> None:
    of = searched(tmp_path, overrides=["seeds=[4, 7]"])
    of.run(tmp_path / "out")
    matrix = read_matrix(RunStore(tmp_path / "out"))
    assert {c.seeds for c in matrix.cells} == {2}
    assert {r.facts.seed for r in matrix.predictions.records.values()} == {4, 7}
    assert len(matrix.cells) == 4 + 2  # none has a row for each dataset, an adapter is tested on target and source
    assert matrix.missing == []


def test_every_adapter_has_the_same_number_of_trials(done: Done) -> None:
    tasks = RunStore(done[1]).read_sweep().search
    assert {len(t.trials) for t in tasks} == {4}
    assert {t.adapter for t in tasks} == {"none", "pushes"}


def test_none_is_searched_for_each_of_its_cells(done: Done) -> None:
    tasks = [(t.sources, t.target) for t in RunStore(done[1]).read_sweep().search if t.adapter == "none"]
    assert sorted(tasks) == [((a,), b) for a in ("bright", "pale") for b in ("bright", "pale")]


def test_the_common_settings_of_a_trial_are_those_of_every_adapter_which_then_share_its_pretraining(tmp_path: Path) -> None:
    space = '"train.momentum" = { uniform = [0.1, 0.9] }'
    of = searched(tmp_path, 'method = "random"', space, adapters=("none", "fine-tune", "dann"))
    runs = HyperparameterSearch(of.plan, RunStore(tmp_path / "out")).begin()
    # 2 datasets times 3 trials are pretrained once, for 4 cells of none and a pair of 2 adapters: 6 tasks would need 18.
    assert sum(r.method == SUPERVISED for r in runs) == 6
    assert sum(r.target is not None for r in runs) == 2 * 3


def test_trials_run_on_a_seed_of_their_own(done: Done) -> None:
    named = [t.name for task in RunStore(done[1]).read_sweep().search for t in task.trials]
    assert all("_s1000" in name for name in named)


# Whatever happens


@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(7, marks=pytest.mark.slow)])
def test_a_search_that_was_stopped_goes_on_to_the_same_result(done: Done, tmp_path: Path, after: int) -> None:
    ended: list[str] = []

    def stop(event: Event) -> None:
        if event.what == "done":
            ended.append(event.run.digest)
        if len(ended) == after:
            raise KeyboardInterrupt

    of, whole, _ = done
    assert of.run(tmp_path / "out", told=SweepCallbacks(stop)).interrupted
    again = of.run(tmp_path / "out")
    assert again.already_complete >= after
    assert again.completed + after == done[2].completed
    assert RunStore(tmp_path / "out").read_sweep() == RunStore(whole).read_sweep()
    assert identical(results(tmp_path / "out"), results(whole))


def test_running_a_search_again_does_nothing(done: Done) -> None:
    outcome = done[0].run(done[1])
    assert (outcome.completed, outcome.failed, outcome.already_complete) == (0, 0, done[2].completed)


@pytest.mark.slow
def test_a_killed_optuna_search_asks_for_the_same_trials_again(tmp_path: Path) -> None:
    of = searched(tmp_path, 'method = "optuna"\ntrials = 5', '"pushes.by" = { uniform = [0.0, 1000.0] }')
    of.run(tmp_path / "whole")

    def stop(event: Event) -> None:
        if event.what == "done" and event.run.method == "pushes" and len(RunStore(tmp_path / "out").names("runs")) > 8:
            raise KeyboardInterrupt

    assert of.run(tmp_path / "out", told=SweepCallbacks(stop)).interrupted
    of.run(tmp_path / "out")
    assert RunStore(tmp_path / "out").read_sweep() == RunStore(tmp_path / "whole").read_sweep()


def test_optuna_finds_the_end_of_the_range_that_is_better(tmp_path: Path) -> None:
    searched(tmp_path, 'method = "optuna"\ntrials = 8', '"pushes.by" = { loguniform = [0.01, 1000.0] }').run(tmp_path / "out")
    assert chosen(tmp_path / "out")["pushes_bright_pale"]["pushes.by"] > 10


@pytest.mark.slow
def test_ray_and_inline_search_to_the_same_result(done: Done, tmp_path: Path, running_ray: None) -> None:
    of, whole, outcome = done
    assert of.run(tmp_path / "ray", "ray").completed == outcome.completed
    assert RunStore(tmp_path / "ray").read_sweep() == RunStore(whole).read_sweep()
    assert identical(results(tmp_path / "ray"), results(whole))


def test_more_trials_go_on_in_the_same_folder(done: Done, tmp_path: Path) -> None:
    shutil.copytree(done[1], tmp_path / "out")
    more = searched(tmp_path, "trials = 5").run(tmp_path / "out")
    assert (more.completed, more.failed) == (0, 0)  # the grid has three points: the fifth trial is the second again
    assert {len(t.trials) for t in RunStore(tmp_path / "out").read_sweep().search} == {5}


def test_redo_makes_the_search_again(done: Done, tmp_path: Path) -> None:
    shutil.copytree(done[1], tmp_path / "out")
    again = done[0].run(tmp_path / "out", redo=True)
    assert (again.already_complete, again.completed) == (0, done[2].completed)


def test_who_listens_is_told_how_many_runs_are_left_when_that_is_known(tmp_path: Path) -> None:
    of, lines, left = searched(tmp_path), [], []
    told = SweepCallbacks(expect=left.append, write=[lines.append])
    of.run(tmp_path / "out", told=told)
    counts = json.loads(lines[-1])["counts"]
    assert (counts["pending"], counts["runs"]) == (0, len(RunStore(tmp_path / "out").names("runs")))
    assert len(left[0]) > len(left[-1]) == 0


# Trials that fail


def test_of_trials_that_tie_the_first_is_chosen_and_the_others_are_counted(tmp_path: Path) -> None:
    searched(tmp_path, space='"pushes.by" = [0.0, 1000.0, 5000.0]').run(tmp_path / "out")
    (task,) = (t for t in RunStore(tmp_path / "out").read_sweep().search if t.adapter == "pushes")
    assert [trial.score for trial in task.trials][1:] == [0.0, 0.0]
    assert (task.chosen, task.tied) == (1, 1)


def test_a_search_with_one_best_trial_has_no_tie(done: Done) -> None:
    assert {t.tied for t in RunStore(done[1]).read_sweep().search if t.adapter == "pushes"} == {0}


def test_a_trial_that_fails_is_not_chosen_and_fails_nothing_else(tmp_path: Path) -> None:
    outcome = searched(tmp_path, space='"pushes.by" = [-1.0, 0.0, 10.0]').run(tmp_path / "out")
    assert (outcome.failed, outcome.trials_failed) == (0, 1)
    assert chosen(tmp_path / "out")["pushes_bright_pale"]["pushes.by"] == 10.0
    states = [t.state for t in read_trials(RunStore(tmp_path / "out")) if t.task == "pushes: bright -> pale"]
    assert states == ["failed", "done", "done"]


def test_a_task_of_which_every_trial_fails_is_missing_and_the_others_are_there(tmp_path: Path) -> None:
    outcome = searched(tmp_path, space='"pushes.by" = [-1.0, -2.0]').run(tmp_path / "out")
    assert outcome.failed == 1
    matrix = read_matrix(RunStore(tmp_path / "out"))
    assert matrix.missing == ["pushes_bright_pale_not chosen"]
    assert matrix.total == len(matrix.predictions.records) + 1
    assert {c.adapter for c in matrix.cells} == {"none"}


# What a search may look at


class _Forbidden(AssertionError):
    pass


@pytest.fixture
def no_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody opens labels, or predictions on test images, which say nothing without them."""

    def refuse(*asked: Any) -> Any:
        raise _Forbidden(str(asked))

    for name in ("labels", "samples"):
        monkeypatch.setattr(Prepared, name, refuse)
    monkeypatch.setattr(StoredRun, "logits", refuse)
    monkeypatch.setattr(RunStore, "dataset", refuse)


def test_choosing_opens_no_labels_and_no_predictions(done: Done, no_labels: None) -> None:
    search = HyperparameterSearch(done[0].plan, RunStore(done[1]))
    assert search.begin() == []
    assert {study.chosen for study in search.studies if study.task.adapter == "pushes"} == {1}


def test_only_the_oracle_opens_labels_and_those_of_the_validation_split(
    tmp_path: Path, no_labels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    of = searched(tmp_path, 'select = "oracle"')
    of.run(tmp_path / "out")
    opened: list[str] = []
    labels = Prepared.labels
    monkeypatch.setattr(Prepared, "labels", lambda self, split: opened.append(split) or labels(self, split))
    HyperparameterSearch(of.plan, RunStore(tmp_path / "out")).begin()
    assert set(opened) == {"val"}


def test_the_oracle_scores_by_accuracy_on_the_targets_validation_split(tmp_path: Path) -> None:
    of = searched(tmp_path, 'select = "oracle"')
    of.run(tmp_path / "out")
    store = RunStore(tmp_path / "out")
    (task,) = [t for t in store.read_sweep().search if (t.adapter, t.target) == ("pushes", "pale")]
    labels = of.plan.prepared["pale"].labels("val")
    pushed = task.trials[1]  # so far that everything is the first class
    assert pushed.score == pytest.approx(float(np.mean(labels == 0)), abs=1e-6)
    assert task.trials[task.chosen or 0].score == max(t.score or 0.0 for t in task.trials)


@pytest.mark.parametrize("select", ["entropy", "oracle"])
def test_no_worker_of_a_search_is_given_labels_of_its_target(tmp_path: Path, select: str) -> None:
    of = searched(tmp_path, f'select = "{select}"')
    for run in HyperparameterSearch(of.plan, RunStore(tmp_path / "out")).begin():
        job = json.dumps(asdict(replace(of.plan.job(run), sources=())))
        assert "labels.npy" not in job
        assert "val-labels.npy" not in job


@pytest.mark.parametrize("form", ["json", "md", "csv", "tex", "html"])
def test_a_search_by_the_oracle_is_said_in_every_format(tmp_path: Path, form: str) -> None:
    from dabench.reporting.formats import one_text

    of = searched(tmp_path, 'select = "oracle"', adapters=("none",), space="")
    of.run(tmp_path / "out")
    text = one_text(read_matrix(RunStore(tmp_path / "out")), form)
    assert "FROM TARGET LABELS of the validation split (a bound, not a result) over 3 trials per task" in text.replace("\n", " ")


# Early stopping


def test_a_trial_that_is_behind_is_ended_early_and_kept(tmp_path: Path) -> None:
    of = searched(tmp_path, "early_stopping = true", '"pushes.by" = [1000.0, 0.0, 0.001]')
    of.run(tmp_path / "out")
    trials = [t for t in read_trials(RunStore(tmp_path / "out")) if t.task == "pushes: bright -> pale"]
    assert [(t.state, t.steps) for t in trials] == [("done", 4), ("stopped", 2), ("stopped", 2)]
    assert [t.chosen for t in trials] == [True, False, False]


@pytest.mark.slow
def test_early_stopping_comes_to_the_same_when_it_goes_on(tmp_path: Path) -> None:
    of = searched(tmp_path, "early_stopping = true", '"pushes.by" = [10.0, 1000.0, 0.0]')
    of.run(tmp_path / "whole")

    def stop(event: Event) -> None:
        if event.what == "done" and event.run.probe:
            raise KeyboardInterrupt

    assert of.run(tmp_path / "out", told=SweepCallbacks(stop)).interrupted
    of.run(tmp_path / "out")
    assert RunStore(tmp_path / "out").read_sweep() == RunStore(tmp_path / "whole").read_sweep()


# Looking at it


def test_trials_say_their_test_accuracy_only_when_asked(done: Done) -> None:
    store = RunStore(done[1])
    assert {t.accuracy_by_test_labels for t in read_trials(store)} == {None}
    asked = read_trials(store, test_accuracy=True)
    record = store.find(store.read_sweep().search[0].trials[0].run)
    assert record is not None
    right = record.logits(asked[0].target)[-1].argmax(1) == store.dataset(asked[0].target).labels
    assert asked[0].accuracy_by_test_labels == pytest.approx(100 * right.mean(), abs=1e-3)


def test_a_sweep_without_a_search_has_no_trials(quick_runs: Path) -> None:
    with pytest.raises(SpecError, match="its sweep has no search; add \\[search\\] with trials = 8"):
        read_trials(RunStore(quick_runs))


@pytest.mark.parametrize("form", ["json", "md", "csv", "tex"])
def test_trials_are_printed_in_every_format(done: Done, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    from dabench.cli import main

    assert main(["report", str(done[1]), "--trials", "--format", form]) == 0
    text = capsys.readouterr().out
    assert "1000.0" in text
    assert "test" not in text.lower().replace("latex", "")


def test_trials_with_test_accuracy_say_by_what(done: Done, capsys: pytest.CaptureFixture[str]) -> None:
    from dabench.cli import main

    assert main(["report", str(done[1]), "--trials", "--test-accuracy", "--format", "md"]) == 0
    text = capsys.readouterr().out
    assert "test accuracy (from test labels)" in text
    assert "Do not choose anything by it; dabench did not." in text


def test_a_report_says_how_hyper_parameters_were_chosen(done: Done) -> None:
    from dabench.reporting.citation import cite_results
    from dabench.reporting.formats import one_text

    matrix, said = read_matrix(RunStore(done[1])), "hyperparameters chosen by 'entropy' over 4 trials per task"
    assert all(said in one_text(matrix, form) for form in ("json", "md", "csv", "tex"))
    assert "pushes.by = 1000.0" in one_text(matrix, "html")
    assert said in cite_results(matrix.predictions).sentence
    assert matrix.selection == "last"


def test_a_pack_of_a_searched_sweep_gives_the_same_table(done: Done, tmp_path: Path) -> None:
    from dabench.analysis.export import open_results, write_pack

    pack = open_results(write_pack(RunStore(done[1]), tmp_path / "made.zip"))
    assert read_matrix(pack).as_dict() == read_matrix(RunStore(done[1])).as_dict()
    assert read_trials(pack) == read_trials(RunStore(done[1]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda task: task.update(runs={"first": "abc"}), r"search\[0\].runs = .*: must be a table whose keys are whole numbers"),
        (lambda task: task.update(target="nowhere"), "dataset 'nowhere' must be in sweep.datasets"),
        (lambda task: task.update(adapter="unknown"), "adapter 'unknown' must be in adapters"),
        (lambda task: task["trials"][0].update(score="high"), r"search\[0\].trials\[0\].score = 'high': must be a number"),
    ],
)
def test_nonsense_in_what_was_searched_is_told(done: Done, tmp_path: Path, change: Any, says: str) -> None:
    shutil.copytree(done[1], tmp_path / "out")
    record = json.loads((tmp_path / "out" / "sweep.json").read_text())
    change(record["search"][0])
    edit(tmp_path / "out" / "sweep.json", lambda text: json.dumps(record))
    with pytest.raises(StoreError, match=says):
        read_matrix(RunStore(tmp_path / "out"))


def test_the_plan_of_a_search_counts_with_the_runs_that_are_not_known_yet(done: Done, tmp_path: Path) -> None:
    search = HyperparameterSearch(done[0].plan, RunStore(tmp_path / "empty"))
    search.begin()
    real = HyperparameterSearch(done[0].plan, RunStore(done[1]))
    real.begin()
    assert {r.digest for r in real.expected()} == set(real.complete)
    assert len(search.expected()) == pytest.approx(len(real.expected()), abs=4)
    assert replace(done[0].plan).runs == ()
