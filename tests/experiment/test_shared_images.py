"""A sweep whose source and target hold the same images says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sweeps import SHAPES, tiny
from toys import even, samples, toy

from dabench.analysis.matrix import read_matrix
from dabench.data.prepare import prepare_dataset
from dabench.experiment import shared_images as module
from dabench.experiment.planner import make_plan
from dabench.experiment.shared_images import shared_images
from dabench.plugins.contract import Dataset, Samples
from dabench.plugins.registry import Registry
from dabench.reporting.sections import beside_notes
from dabench.storage.paths import data_folder
from dabench.storage.run_store import RunStore

TASKS = ((("one",), "two"), (("two",), "one"))


def warned(folder: Path, one: Mapping[str, Samples], two: Mapping[str, Samples], **facts: Any) -> list[str]:
    """Return the warnings of a sweep with tasks in both directions; `facts` are those of the first dataset."""
    datasets: dict[str, Dataset] = {"one": toy("one", one, **facts), "two": toy("two", two)}
    prepared = {n: prepare_dataset(d, folder, folder / "cache", notify=lambda line: None) for n, d in datasets.items()}
    return shared_images(TASKS, datasets, [prepared])


def splits(seed: int) -> dict[str, Samples]:
    return {"train": samples(even(20), seed), "val": samples(even(2), seed + 1), "test": samples(even(10), seed + 2)}


def test_different_images_give_no_warning(tmp_path: Path) -> None:
    assert warned(tmp_path, splits(0), splits(10)) == []


def test_test_images_of_the_target_among_training_images_of_the_source_are_counted(tmp_path: Path) -> None:
    one, two = splits(0), splits(10)
    images = np.array(two["test"].images)
    images[:4] = one["train"].images[[3, 1, 30, 59]]
    (line,) = warned(tmp_path, one, two | {"test": replace(two["test"], images=images)})
    assert line.startswith("one -> two: 4 of 30 test images of 'two' are training images of 'one'. ")
    assert line.endswith("see: dabench audit one two")


def test_a_declared_relation_is_named_in_both_directions(tmp_path: Path) -> None:
    lines = warned(tmp_path, splits(0), splits(10), shares_images_with=("two",))
    assert [line.split(". ")[0] for line in lines] == [
        "one -> two: they share images, as declared", "two -> one: they share images, as declared",
    ]  # fmt: skip


def test_large_splits_are_not_compared_image_by_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 100)
    same = splits(0)
    assert warned(tmp_path, same, {"train": same["test"], "test": same["train"]}) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mnist", "mnist-m"), ("mnist", "mnist-t10k"), ("mnist-t10k", "mnist-m"),
        ("office-31/amazon", "office-caltech10/amazon"), ("office-31/dslr", "office-caltech10/dslr"),
        ("office-31/webcam", "office-caltech10/webcam"),
    ],
)  # fmt: skip
def test_first_party_datasets_with_the_same_images_declare_it(one: str, other: str) -> None:
    registry = Registry(entry_points=False)
    assert module._related(registry.make("dataset", one), registry.make("dataset", other))


@pytest.mark.parametrize(
    ("one", "other"), [("mnist", "usps"), ("office-31/amazon", "office-caltech10/webcam"), ("office-31/dslr", "office-31/amazon")]
)
def test_others_do_not(one: str, other: str) -> None:
    registry = Registry(entry_points=False)
    assert not module._related(registry.make("dataset", one), registry.make("dataset", other))


def test_fer2013_under_two_names_is_the_same_images() -> None:
    registry = Registry(entry_points=False)
    fer = registry.make("dataset", "fer2013")
    assert module._related(fer, fer.with_facts(name="fer-plus", plugin="fer2013"))


def test_a_sweep_warns_when_it_is_planned_and_its_report_repeats_it(tmp_path: Path) -> None:
    sweep = tiny(tmp_path, ["none"], plugins=(SHAPES,), head='pairs = ["bright -> pale"]')
    bright = type(sweep.plan.datasets["bright"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bright, "shares_images_with", ("pale",))
        lines: list[str] = []
        sweep.plan = make_plan(sweep.file.sweep, sweep.registry, data_folder(), lines.append)
        sweep.run(tmp_path / "out")
    said = [line for line in lines if line.startswith("warning: bright -> pale: they share images, as declared")]
    assert len(said) == 1
    matrix = read_matrix(RunStore(tmp_path / "out"))
    assert [note.removeprefix("Warning: ") for note in beside_notes(matrix)] == [said[0].removeprefix("warning: ")]
