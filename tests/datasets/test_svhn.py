"""SVHN's cropped digits: small .mat files in its layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from dabench.data.prepare import prepare_dataset
from dabench.datasets.svhn import SVHN
from dabench.errors import DataError


def pixels(n: int) -> Any:
    """Return (32, 32, 3, n) noise; the first byte of the i-th picture is i."""
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
    images[0, 0, 0] = np.arange(n)
    return images


def written(raw: Path, labels: Sequence[int] = (10, 1, 9), **instead: Any) -> Path:
    """Write both files; `instead` replaces arrays of the test file."""
    raw.mkdir(exist_ok=True)
    whole = {"X": pixels(len(labels)), "y": np.array(labels, np.uint8)[:, None]}
    savemat(raw / "train_32x32.mat", {"X": pixels(4), "y": np.array([[1], [2], [3], [4]], np.uint8)}, do_compression=True)
    savemat(raw / "test_32x32.mat", whole | instead, do_compression=True)
    return raw


def refusal(raw: Path) -> str:
    with pytest.raises(DataError) as caught:
        SVHN().prepare(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_label_10_is_the_digit_0(tmp_path: Path) -> None:
    splits = SVHN().prepare(written(tmp_path))
    assert {s: np.asarray(v.labels).tolist() for s, v in splits.items()} == {"train": [1, 2, 3, 4], "test": [0, 1, 9]}


def test_images_are_32x32_rgb_with_the_colours_first(tmp_path: Path) -> None:
    images = np.asarray(SVHN().prepare(written(tmp_path))["test"].images)
    assert images.shape == (3, 3, 32, 32)
    np.testing.assert_array_equal(images[1].transpose(1, 2, 0), pixels(3)[..., 1])


def test_a_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    (written(tmp_path) / "test_32x32.mat").unlink()
    assert f"{tmp_path}/test_32x32.mat does not exist. Run dabench prepare svhn" in refusal(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-100], lambda c: c[: len(c) // 2], lambda c: c[:140], lambda c: b"", lambda c: b"text"]
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = written(tmp_path) / "test_32x32.mat"
    path.write_bytes(damage(path.read_bytes()))
    assert str(path) in refusal(tmp_path)


@pytest.mark.parametrize(
    "instead",
    [{"X": np.zeros((3, 3, 32, 32), np.uint8)}, {"X": np.zeros((32, 32, 3, 3))}, {"X": np.zeros((32, 32), np.uint8)}],
    ids=["order", "dtype", "dimensions"],
)
def test_images_of_another_form_are_an_error(tmp_path: Path, instead: dict[str, Any]) -> None:
    message = refusal(written(tmp_path, **instead))
    assert f"{tmp_path}/test_32x32.mat does not contain X (32x32x3xN bytes) and y" in message


def test_a_file_with_other_arrays_is_an_error(tmp_path: Path) -> None:
    savemat(written(tmp_path) / "test_32x32.mat", {"digitStruct": np.zeros(3)})
    assert "does not contain X (32x32x3xN bytes) and y" in refusal(tmp_path)


def test_images_and_labels_of_different_number_are_an_error(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, X=pixels(2)))
    assert f"{tmp_path}/test_32x32.mat holds 3 labels, but there are 2 images" in message


@pytest.mark.parametrize("label", [0, 11])
def test_a_label_that_is_no_digit_is_an_error(tmp_path: Path, label: int) -> None:
    assert f"test_32x32.mat holds the label {label}; it must be 1 to 10" in refusal(written(tmp_path, (1, label)))


def test_a_part_of_the_set_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train holds 4 images, but the dataset has 73,257"):
        prepare_dataset(SVHN(), written(tmp_path / "raw"), tmp_path / "cache", notify=lambda _: None)
