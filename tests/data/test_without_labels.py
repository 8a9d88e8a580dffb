"""A dataset without labels: prepared, divided, resized and left out of what needs classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import even, samples, toy

from dabench.data.audit import audit_datasets
from dabench.data.prepare import prepare_dataset, reshaped
from dabench.data.splits import checked
from dabench.errors import DataError
from dabench.plugins.contract import Dataset, Samples


def bare(n: int, seed: int) -> Samples:
    return replace(samples([0] * n, seed), labels=None)


def unlabelled(name: str = "bare") -> Dataset:
    return toy(name, {"train": bare(60, 1), "test": bare(30, 2)}, classes=())


def test_it_is_prepared_with_a_validation_split_and_without_labels(tmp_path: Path) -> None:
    prepared = prepare_dataset(unlabelled(), tmp_path, tmp_path / "cache", notify=lambda _: None)
    assert {split: prepared.count(split) for split in prepared.splits} == {"train": 54, "val": 6, "test": 30}
    assert not prepared.labelled
    assert {split: prepared.samples(split).labels for split in prepared.splits} == dict.fromkeys(prepared.splits)


def test_its_labels_cannot_be_asked_for(tmp_path: Path) -> None:
    prepared = prepare_dataset(unlabelled(), tmp_path, tmp_path / "cache", notify=lambda _: None)
    with pytest.raises(DataError, match="dataset 'bare' has no labels"):
        prepared.labels("test")


def test_the_classes_of_a_sweep_are_given_to_it_and_no_image_is_left_out(tmp_path: Path) -> None:
    prepared = prepare_dataset(unlabelled(), tmp_path, tmp_path / "cache", notify=lambda _: None)
    made = reshaped(prepared, 1, 4, ("a", "b", "c"), notify=lambda _: None)
    assert (made.classes, made.shape, made.count("train"), made.labelled) == (("a", "b", "c"), (1, 4, 4), 54, False)


def test_labels_in_some_splits_alone_are_refused() -> None:
    with pytest.raises(DataError, match=r"split 'test': labels are missing; .* or none in any split"):
        checked(toy(), {"train": samples(even(20)), "test": bare(30, 2)})


def test_an_audit_finds_copies_in_it_and_no_conflict_of_labels(tmp_path: Path) -> None:
    sets = [toy("known", {"train": samples(even(20), 1), "test": samples(even(10), 2)}), unlabelled()]
    made = [prepare_dataset(one, tmp_path, tmp_path / "cache", notify=lambda _: None) for one in sets]
    images = [np.asarray(p.samples("test").images) for p in made]
    np.testing.assert_array_equal(*images)  # the same images, whose labels only one of them knows
    found = audit_datasets(made).of("identical")
    assert found
    assert not any(f.conflicting for f in found)
