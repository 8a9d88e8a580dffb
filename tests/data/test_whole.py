"""Datasets for the transductive protocol: every image is tested, and most of them can be learned as a source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from toys import CLASSES, even, samples, toy

from dabench.data.cache import Prepared
from dabench.data.prepare import prepare_dataset
from dabench.data.splits import image_digests
from dabench.data.whole import whole
from dabench.errors import DataError
from dabench.plugins.contract import Samples

PLAIN = {"train": samples(even(20), 1), "test": samples(even(10), 2)}


def made(folder: Path, splits: Mapping[str, Samples]) -> Prepared:
    prepared = prepare_dataset(toy("toy", splits), folder, folder / "cache", notify=lambda line: None)
    return whole(prepared, notify=lambda line: None)


def digests(of: Prepared, *splits: str) -> list[bytes]:
    return sorted(d for split in splits for d in image_digests(of.samples(split).images).tolist())


def test_every_image_is_tested_once(tmp_path: Path) -> None:
    found = made(tmp_path, PLAIN)
    assert digests(found, "test") == sorted(d for s in PLAIN.values() for d in image_digests(s.images).tolist())


def test_training_and_validation_images_divide_the_test_images(tmp_path: Path) -> None:
    found = made(tmp_path, PLAIN)
    assert digests(found, "train", "val") == digests(found, "test")
    assert found.count("val") == len(CLASSES) * 3


def test_every_image_keeps_its_label(tmp_path: Path) -> None:
    found = made(tmp_path, PLAIN)
    of = {d: n for s in PLAIN.values() for d, n in zip(image_digests(s.images).tolist(), np.asarray(s.labels), strict=True)}
    for split in ("train", "val", "test"):
        here = found.samples(split)
        assert [of[d] for d in image_digests(here.images).tolist()] == np.asarray(here.labels).tolist()


def test_no_group_is_in_training_and_validation(tmp_path: Path) -> None:
    people = {"train": samples(even(20), 1, groups=np.repeat(np.arange(4), 5 * len(CLASSES))),
              "test": samples(even(4), 2, groups=np.full(4 * len(CLASSES), 9))}  # fmt: skip
    found = made(tmp_path, people)
    train, val = found.groups("train"), found.groups("val")
    assert train is not None
    assert val is not None
    assert not np.intersect1d(train, val).size


def test_a_dataset_with_groups_in_one_split_alone_is_refused(tmp_path: Path) -> None:
    half = {"train": samples(even(20), 1), "test": samples(even(4), 2, groups=np.arange(4 * len(CLASSES)))}
    with pytest.raises(DataError, match=r"groups are not known in train.*protocol = \"inductive\""):
        made(tmp_path, half)


def test_it_is_made_once(tmp_path: Path) -> None:
    lines: list[str] = []
    prepared = prepare_dataset(toy("toy", PLAIN), tmp_path, tmp_path / "cache", notify=lambda line: None)
    first, second = (whole(prepared, notify=lines.append) for _ in range(2))
    assert first == second
    assert len(lines) == 1
