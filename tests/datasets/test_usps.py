"""USPS in its LIBSVM form: small files in that layout, and the real ones where they are at hand."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dabench.data.prepare import prepare_dataset
from dabench.datasets.usps import USPS
from dabench.errors import DataError


def line(label: object, *values: float) -> str:
    """Return a line with these first values; the other pixels are -1."""
    pixels = [*values, *[-1] * (256 - len(values))]
    return f"{label} " + " ".join(f"{i}:{value}" for i, value in enumerate(pixels, 1))


def written(raw: Path, *test: str) -> Path:
    """Write both files; the training file has one line of each digit."""
    raw.mkdir(exist_ok=True)
    for name, lines in (("usps.bz2", [line(k) for k in range(1, 11)]), ("usps.t.bz2", list(test))):
        (raw / name).write_bytes(bz2.compress("".join(f"{text}\n" for text in lines).encode()))
    return raw


def refusal(raw: Path) -> str:
    with pytest.raises(DataError) as caught:
        USPS().prepare(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_label_is_the_digit_and_one(tmp_path: Path) -> None:
    splits = USPS().prepare(written(tmp_path, line(7), line(10), line(1)))
    assert {s: np.asarray(v.labels).tolist() for s, v in splits.items()} == {"train": [*range(10)], "test": [6, 9, 0]}


def test_minus_one_to_one_becomes_0_to_255_with_the_fraction_cut_off(tmp_path: Path) -> None:
    images = np.asarray(USPS().prepare(written(tmp_path, line(1, -1, 1, 0, 0.5, -0.631)))["test"].images)
    assert (images.shape, images.dtype) == ((1, 1, 16, 16), np.uint8)
    assert images[0, 0, 0, :6].tolist() == [0, 255, 127, 191, 47, 0]


def test_pixels_lie_row_by_row(tmp_path: Path) -> None:
    images = np.asarray(USPS().prepare(written(tmp_path, line(1, *[-1] * 17, 1)))["test"].images)
    assert np.argwhere(images[0, 0] == 255).tolist() == [[1, 1]]


def test_a_pixel_that_is_left_out_is_zero(tmp_path: Path) -> None:
    images = np.asarray(USPS().prepare(written(tmp_path, "1 1:1 256:1"))["test"].images)
    assert np.bincount(images.ravel()).nonzero()[0].tolist() == [127, 255]


def test_a_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    (written(tmp_path, line(1)) / "usps.t.bz2").unlink()
    assert f"{tmp_path}/usps.t.bz2 does not exist. Run dabench prepare usps" in refusal(tmp_path)


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"BZh9" + content[8:]])
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = written(tmp_path, line(1)) / "usps.t.bz2"
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path} cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["<html>", "1 300:1", "1 0:1", "one 1:1", "1 2:x"])
def test_a_line_of_another_form_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    assert f"{tmp_path}/usps.t.bz2 must have lines 'label index:value ...'" in refusal(written(tmp_path, text))


@pytest.mark.parametrize("value", [1.01, -2, float("nan")])
def test_a_pixel_outside_the_scale_is_an_error(tmp_path: Path, value: float) -> None:
    assert f"{tmp_path}/usps.t.bz2 contains pixels outside -1 to 1" in refusal(written(tmp_path, line(1, value)))


@pytest.mark.parametrize("label", [0, 11, 1.5])
def test_a_label_that_is_no_digit_is_an_error(tmp_path: Path, label: int) -> None:
    message = refusal(written(tmp_path, line(1), line(label)))
    assert f"{tmp_path}/usps.t.bz2 holds the label {label}; it must be 1 to 10" in message


def test_a_part_of_the_set_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train holds 10 images, but the dataset has 7,291"):
        prepare_dataset(USPS(), written(tmp_path / "raw", line(1)), tmp_path / "cache", notify=lambda _: None)


def test_the_real_files_hold_the_digits_that_are_published(real_data: Callable[[str], Path]) -> None:
    raw = real_data("digits/usps.bz2").parent
    assert real_data("digits/usps.t.bz2").is_file()
    splits = USPS().prepare(raw)
    # The table of "The Elements of Statistical Learning" for its ZIP code data, which are these.
    published = {
        "train": [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644],
        "test": [359, 264, 198, 166, 200, 160, 170, 147, 166, 177],
    }
    assert {s: np.bincount(np.asarray(v.labels)).tolist() for s, v in splits.items()} == published
