"""Datasets of named images skip what cannot be decoded, list it, and count their published numbers without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dabench
from dabench.data.folders import pictures_in
from dabench.data.prepare import prepare_dataset
from dabench.datasets._from_names import NamedPictures
from dabench.errors import DataError
from dabench.plugins.registry import Registry

NAMES = [
    name
    for entry in Registry(entry_points=False).entries("dataset")
    for name in Registry(entry_points=False).members("dataset", entry.name)[:1]
    if isinstance(Registry(entry_points=False).make("dataset", name), NamedPictures)
]
"""Every dataset of named images; of each family one."""


def damaged(name: str, raw: Path, **options: object) -> tuple[dabench.Dataset, str]:
    """Return a made-up dataset of at least 21 images of which one is cut in the middle, and the path of that one."""
    dataset = Registry(entry_points=False).make("dataset", name, options)
    dataset.make_synthetic(raw, 25 // len(dataset.classes) + 1, 0)
    root = dataset.root(raw)
    rows, _ = dataset.rows(pictures_in(root, dataset.who), root)
    bad = root / rows[0][0][0]
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size // 2])
    return dataset, bad.relative_to(root).as_posix()


@pytest.mark.parametrize("name", NAMES)
def test_one_damaged_image_is_skipped_and_listed(name: str, tmp_path: Path) -> None:
    dataset, path = damaged(name, tmp_path / "raw", size=16)
    whole = dataset.with_facts(counts={})
    prepared = prepare_dataset(whole, tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
    assert prepared.skipped["files"] == 1
    assert [line.partition(",")[0] for line in (prepared.folder / "skipped.csv").read_text().splitlines()] == ["path", path]
    assert any(note.startswith("1 of ") and "cannot be read as an image" in note for note in prepared.notes)


def test_the_published_numbers_count_without_the_skipped(tmp_path: Path) -> None:
    dataset, _ = damaged("jaffe", tmp_path / "raw", size=16)
    there = sum(1 for path in (tmp_path / "raw").rglob("*") if path.is_file())
    for published, right in ((there, True), (there + 1, False)):
        counted = dataset.with_facts(counts={"all": published})
        if right:
            prepared = prepare_dataset(counted, tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
            assert sum(prepared.count(split) for split in prepared.splits) == there - 1
        else:
            with pytest.raises(DataError, match="incomplete or another version"):
                prepare_dataset(counted, tmp_path / "raw", tmp_path / "cache", rebuild=True, notify=lambda line: None)


def test_strict_makes_an_error_of_it(tmp_path: Path) -> None:
    dataset, path = damaged("jaffe", tmp_path / "raw", size=16, strict=True)
    with pytest.raises(DataError, match=rf"{path}: cannot be read as an image .*set strict = false"):
        dataset.prepare(tmp_path / "raw")


def test_a_class_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    dataset = Registry(entry_points=False).make("dataset", "jaffe", {"skip_limit": 0.5})
    dataset.make_synthetic(tmp_path, 5, 0)
    for path in tmp_path.rglob("*.HA*"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"no image of class happy can be read"):
        dataset.prepare(tmp_path)


def test_square_crops_the_middle(tmp_path: Path) -> None:
    images = {}
    for square in ("stretch", "crop"):
        dataset = Registry(entry_points=False).make("dataset", "jaffe", {"square": square, "size": 16})
        dataset.make_synthetic(tmp_path / square, 2, 0)
        splits = dataset.prepare(tmp_path / square)
        images[square] = np.asarray(splits["train"].images)
        how = {"stretch": "stretched", "crop": "cropped to their middle"}[square]
        assert any(f"are {how} (square = '{square}')" in note for note in splits.notes)
    assert not np.array_equal(images["stretch"], images["crop"])
