"""Digits printed in matplotlib's fonts, acquired as the UCI digits were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from dabench.datasets.font_digits import FontDigits, acquired
from dabench.errors import SpecError
from dabench.plugins.contract import Samples
from dabench.plugins.registry import Registry


@pytest.fixture(scope="module")
def splits() -> Mapping[str, Samples]:
    return FontDigits(FontDigits.Options(copies=3)).prepare(Path())


def test_by_default_there_are_three_thousand_training_and_a_thousand_test_images() -> None:
    assert FontDigits().options.copies * 10 * 15 == 3000
    assert FontDigits().options.copies * 10 * 5 == 1000


def test_each_digit_has_so_many_copies_in_each_font(splits: Mapping[str, Samples]) -> None:
    for split, fonts in (("train", 15), ("test", 5)):
        labels = splits[split].labels
        assert labels is not None
        assert np.bincount(labels).tolist() == [3 * fonts] * 10


def test_images_are_eight_by_eight_grey_of_seventeen_levels(splits: Mapping[str, Samples]) -> None:
    images = splits["train"].images
    assert images.shape[1:] == (1, 8, 8)
    assert set(np.unique(images)) == set(np.round(np.arange(17) * 255 / 16).astype(int))


def test_no_font_is_in_both_splits(splits: Mapping[str, Samples]) -> None:
    train, test = splits["train"], splits["test"]
    assert train.groups is not None
    assert test.groups is not None
    assert len(set(train.groups)) == 15
    assert len(set(test.groups)) == 5
    assert set(train.groups) & set(test.groups) == set()
    assert set(train.attributes["font"]) & set(test.attributes["font"]) == set()


def test_the_group_is_the_font(splits: Mapping[str, Samples]) -> None:
    train = splits["train"]
    assert train.groups is not None
    pairs = set(zip(train.groups.tolist(), train.attributes["font"].tolist(), strict=True))
    assert len(pairs) == 15


def test_rendering_again_gives_the_same_pixels(splits: Mapping[str, Samples]) -> None:
    again = FontDigits(FontDigits.Options(copies=3)).prepare(Path())
    np.testing.assert_array_equal(again["test"].images, splits["test"].images)


def test_copies_of_a_digit_differ(splits: Mapping[str, Samples]) -> None:
    images = splits["train"].images
    assert (images[0] != images[1]).any()


def test_one_copy_of_each_digit_is_too_few(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"font-digits\.copies = 1: must be at least 2"):
        registry.make("dataset", "font-digits", {"copies": 1})


def test_an_acquired_bitmap_fills_the_height_and_keeps_its_shape() -> None:
    bitmap = np.zeros((60, 60), np.uint8)
    bitmap[10:50, 20:40] = 1  # twice as high as wide
    image = acquired(bitmap)
    assert (image[:, 2:6] == 255).all()
    assert image[:, :2].max() == image[:, 6:].max() == 0


def test_where_it_stands_does_not_change_what_is_acquired() -> None:
    bitmap = np.zeros((60, 60), np.uint8)
    bitmap[10:50, 20:40] = np.random.default_rng(0).integers(0, 2, (40, 20))
    bitmap[10, 20] = bitmap[49, 39] = 1
    np.testing.assert_array_equal(acquired(np.roll(bitmap, (5, -7), (0, 1))), acquired(bitmap))
