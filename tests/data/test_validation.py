"""The validation split that is held out has every class where whole groups allow it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from toys import even, samples

from dabench.data.splits import image_digests, with_validation
from dabench.data.validation import with_every_class
from dabench.plugins.contract import Samples

RARE = 2
"""A class that few groups have."""


def people(number: int, with_rare: int, each: int = 4) -> dict[str, Samples]:
    """Return people with images of two classes; the first `with_rare` of them have images of a third class as well."""
    labels = [k for person in range(number) for k in [0, 1] * each + ([RARE] if person < with_rare else [])]
    groups = [person for person in range(number) for _ in range(2 * each + (person < with_rare))]
    return {"train": samples(labels, groups=np.array(groups)), "test": samples(even(2))}


def classes(of: Samples) -> set[int]:
    assert of.labels is not None
    return set(of.labels.tolist())


def groups(of: Samples) -> NDArray[np.int64]:
    return np.unique(np.asarray(of.groups))


def test_a_class_that_the_drawn_groups_lack_is_added_with_a_whole_group() -> None:
    given = people(20, with_rare=2)
    assert classes(with_validation(given)["val"]) == {0, 1}  # as drawn
    found = with_every_class(given)
    assert classes(found["val"]) == classes(found["train"]) == {0, 1, RARE}
    assert len(groups(found["val"])) == 3
    assert not np.intersect1d(groups(found["val"]), groups(found["train"])).size


def test_drawn_groups_with_every_class_stay_as_they_are() -> None:
    given = people(20, with_rare=20)
    drawn, found = with_validation(given), with_every_class(given)
    for split in ("train", "val"):
        assert np.array_equal(np.asarray(found[split].images), np.asarray(drawn[split].images))


def test_images_stay_in_their_order() -> None:
    given = people(20, with_rare=2)
    place = {digest: n for n, digest in enumerate(image_digests(given["train"].images).tolist())}
    for split in ("train", "val"):
        at = [place[digest] for digest in image_digests(with_every_class(given)[split].images).tolist()]
        assert at == sorted(at)


def test_the_only_group_of_a_class_stays_in_training() -> None:
    found = with_every_class(people(20, with_rare=1))
    assert classes(found["train"]) == {0, 1, RARE}
    assert classes(found["val"]) == {0, 1}


def test_no_more_than_a_quarter_is_held_out() -> None:
    labels, own = np.repeat(np.arange(10), 20), np.repeat(np.arange(20), 10)  # two groups of one class each for every class
    found = with_every_class({"train": samples(labels.tolist(), groups=own), "test": samples(even(2))})
    assert len(found["val"].images) == 50


def test_a_validation_split_of_the_dataset_is_left_as_it_is() -> None:
    given = people(20, with_rare=2) | {"val": samples([0, 1])}
    assert with_every_class(given)["val"] is given["val"]


def test_one_group_alone_is_split_by_images() -> None:
    found = with_every_class({"train": samples(even(10), groups=np.zeros(30, np.int64)), "test": samples(even(2))})
    assert len(found["val"].images) == 3


def test_images_without_labels_are_split_by_groups() -> None:
    given = {split: Samples(s.images, None, s.groups) for split, s in people(20, with_rare=2).items()}
    assert len(groups(with_every_class(given)["val"])) == 2
