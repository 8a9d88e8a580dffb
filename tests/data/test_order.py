"""The order of prepared images tells nothing about their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from toys import CLASSES, even, samples, toy

from dabench.data import lazy
from dabench.data.lazy import LazyImages
from dabench.data.prepare import prepare_dataset
from dabench.data.splits import checked, choose_shots, hash_order, held_out
from dabench.datasets.fer2013 import FER2013
from dabench.datasets.font_digits import FontDigits
from dabench.plugins.contract import Dataset, Samples

Labels = NDArray[np.int64]


def guesses(raw: Samples, n: int) -> Iterator[Labels]:
    """Yield what an adapter guesses of n training labels: it knows the labels and groups in raw order, and every seed to 99.

    Each guess undoes one seeded shuffle, before or after a validation split is held out; the first one is the raw order itself.
    """
    labels = np.asarray(raw.labels, np.int64)
    for shuffle in (np.arange(len(labels)), *(np.random.default_rng(seed).permutation(len(labels)) for seed in range(100))):
        guess = labels[shuffle]
        if n < len(guess):
            guess = guess[~held_out(guess, None if raw.groups is None else raw.groups[shuffle], 0.1)]
        yield np.resize(guess, n)


def recovered(dataset: Dataset, raw: Path, cache: Path) -> tuple[float, float]:
    """Return the accuracy of the best guess, and the most that the class prior gives: five sigma above its own guess."""
    prepared = prepare_dataset(dataset, raw, cache, notify=lambda line: None)
    labels = prepared.labels("train")
    prior = np.bincount(labels) / len(labels)
    by_chance = float((prior**2).sum())
    best = max(float((guess == labels).mean()) for guess in guesses(dataset.prepare(raw)["train"], len(labels)))
    return best, by_chance + 5 * float(np.sqrt(by_chance * (1 - by_chance) / len(labels)))


def test_who_knows_raw_order_counts_and_seeds_recovers_no_labels_of_font_digits(tmp_path: Path) -> None:
    best, most = recovered(FontDigits(FontDigits.Options(copies=5)), tmp_path / "raw", tmp_path / "cache")
    assert best < most


def test_who_knows_raw_order_counts_and_seeds_recovers_no_labels_of_fer2013(
    real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    best, most = recovered(FER2013(), real_data("fer2013/archive.zip").parent, tmp_path / "cache")
    assert best < most


def test_every_split_is_in_the_order_of_the_sha256_of_its_images(tmp_path: Path) -> None:
    splits = {"train": samples(even(20), 1), "val": samples(even(5), 3), "test": samples(even(10), 2)}
    prepared = prepare_dataset(toy("x", splits), tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
    for split in splits:
        digests = [hashlib.sha256(image.tobytes()).digest() for image in prepared.samples(split).images]
        assert digests == sorted(digests)


def test_a_validation_split_that_is_held_out_is_in_that_order_too(tmp_path: Path) -> None:
    prepared = prepare_dataset(toy(), tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
    for split in ("train", "val"):
        digests = [hashlib.sha256(image.tobytes()).digest() for image in prepared.samples(split).images]
        assert digests == sorted(digests)


def test_the_order_does_not_depend_on_labels() -> None:
    one, other = samples(even(20), 1), samples(even(20)[::-1], 1)
    first, second = (checked(toy(), {"train": s, "test": s})["train"].images for s in (one, other))
    np.testing.assert_array_equal(first, second)


def test_identical_images_of_different_classes_are_in_no_order_of_class() -> None:
    pairs = samples(even(200, 2), 1)
    images = np.concatenate([pairs.images[:200], pairs.images[:200]])  # image i is image i + 200, of the other class
    order = hash_order(images)
    first = np.array([order[np.flatnonzero(order % 200 == i)[0]] >= 200 for i in range(200)])
    assert 60 < first.sum() < 140


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shots_do_not_say_which_images_before_them_are_of_another_class(seed: int) -> None:
    """Whoever knows the seed, and not the labels, cannot repeat the draw: its k-th images of a class are not the first ones."""
    labels = np.random.default_rng(3).permutation(np.array(even(300)))
    chosen = set(choose_shots(labels, CLASSES, 5, seed, "toy").tolist())
    for guess in (np.random.default_rng([seed, 5]), np.random.default_rng(seed)):
        order = guess.permutation(len(labels))
        first = {int(at) for k in range(3) for at in order[labels[order] == k][:5]}
        assert len(chosen & first) < 4


def test_other_labels_give_other_shots() -> None:
    labels = np.random.default_rng(3).permutation(np.array(even(300)))
    changed = labels.copy()
    changed[[0, 1]] = (labels[[0, 1]] + 1) % 3
    one, other = (set(choose_shots(of, CLASSES, 5, 0, "toy").tolist()) for of in (labels, changed))
    assert len(one & other) < 4


def read_times(n: int, tmp_path: Path) -> float:
    """Return how often each image of a lazily read split is read when it is prepared."""
    pixels, read = samples(even(n)).images, [0]

    def counted(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        read[0] += len(at)
        return np.asarray(pixels[at])

    split = Samples(LazyImages((3 * n, 1, 8, 8), counted), np.array(even(n)))
    prepare_dataset(toy("x", {"train": split, "test": samples(even(5))}), tmp_path, tmp_path / "cache", notify=lambda line: None)
    return read[0] / (3 * n)


def test_images_of_a_small_split_are_read_once_and_others_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_times(20, tmp_path / "small") == 1
    monkeypatch.setattr(lazy, "_BYTES", 64)
    assert read_times(20, tmp_path / "large") == 2
