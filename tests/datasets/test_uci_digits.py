"""The handwritten digits that scikit-learn ships."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dabench.datasets.uci_digits import UCIDigits
from dabench.plugins.contract import Samples


@pytest.fixture(scope="module")
def splits() -> Mapping[str, Samples]:
    return UCIDigits().prepare(Path())


def test_there_are_1437_training_and_360_test_images(splits: Mapping[str, Samples]) -> None:
    assert {s: len(v.images) for s, v in splits.items()} == {"train": 1437, "test": 360}


def test_images_are_eight_by_eight_grey_of_seventeen_levels(splits: Mapping[str, Samples]) -> None:
    assert splits["train"].images.shape[1:] == (1, 8, 8)
    assert set(np.unique(splits["train"].images)) == set(np.round(np.arange(17) * 255 / 16).astype(int))


def test_the_splits_are_the_file_cut_in_two(splits: Mapping[str, Samples]) -> None:
    original = load_digits()
    joined = np.concatenate([splits["train"].images, splits["test"].images])[:, 0]
    np.testing.assert_array_equal(np.round(joined * (16 / 255)), original.images)
    labels = [*splits["train"].labels, *splits["test"].labels]  # type: ignore[misc]
    np.testing.assert_array_equal(labels, original.target)


def test_every_digit_is_in_both_splits(splits: Mapping[str, Samples]) -> None:
    for samples in splits.values():
        assert set(np.asarray(samples.labels)) == set(range(10))
