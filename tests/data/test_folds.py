"""Datasets divided into folds: every image is tested once, groups stay whole, and classes are spread evenly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from toys import CLASSES, even, samples, toy

from dabench.data.cache import Prepared
from dabench.data.folds import folded
from dabench.data.prepare import prepare_dataset
from dabench.data.splits import image_digests
from dabench.errors import DataError
from dabench.plugins.contract import Samples
from dabench.storage.schema import Folds

LEAVE_OUT: Folds = "leave-one-group-out"


def of_people(first: int, people: int, seed: int) -> Samples:
    """Return two images of each class of each person; the attribute says whose they are."""
    group = np.repeat(np.arange(first, first + people), 2 * len(CLASSES))
    labels = np.tile(even(2), people)
    return samples(labels.tolist(), seed, groups=group, attributes={"name": np.array([f"p{g}" for g in group])})


PEOPLE = {"train": of_people(0, 6, 1), "val": of_people(6, 1, 2), "test": of_people(7, 3, 3)}
BARE = {"train": samples(even(20), 1), "test": samples(even(10), 2)}


def prepared(folder: Path, splits: Mapping[str, Samples], name: str = "toy") -> Prepared:
    return prepare_dataset(toy(name, splits), folder, folder / "cache", notify=lambda line: None)


def divided(folder: Path, splits: Mapping[str, Samples], folds: Folds) -> tuple[Prepared, ...]:
    return folded(prepared(folder, splits), folds, notify=lambda line: None)


def digests(of: Prepared, split: str) -> list[bytes]:
    return image_digests(of.samples(split).images).tolist()


def groups_of_test(of: Prepared) -> set[int]:
    found: NDArray[np.int64] | None = of.groups("test")
    assert found is not None
    return set(found.tolist())


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, ...]:
    return divided(tmp_path_factory.mktemp("five"), PEOPLE, 5)


def test_every_image_is_tested_once(five: tuple[Prepared, ...]) -> None:
    every = [d for split in PEOPLE.values() for d in image_digests(split.images).tolist()]
    assert sorted(d for fold in five for d in digests(fold, "test")) == sorted(every)


def test_no_image_is_in_two_splits_of_a_fold(five: tuple[Prepared, ...]) -> None:
    for fold in five:
        here = [d for split in ("train", "val", "test") for d in digests(fold, split)]
        assert len(here) == len(set(here)) == 60


def test_no_group_is_in_two_splits_of_a_fold(five: tuple[Prepared, ...]) -> None:
    for fold in five:
        of = [set(np.unique(fold.samples(split).groups).tolist()) for split in ("train", "val", "test")]
        assert sum(map(len, of)) == len(set.union(*of)) == 10


def test_classes_are_spread_evenly(five: tuple[Prepared, ...]) -> None:
    assert [fold.splits["test"]["classes"] for fold in five] == [dict.fromkeys(CLASSES, 4)] * 5


def test_images_keep_label_and_attribute(five: tuple[Prepared, ...]) -> None:
    known = {
        d: (label, name)
        for split in PEOPLE.values()
        for d, label, name in zip(image_digests(split.images).tolist(), split.labels, split.attributes["name"], strict=True)
    }
    test = five[2].samples("test")
    assert test.labels is not None
    assert [known[d] for d in digests(five[2], "test")] == list(zip(test.labels, test.attributes["name"], strict=True))


def test_images_are_in_the_order_of_their_hashes(five: tuple[Prepared, ...]) -> None:
    for split in ("train", "val", "test"):
        assert digests(five[0], split) == sorted(digests(five[0], split))


def test_one_group_is_left_out_in_each_fold(tmp_path: Path) -> None:
    assert [groups_of_test(fold) for fold in divided(tmp_path, PEOPLE, LEAVE_OUT)] == [{person} for person in range(10)]


def test_without_groups_each_class_is_divided(tmp_path: Path) -> None:
    found = divided(tmp_path, BARE, 4)
    assert {n for fold in found for n in fold.splits["test"]["classes"].values()} == {7, 8}  # of 30


def test_images_without_labels_are_divided(tmp_path: Path) -> None:
    found = divided(tmp_path, {split: replace(s, labels=None) for split, s in PEOPLE.items()}, 5)
    assert [fold.count("test") for fold in found] == [12] * 5


def test_folds_are_made_once(tmp_path: Path) -> None:
    whole, lines = prepared(tmp_path, PEOPLE), list[str]()
    first = folded(whole, 2, notify=lines.append)
    assert folded(whole, 2, notify=lines.append) == first
    assert lines == ["dividing toy into 2 folds (0 MB in the cache) ..."]


def test_another_number_of_folds_is_another_division(tmp_path: Path) -> None:
    of = {number: {fold.digest for fold in divided(tmp_path, PEOPLE, number)} for number in (2, 5)}
    assert not of[2] & of[5]


@pytest.mark.parametrize(
    ("splits", "folds", "expected"),
    [
        (BARE, LEAVE_OUT, "its groups are not known, so folds = 'leave-one-group-out' cannot divide it; set folds = 5"),
        (PEOPLE, 11, "has 10 groups, too few for folds = 11; set folds = 10 or fewer"),
        (BARE, 31, "has 30 images of its largest class, too few for folds = 31; set folds = 30 or fewer"),
        ({s: of_people(3, 1, n) for n, s in enumerate(("train", "test"))}, LEAVE_OUT, "number of groups: 1"),
        ({"train": PEOPLE["train"], "test": BARE["test"]}, 3, "groups are not known in test"),
    ],
    ids=["no groups", "few groups", "few images", "one group", "some groups"],
)  # fmt: skip
def test_what_cannot_be_divided_is_refused(splits: Mapping[str, Samples], folds: Folds, expected: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^dataset 'toy': ") as error:
        divided(tmp_path, splits, folds)
    assert expected in str(error.value)
