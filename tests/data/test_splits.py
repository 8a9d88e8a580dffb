"""The contract of splits, the validation part, the order, the shots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import even, samples, toy

from dabench.data.splits import checked, choose_shots, held_out, with_validation
from dabench.errors import DataError
from dabench.plugins.contract import Samples

CLASSES = ("a", "b", "c")


def splits(**changes: Any) -> dict[str, Samples]:
    """Return a good train and test split, with what a test changes of the training split."""
    good = samples(even(10))
    train = Samples(**{"images": good.images, "labels": good.labels, **changes})
    return {"train": train, "test": samples(even(5))}


def refusal(given: Any, **facts: Any) -> str:
    with pytest.raises(DataError) as caught:
        checked(toy(**facts), given)
    assert str(caught.value).startswith("dataset 'toy'")
    return str(caught.value)


# The contract


def test_good_splits_are_passed_on_whole() -> None:
    result = checked(toy(), splits())
    assert {name: len(s.images) for name, s in result.items()} == {"train": 30, "test": 15}


def test_splits_come_in_a_fixed_order() -> None:
    given = splits()
    assert list(checked(toy(), {"test": given["test"], "val": given["test"], "train": given["train"]})) == [
        "train",
        "val",
        "test",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((30, 1, 8, 8), np.float32)}, "images are float32 (30, 1, 8, 8); must be uint8 (N, C, H, W)"),
        ({"images": np.zeros((30, 8, 8), np.uint8)}, "have different shapes in different splits"),
        ({"images": np.zeros((30, 1, 8, 9), np.uint8)}, "have different shapes in different splits"),
        ({"images": np.zeros((0, 1, 8, 8), np.uint8), "labels": np.zeros(0, np.int64)}, "is empty"),
        ({"labels": None}, "labels are missing"),
        ({"labels": np.zeros(29, np.int64)}, "labels has shape (29,); must be (30,)"),
        ({"labels": np.zeros((30, 3), np.int64)}, "labels has shape (30, 3)"),
        ({"labels": np.zeros(30)}, "labels are float64; must be whole numbers"),
        ({"labels": np.full(30, 3)}, "label 3 is outside 0..2 (3 classes: a, b, c)"),
        ({"labels": np.full(30, -1)}, "label -1 is outside 0..2"),
        ({"groups": np.zeros(29, np.int64)}, "groups has shape (29,)"),
        ({"groups": np.zeros(30)}, "groups are float64"),
        ({"attributes": {"age": np.zeros(3)}}, "age has shape (3,)"),
        ({"attributes": {"age": np.array([None] * 30)}}, "attribute 'age' is object; must be numbers or text"),
    ],
)
def test_a_breach_of_the_contract_says_what_and_where(changes: dict[str, Any], words: str) -> None:
    message = refusal(splits(**changes))
    assert words in message
    assert "train" in message


def test_two_channels_are_neither_grey_nor_colour() -> None:
    two = samples(even(3), shape=(2, 8, 8))
    assert "with C 1 or 3" in refusal({"train": two, "test": two})


@pytest.mark.parametrize("missing", ["train", "test"])
def test_a_missing_split_is_named_by_what_there_is(missing: str) -> None:
    rest = {k: v for k, v in splits().items() if k != missing}
    assert f"not {list(rest)}" in refusal(rest)


def test_an_unknown_split_is_refused() -> None:
    assert "'train', 'test' and optionally 'val'" in refusal({**splits(), "extra": samples(even(2))})


def test_what_is_no_table_of_splits_is_refused() -> None:
    assert "not list" in refusal([samples(even(2))])


@pytest.mark.parametrize("classes", [(), ("a", "b", "a")])
def test_classes_must_be_different_names(classes: tuple[str, ...]) -> None:
    assert "must be a list of different, printable names" in refusal(splits(), classes=classes)


def test_counts_that_the_authors_state_are_checked() -> None:
    message = refusal(splits(), counts={"train": 28709}, download_instructions="Ask them.")
    assert "train holds 30 images, but the dataset has 28,709" in message
    assert message.endswith("Ask them.")


def test_lists_and_small_integers_become_int64() -> None:
    train = checked(toy(), splits(labels=even(10), groups=np.arange(30, dtype=np.uint8)))["train"]
    assert train.labels is not None
    assert train.groups is not None
    assert (train.labels.dtype, train.groups.dtype) == (np.int64, np.int64)


# The order


def test_the_order_is_shuffled() -> None:
    labels = checked(toy(), splits())["train"].labels
    assert labels is not None
    assert labels.tolist() != sorted(labels.tolist())


def test_the_order_is_the_same_each_time() -> None:
    one, two = checked(toy(), splits())["train"], checked(toy(), splits())["train"]
    np.testing.assert_array_equal(one.images, two.images)


def test_images_keep_their_labels_groups_and_attributes() -> None:
    n = np.arange(30)
    train = checked(toy(), splits(groups=n + 100, attributes={"n": n}))["train"]
    at = train.images[:, 0, 0, 0]
    np.testing.assert_array_equal(train.labels, at // 10)
    np.testing.assert_array_equal(train.groups, at.astype(int) + 100)
    np.testing.assert_array_equal(train.attributes["n"], at)


# Validation


def test_a_tenth_of_train_becomes_val() -> None:
    result = with_validation({"train": samples(even(50)), "test": samples(even(5))})
    assert {name: len(s.images) for name, s in result.items()} == {"train": 135, "val": 15, "test": 15}


def test_val_has_a_tenth_of_each_class() -> None:
    val = with_validation({"train": samples([0] * 100 + [1] * 20), "test": samples([0, 1])})["val"]
    assert val.labels is not None
    assert np.bincount(val.labels).tolist() == [10, 2]


def test_val_and_train_share_no_image_and_lose_none() -> None:
    result = with_validation({"train": samples(even(50)), "test": samples(even(5))})
    seen = [*result["train"].images[:, 0, 0, 0], *result["val"].images[:, 0, 0, 0]]
    assert sorted(seen) == list(range(150))


def test_a_val_split_of_the_dataset_is_kept() -> None:
    given = {"train": samples(even(50)), "val": samples(even(1)), "test": samples(even(5))}
    assert with_validation(given)["val"] is given["val"]


def test_val_is_made_of_whole_groups() -> None:
    groups = np.arange(150) % 20
    result = with_validation({"train": samples(even(50), groups=groups), "test": samples(even(5))})
    train, val = result["train"].groups, result["val"].groups
    assert train is not None
    assert val is not None
    assert set(train) & set(val) == set()
    assert len(set(val)) == 2


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=4, max_size=60),
    st.floats(0.05, 0.5),
)
def test_held_out_groups_are_whole_wherever_a_group_can_be_spared(rows: list[tuple[int, int]], part: float) -> None:
    labels, groups = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    spare = [g for g in set(groups) if set(labels[groups != g]) == set(labels)]
    if not spare:
        return
    held = held_out(labels, groups, part)
    assert held.any()
    assert set(groups[held]) & set(groups[~held]) == set()
    assert set(labels[~held]) == set(labels)


def test_a_group_without_which_a_class_is_lost_stays() -> None:
    groups = np.repeat(np.arange(10), 10)
    labels = np.where(groups == 0, 2, np.arange(100) % 2)
    for part in (0.1, 0.3, 0.5):
        held = held_out(labels, groups, part)
        assert 0 not in groups[held]
        assert len(set(groups[held])) == round(part * 10)


def test_one_group_alone_is_split_by_images() -> None:
    held = held_out(np.array(even(10)), np.zeros(30, np.int64), 0.1)
    assert held.sum() == 3


def test_a_class_of_one_image_keeps_it_in_train() -> None:
    held = held_out(np.array([0] * 10 + [1]), None, 0.2)
    assert not held[10]


def test_classes_of_one_image_each_cannot_be_split() -> None:
    with pytest.raises(DataError, match="no image can be held out of 3, because each class has a single one left"):
        held_out(np.array([0, 1, 2]), None, 0.1)


# Shots

LABELS = np.random.default_rng(3).permutation(np.array(even(12)))


def test_shots_are_so_many_of_each_class() -> None:
    at = choose_shots(LABELS, CLASSES, 5, 0, "toy")
    assert np.bincount(LABELS[at]).tolist() == [5, 5, 5]


def test_shots_are_different_positions_in_order() -> None:
    at = choose_shots(LABELS, CLASSES, 5, 0, "toy").tolist()
    assert at == sorted(set(at))


@settings(max_examples=40, deadline=None, database=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_fewer_shots_are_a_part_of_more(one: int, two: int, seed: int) -> None:
    few, many = (set(choose_shots(LABELS, CLASSES, n, seed, "toy")) for n in sorted((one, two)))
    assert few <= many


def test_the_same_seed_gives_the_same_shots() -> None:
    np.testing.assert_array_equal(choose_shots(LABELS, CLASSES, 5, 1, "toy"), choose_shots(LABELS, CLASSES, 5, 1, "toy"))


def test_another_seed_gives_other_shots() -> None:
    assert choose_shots(LABELS, CLASSES, 5, 0, "toy").tolist() != choose_shots(LABELS, CLASSES, 5, 1, "toy").tolist()


def test_all_shots_are_all_images() -> None:
    assert choose_shots(LABELS, CLASSES, "all", 0, "toy").tolist() == list(range(36))


def test_more_shots_than_a_class_has_name_class_count_and_what_to_set() -> None:
    labels = np.array([0] * 10 + [1] * 4 + [2] * 10)
    with pytest.raises(DataError, match=r"shots = 5: class 'b' of dataset 'toy' has only 4 training images; set shots = 4 or"):
        choose_shots(labels, CLASSES, 5, 0, "toy")


def test_as_many_shots_as_the_class_has_are_given() -> None:
    assert len(choose_shots(np.array([0, 0, 1, 1]), ("a", "b"), 2, 0, "toy")) == 4
