"""MNIST's idx files and its test file split in three: small ones in their layout, and the real test file where it is at hand."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dabench.data.prepare import prepare_dataset
from dabench.datasets.mnist import MNIST
from dabench.datasets.mnist_t10k import MNISTT10k
from dabench.errors import DataError

TRAIN, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"
LABELS = "t10k-labels-idx1-ubyte"


def images(n: int, first: int = 0) -> bytes:
    """Return an idx file of n images of 28x28; every pixel of the i-th is first + i."""
    pixels = np.repeat(np.arange(first, first + n, dtype=np.uint8), 28 * 28)
    return struct.pack(">4i", 2051, n, 28, 28) + pixels.tobytes()


def labels(values: list[int]) -> bytes:
    return struct.pack(">2i", 2049, len(values)) + bytes(values)


def written(raw: Path, **instead: bytes | None) -> Path:
    """Write the four files unpacked, 4 training and 3 test images; `instead` replaces or (None) leaves out the test files."""
    files = {
        TRAIN: images(4),
        "train-labels-idx1-ubyte": labels([9, 0, 5, 5]),
        TEST: instead.get("images", images(3, 100)),
        LABELS: instead.get("labels", labels([1, 2, 3])),
    }
    raw.mkdir(exist_ok=True)
    for name, content in files.items():
        if content is not None:
            (raw / name).write_bytes(content)
    return raw


def refusal(raw: Path) -> str:
    with pytest.raises(DataError) as caught:
        MNIST().prepare(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_train_and_t10k_are_the_two_splits(tmp_path: Path) -> None:
    splits = MNIST().prepare(written(tmp_path))
    assert {s: np.asarray(v.labels).tolist() for s, v in splits.items()} == {"train": [9, 0, 5, 5], "test": [1, 2, 3]}


def test_images_are_those_of_the_file(tmp_path: Path) -> None:
    read = MNIST().prepare(written(tmp_path))["test"].images
    assert (read.shape, read.dtype) == ((3, 1, 28, 28), np.uint8)
    assert [set(np.unique(image)) for image in np.asarray(read)] == [{100}, {101}, {102}]


def test_packed_files_give_the_same(tmp_path: Path) -> None:
    plain = MNIST().prepare(written(tmp_path / "plain"))
    for path in written(tmp_path / "packed").iterdir():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = MNIST().prepare(tmp_path / "packed")
    for split in ("train", "test"):
        np.testing.assert_array_equal(packed[split].images, plain[split].images)
        np.testing.assert_array_equal(packed[split].labels, plain[split].labels)  # type: ignore[arg-type]


def test_a_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    assert f"{tmp_path / LABELS}.gz does not exist. Run dabench prepare mnist" in refusal(written(tmp_path, labels=None))


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:40] + b"x" * 40])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    written(tmp_path, images=None)
    (tmp_path / f"{TEST}.gz").write_bytes(damage(gzip.compress(images(3))))
    assert f"{tmp_path / TEST}.gz cannot be read" in refusal(tmp_path)


def test_a_gzip_bomb_is_not_unpacked_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dabench.data.archives._LARGEST", 10_000)
    written(tmp_path, images=None)
    (tmp_path / f"{TEST}.gz").write_bytes(gzip.compress(images(13)))
    assert f"{tmp_path / TEST}.gz unpacks to more than 10,000 bytes" in refusal(tmp_path)


@pytest.mark.parametrize("content", [labels([1, 2, 3]), b"", b"<html>"])
def test_a_wrong_magic_number_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    message = refusal(written(tmp_path, images=content))
    assert f"{tmp_path / TEST} begins with the magic number {int.from_bytes(content[:4], 'big')}, not 2051" in message


@pytest.mark.parametrize("content", [images(3)[:-1], images(3) + b"x"])
def test_a_file_that_is_longer_or_shorter_than_it_says_is_an_error(tmp_path: Path, content: bytes) -> None:
    message = refusal(written(tmp_path, images=content))
    assert f"{tmp_path / TEST} declares 3x28x28 bytes, but has {len(content) - 16:,}" in message


def test_images_and_labels_of_different_number_are_an_error(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, labels=labels([1, 2])))
    assert f"{tmp_path / LABELS} holds 2 labels, but there are 3 images" in message


def test_a_label_that_is_no_digit_is_an_error(tmp_path: Path) -> None:
    assert f"{tmp_path / LABELS} holds the label 10; it must be 0 to 9" in refusal(written(tmp_path, labels=labels([1, 10, 3])))


def test_a_part_of_the_set_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train holds 4 images, but the dataset has 60,000"):
        prepare_dataset(MNIST(), written(tmp_path / "raw"), tmp_path / "cache", notify=lambda _: None)


def test_it_is_read_without_torchvision(tmp_path: Path) -> None:
    written(tmp_path)
    code = (
        "import sys; from pathlib import Path; from dabench.datasets.mnist import MNIST; "
        f"MNIST().prepare(Path({str(tmp_path)!r})); print([m for m in ('torch', 'torchvision') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# The test file split in three


def t10k(raw: Path, n: int) -> Path:
    """Write a test file of n images whose pixel is their place in it."""
    written(raw, images=images(n), labels=labels([i % 10 for i in range(n)]))
    return raw


def test_of_each_half_70_10_and_20_percent_are_the_splits_in_the_order_of_the_file(tmp_path: Path) -> None:
    splits = MNISTT10k().prepare(t10k(tmp_path, 40))
    places = {s: np.asarray(v.images)[:, 0, 0, 0].tolist() for s, v in splits.items()}
    assert places == {
        "train": [*range(14), *range(20, 34)],
        "val": [14, 15, 34, 35],
        "test": [*range(16, 20), *range(36, 40)],
    }


def test_labels_stay_with_their_images(tmp_path: Path) -> None:
    for samples in MNISTT10k().prepare(t10k(tmp_path, 40)).values():
        np.testing.assert_array_equal(samples.labels, np.asarray(samples.images)[:, 0, 0, 0] % 10)  # type: ignore[arg-type]


def test_every_image_is_in_one_split(tmp_path: Path) -> None:
    splits = MNISTT10k().prepare(t10k(tmp_path, 37))
    assert sorted(i for v in splits.values() for i in np.asarray(v.images)[:, 0, 0, 0].tolist()) == [*range(37)]


def test_the_training_files_are_not_needed_and_not_downloaded() -> None:
    assert [f.name for f in MNISTT10k.files] == [f"{TEST}.gz", f"{LABELS}.gz"]


def test_a_missing_test_file_says_how_to_get_it_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz does not exist\. Run dabench prepare mnist-t10k"):
        MNISTT10k().prepare(tmp_path)


def test_the_real_test_file_has_the_counts_that_it_states(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    raw = real_data(f"digits/{TEST}.gz").parent
    assert real_data(f"digits/{LABELS}.gz").is_file()
    prepared = prepare_dataset(MNISTT10k(), raw, tmp_path, notify=lambda _: None)
    assert {s: prepared.count(s) for s in prepared.splits} == {"train": 7000, "val": 1000, "test": 2000}
    every = np.concatenate([prepared.labels(s) for s in prepared.splits])
    # As published for the file: how often each digit is there.
    assert np.bincount(every).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
