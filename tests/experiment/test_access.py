"""What a run is granted, as plain values: what `access` names and no more."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import even, samples, toy

from dabench.data.cache import Prepared
from dabench.data.prepare import prepare_dataset
from dabench.errors import DataError
from dabench.experiment.access import Shots, SourceGrant, grant_source, grant_target, grant_test
from dabench.plugins.contract import Access


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    groups = np.arange(60) % 20
    splits = {"train": samples(even(20), groups=groups), "test": samples(even(10), groups=np.arange(30) + 50)}
    return prepare_dataset(toy("x", splits), tmp_path / "raw", tmp_path / "cache", notify=lambda _: None)


def file(prepared: Prepared, part: str, split: str = "train") -> str:
    return str(prepared.folder / f"{split}-{part}.npy")


def test_of_a_source_images_labels_and_groups_of_the_training_split(prepared: Prepared) -> None:
    assert grant_source(prepared) == SourceGrant(
        "x", file(prepared, "images"), file(prepared, "labels"), file(prepared, "groups"),
        file(prepared, "images", "val"), file(prepared, "labels", "val"),
    )  # fmt: skip


def test_of_a_source_without_groups_no_groups(tmp_path: Path) -> None:
    prepared = prepare_dataset(toy(), tmp_path / "raw", tmp_path / "cache", notify=lambda _: None)
    assert grant_source(prepared).groups is None


def test_of_a_test_split_the_images_alone(prepared: Prepared) -> None:
    assert grant_test(prepared) == file(prepared, "images", "test")


def shots_of(prepared: Prepared, access: Access, shots: Any, seed: int = 0) -> Shots:
    found = grant_target(prepared, access, shots, seed).shots
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("access", "keys"),
    [
        ("none", {"name"}),
        ("unlabelled", {"name", "images"}),
        ("few-shot", {"name", "images", "shots"}),
        ("full", {"name", "images", "shots"}),
    ],
)
def test_of_a_target_what_its_access_names(prepared: Prepared, access: Access, keys: set[str]) -> None:
    grant = asdict(grant_target(prepared, access, 3, 0))
    assert {key for key, value in grant.items() if value is not None} == keys


def test_of_a_target_the_training_images(prepared: Prepared) -> None:
    assert grant_target(prepared, "unlabelled", 3, 0).images == file(prepared, "images")


def test_few_shot_is_the_labels_of_its_shots(prepared: Prepared) -> None:
    shots = shots_of(prepared, "few-shot", 3)
    assert np.bincount(shots.labels).tolist() == [3, 3, 3]
    np.testing.assert_array_equal(prepared.labels("train")[list(shots.at)], shots.labels)


def test_the_shots_depend_on_the_seed_and_not_on_the_method(prepared: Prepared) -> None:
    one = shots_of(prepared, "few-shot", 3)
    assert one == shots_of(prepared, "few-shot", 3)
    assert one.at != shots_of(prepared, "few-shot", 3, seed=1).at


@pytest.mark.parametrize(("access", "shots"), [("full", 3), ("few-shot", "all")])
def test_full_access_or_all_shots_is_every_label(prepared: Prepared, access: Access, shots: Any) -> None:
    assert shots_of(prepared, access, shots).labels == tuple(prepared.labels("train").tolist())


def test_full_access_does_not_mind_the_number_of_shots(prepared: Prepared) -> None:
    assert grant_target(prepared, "full", 1000, 0)


def test_more_shots_than_a_class_has_are_an_error(prepared: Prepared) -> None:
    with pytest.raises(DataError, match=r"shots = 1000: class 'a' of dataset 'x'"):
        grant_target(prepared, "few-shot", 1000, 0)


def test_methods_that_may_see_no_labels_do_not_mind_the_number_of_shots(prepared: Prepared) -> None:
    assert grant_target(prepared, "unlabelled", 1000, 0).shots is None


@pytest.mark.parametrize("access", ["none", "unlabelled", "few-shot", "full"])
def test_no_target_grant_names_a_file_of_labels_or_groups(prepared: Prepared, access: Access) -> None:
    text = json.dumps(asdict(grant_target(prepared, access, 3, 0)))
    assert "labels.npy" not in text
    assert "groups.npy" not in text
    assert "test-images.npy" not in text
