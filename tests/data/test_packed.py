"""Prepared images that are stored as JPEG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import CLASSES, even, toy

from dabench.data import lazy, packed
from dabench.data.audit import audit_datasets
from dabench.data.cache import Prepared, problem_of
from dabench.data.drop_list import DroppedImage, without, write_list
from dabench.data.file_rows import open_images
from dabench.data.fingerprints import fingerprints
from dabench.data.folds import folded
from dabench.data.lazy import LazyImages, select_images
from dabench.data.packed import PackedImages, decoded_jpeg, encoded_jpeg, write_packed
from dabench.data.prepare import prepare_dataset, reshaped
from dabench.data.splits import image_digests
from dabench.data.whole import whole
from dabench.errors import DataError
from dabench.hashing import file_digest
from dabench.plugins.contract import Dataset, Samples


def pictures(n: int, seed: int = 0, channels: int = 3, size: int = 32) -> Any:
    """Return smooth images, as photographs are: noise enlarged eight times."""
    small = np.random.default_rng(seed).integers(0, 256, (n, channels, size // 8, size // 8), dtype=np.uint8)
    return small.repeat(8, 2).repeat(8, 3)


ALL = pictures(40)


def written(path: Path, images: Any, quality: int = 95) -> str:
    with open(path, "w+b") as file:
        return write_packed(file, images, quality)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written(tmp_path / "images.npy", ALL)
    return tmp_path / "images.npy"


def decoded(images: Any, quality: int = 95) -> Any:
    return np.stack([decoded_jpeg(encoded_jpeg(image, quality)) for image in images])


@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_back_as_jpeg_decodes_them(tmp_path: Path, channels: int) -> None:
    images = pictures(5, channels=channels)
    written(tmp_path / "x.npy", images)
    found = open_images(tmp_path / "x.npy")
    assert (isinstance(found, PackedImages), found.shape, found.dtype) == (True, images.shape, np.uint8)
    np.testing.assert_array_equal(np.asarray(found), decoded(images))
    assert np.abs(np.asarray(found).astype(int) - images).mean() < 4


@pytest.mark.parametrize("at", [3, slice(2, 7), [4, 0, 4], np.array([], np.int64), (slice(None), 0, 1, 2)], ids=repr)
def test_indexing_gives_what_numpy_gives(path: Path, at: Any) -> None:
    np.testing.assert_array_equal(open_images(path)[at], decoded(ALL)[at])


def test_it_takes_a_fraction_of_the_space(path: Path) -> None:
    assert path.stat().st_size < ALL.nbytes / 2


def test_a_higher_quality_is_closer(tmp_path: Path) -> None:
    far, near = (np.abs(decoded(ALL, quality).astype(int) - ALL).mean() for quality in (50, 99))
    assert near < far / 2


def test_the_digest_is_that_of_the_decoded_images_in_a_raw_file(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", decoded(ALL))
    assert written(tmp_path / "jpeg.npy", ALL) == file_digest(tmp_path / "raw.npy")


def test_some_megabytes_are_written_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def read(at: Any) -> Any:
        sizes.append(len(at))
        return ALL[at]

    monkeypatch.setattr(lazy, "_BYTES", 7 * ALL[0].nbytes)
    one = written(tmp_path / "x.npy", LazyImages(ALL.shape, read))
    assert max(sizes) == 7
    monkeypatch.undo()
    assert one == written(tmp_path / "y.npy", ALL)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()


def test_threads_decode_to_the_same_values(path: Path) -> None:
    np.testing.assert_array_equal(open_images(path, threads=3)[:], open_images(path)[:])


def test_chosen_images_are_copied_without_encoding_them_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = np.array([5, 1, 30])
    chosen = select_images(select_images(open_images(path), np.arange(40)[::-1]), 39 - at)
    monkeypatch.setattr(packed, "encoded_jpeg", None)
    written(tmp_path / "some.npy", chosen)
    np.testing.assert_array_equal(open_images(tmp_path / "some.npy")[:], open_images(path)[at])


def test_a_file_that_ends_early_is_an_error(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="is not a file of JPEG images, or is incomplete"):
        open_images(path)


def test_a_damaged_image_is_an_error_that_names_it(path: Path) -> None:
    data = bytearray(path.read_bytes())
    images = open_images(path)
    start, end = images._at[20:22]  # type: ignore[attr-defined]
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"images\.npy: image 20 cannot be decoded .*dabench prepare"):
        open_images(path)[20]


def test_another_decoder_is_noticed_when_the_file_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "decoded_jpeg", lambda data: decoded_jpeg(data) ^ 1)
    with pytest.raises(DataError, match="decodes its JPEG images to other values than the one that wrote it"):
        open_images(path)


# Datasets


SPLITS = {"train": Samples(pictures(60, 1), np.array(even(20))), "test": Samples(pictures(30, 2), np.array(even(10)))}


def dataset(**facts: Any) -> Dataset:
    return toy("toy", SPLITS).with_facts(**facts)


def prepared(folder: Path, quality: int = 95, **options: Any) -> Prepared:
    of = dataset(store="jpeg", store_quality=quality)
    return prepare_dataset(of, folder / "raw", folder / "cache", notify=lambda line: None, **options)


def test_every_dataset_can_be_stored_as_jpeg(tmp_path: Path) -> None:
    made, raw = prepared(tmp_path), prepare_dataset(dataset(), tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
    for split in ("train", "val", "test"):
        np.testing.assert_array_equal(np.asarray(made.samples(split).images), decoded(np.asarray(raw.samples(split).images)))
        np.testing.assert_array_equal(made.labels(split), raw.labels(split))
    assert raw.digest != made.digest


def test_the_record_says_codec_and_quality(tmp_path: Path) -> None:
    made = prepared(tmp_path, 80)
    assert made.store == {"codec": "jpeg", "quality": 80}
    assert json.loads((made.folder / "prepared.json").read_text())["store"] == made.store


def test_users_of_the_dataset_are_told(tmp_path: Path) -> None:
    lines: list[str] = []
    prepare_dataset(dataset(store="jpeg"), tmp_path / "raw", tmp_path / "cache", notify=lines.append)
    assert lines[-1] == "toy: images are stored as JPEG of quality 95, so pixels differ slightly from those of the raw files"


def test_other_qualities_are_other_datasets(tmp_path: Path) -> None:
    assert prepared(tmp_path, 95).digest != prepared(tmp_path, 50).digest
    assert prepared(tmp_path, 95).folder != prepared(tmp_path, 50).folder


def test_a_raw_dataset_is_where_it_was(tmp_path: Path) -> None:
    one, other = (
        prepare_dataset(of, tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
        for of in (dataset(), dataset(store="raw", store_quality=50))
    )
    assert one == other
    assert one.store == {}
    assert "store" not in json.loads((one.folder / "prepared.json").read_text())


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    path = prepared(tmp_path).path("train", "images")
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    assert "has changed" in problem_of(path.parent)
    assert prepared(tmp_path).path("train", "images").read_bytes() == whole


def test_another_decoder_makes_the_dataset_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepared(tmp_path).digest
    monkeypatch.setattr(packed, "decoded_jpeg", lambda data: decoded_jpeg(data) ^ 1)
    assert prepared(tmp_path).digest != before


def test_a_smaller_size_is_stored_in_the_same_way(tmp_path: Path) -> None:
    made = reshaped(prepared(tmp_path), 1, 16, CLASSES, notify=lambda line: None)
    images = made.samples("train").images
    assert (made.store["quality"], images.shape, isinstance(images, PackedImages)) == (95, (54, 1, 16, 16), True)


def test_a_dataset_of_the_transductive_protocol_holds_the_same_pixels(tmp_path: Path) -> None:
    made = prepared(tmp_path)
    every = sorted(d for s in made.splits for d in image_digests(made.samples(s).images).tolist())
    tested = whole(made, notify=lambda line: None)
    assert sorted(image_digests(tested.samples("test").images).tolist()) == every
    assert tested.store["codec"] == "jpeg"


def test_folds_and_cleaned_datasets_hold_the_same_pixels(tmp_path: Path) -> None:
    made = prepared(tmp_path)
    every = sorted(d for s in made.splits for d in image_digests(made.samples(s).images).tolist())
    folds = folded(made, 3, notify=lambda line: None)
    assert sorted(d for fold in folds for d in image_digests(fold.samples("test").images).tolist()) == every
    images = made.samples("train").images
    pixels = fingerprints(select_images(images, np.array([7]))).pixels[0].decode()
    label = made.classes[made.labels("train")[7]]
    write_list(tmp_path / "list.csv", made, [DroppedImage("train", 7, pixels, label, "constant", "")])
    cleaned = without(made, tmp_path / "list.csv", notify=lambda line: None)
    np.testing.assert_array_equal(np.asarray(cleaned.samples("train").images), np.delete(np.asarray(images), 7, axis=0))
    assert {folds[0].store["codec"], cleaned.store["codec"]} == {"jpeg"}


def test_an_audit_finds_copies(tmp_path: Path) -> None:
    train, test = SPLITS["train"], SPLITS["test"]
    copied = np.concatenate([train.images[3:4], test.images[1:]])
    of = toy("toy", {"train": train, "test": Samples(copied, test.labels)}).with_facts(store="jpeg")
    made = prepare_dataset(of, tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
    (found,) = audit_datasets([made]).of("identical")
    assert len(found.members) == 2
    assert found.across_splits
