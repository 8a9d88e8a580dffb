"""Plans of sweeps with folds: a run trains and tests on one fold of every dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_sweeps import Tiny, tiny
from toys import CLASSES, even, samples, toy

import dabench
from dabench.data.splits import image_digests
from dabench.errors import DabenchError, DataError, SpecError
from dabench.experiment.config import Sweep
from dabench.experiment.planner import make_plan
from dabench.plugins.contract import Samples
from dabench.plugins.registry import Registry
from dabench.storage.paths import data_folder


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny(tmp_path_factory.mktemp("folds"), ["none", "dann"], head="folds = 3")


def test_each_fold_has_the_runs_of_a_sweep_without_folds(planned: Tiny, tmp_path: Path) -> None:
    plain = [run.name for run in tiny(tmp_path, ["none", "dann"]).plan.runs]
    assert sorted(run.name for run in planned.plan.runs) == sorted(f"{name}_f{fold}" for name in plain for fold in (1, 2, 3))


def test_every_run_has_a_digest_of_its_own(planned: Tiny) -> None:
    assert len({run.digest for run in planned.plan.runs}) == len(planned.plan.runs)


def test_a_run_starts_from_a_pretraining_of_its_fold(planned: Tiny) -> None:
    of = {run.digest: run.fold for run in planned.plan.runs}
    assert all(of[run.parent] == run.fold for run in planned.plan.runs if run.parent)


def test_a_run_never_opens_an_image_that_it_is_tested_on(planned: Tiny) -> None:
    (run,) = (run for run in planned.plan.runs if run.name == "dann_bright_pale_s0_f2")
    job = planned.plan.job(run)
    assert job.target is not None
    opened = [job.sources[0].images, job.sources[0].val_images, job.target.images, *job.scored.values()]
    seen = {d for path in opened if path for d in image_digests(np.load(path)).tolist()}
    assert not any(seen & set(image_digests(np.load(path)).tolist()) for path in job.tests.values())


def test_its_predictions_are_asked_for_the_data_of_its_fold(planned: Tiny) -> None:
    (run,) = (run for run in planned.plan.runs if run.name == "dann_bright_pale_s0_f2")
    assert planned.plan.test_digests(run) == {name: planned.plan.folds[1][name].digest for name in ("bright", "pale")}


def test_settings_without_folds_are_written_as_ever() -> None:
    assert "folds" not in Sweep().as_dict()
    assert Sweep(folds=5).recipe["folds"] == 5


def people(first: int, number: int, labels: list[int]) -> Samples:
    groups = np.repeat(np.arange(first, first + number), len(labels))
    return samples(labels * number, first, groups=groups)


def plan_of(name: str, one: dict[str, Samples], folds: object) -> None:
    """Plan a sweep over the dataset `one` of that name and another one of three people."""
    registry = Registry(entry_points=False)
    for dataset in (toy(name, one), toy("three", {"train": people(0, 2, even(2)), "test": people(2, 1, even(2))})):
        registry.register(type(dataset))
    sweep = Sweep("made", datasets=(name, "three"), adapters=("none",), backbone="conv4", folds=folds)  # type: ignore[arg-type]
    make_plan(sweep, registry, data_folder(), lambda line: None)


def test_different_numbers_of_groups_to_leave_out_are_refused() -> None:
    with pytest.raises(DataError, match=r"different numbers of groups \(two 2, three 3\).*set folds = 2 or fewer"):
        plan_of("two", {"train": people(0, 1, even(2)), "test": people(1, 1, even(2))}, "leave-one-group-out")


def test_a_class_of_one_group_is_refused() -> None:
    lone = {"train": people(0, 2, [0, 0, 1, 1]), "test": people(2, 1, even(1))}
    with pytest.raises(DataError, match=rf"^dataset 'lone', fold 3: its train split has no image of class '{CLASSES[2]}'"):
        plan_of("lone", lone, "leave-one-group-out")


@pytest.mark.parametrize(
    ("head", "tables", "expected"),
    [
        ("folds = 1", "", "folds = 1: must be at least 2"),
        ('folds = "leave-one-out"', "", "must be a whole number or 'leave-one-group-out'"),
        ("folds = 2", '[search]\ntrials = 2\n[search.space]\n"train.lr" = [0.1, 0.2]', "a sweep with folds cannot search"),
    ],
)
def test_wrong_folds_are_refused_with_their_line(head: str, tables: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="line 8: ") as error:
        tiny(tmp_path, ["none"], head=head, tables=tables)
    assert expected in str(error.value)


def test_a_quiz_is_of_one_test_split(tmp_path: Path) -> None:
    table = {"name": "own", "datasets": ["uci-digits"], "adapters": ["none"], "backbone": "conv4", "folds": 2}
    with pytest.raises(SpecError, match="sweep own has folds"):
        dabench.human("uci-digits", tmp_path / "quiz", sweep=table)


def test_folds_can_be_set_for_one_call(tmp_path: Path) -> None:
    assert len(tiny(tmp_path, ["none"], overrides=["folds=leave-one-group-out"]).plan.folds) == 6
    with pytest.raises(DabenchError, match=r"^--set: folds"):
        tiny(tmp_path, ["none"], overrides=["folds=0"])
