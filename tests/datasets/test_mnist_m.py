"""MNIST-M: a small one in its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, png

from dabench.data.prepare import prepare_dataset
from dabench.datasets.mnist_m import MNISTM
from dabench.errors import DataError

TEST = {"00000000.png": 7, "00000001.png": 0, "00000002.png": 9}


def written(root: Path, labels: str | None = None, **more: bytes) -> Path:
    """Write both folders and lists; `labels` replaces the list of the test pictures, `more` are test pictures, too."""
    as_folder(root, {f"mnist_m_train/0000000{i}.png": png(i, (32, 32), "RGB") for i in range(2)})
    (root / "mnist_m_train_labels.txt").write_text("00000000.png 5\n00000001.png 3\n")
    as_folder(root / "mnist_m_test", {name: png(50 + i, (32, 32), "RGB") for i, name in enumerate(TEST)} | more)
    text = "".join(f"{name} {digit}\n" for name, digit in TEST.items())
    (root / "mnist_m_test_labels.txt").write_text(text if labels is None else labels)
    return root


def refusal(raw: Path) -> str:
    with pytest.raises(DataError) as caught:
        MNISTM().prepare(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("below", ["", "mnist_m"])
def test_the_lists_say_the_label_of_each_picture(tmp_path: Path, below: str) -> None:
    written(tmp_path / below)
    splits = MNISTM().prepare(tmp_path)
    assert {s: np.asarray(v.labels).tolist() for s, v in splits.items()} == {"train": [5, 3], "test": [7, 0, 9]}


def test_pictures_come_in_the_order_of_the_list(tmp_path: Path) -> None:
    written(tmp_path, "00000002.png 9\n00000000.png 7\n00000001.png 0\n")
    test = MNISTM().prepare(tmp_path)["test"]
    assert np.asarray(test.images)[:, 0, 0, 0].tolist() == [52, 50, 51]
    assert np.asarray(test.labels).tolist() == [9, 7, 0]


def test_images_are_32x32_rgb(tmp_path: Path) -> None:
    assert MNISTM().prepare(written(tmp_path))["test"].images.shape == (3, 3, 32, 32)


def test_a_missing_list_is_named_with_its_folder(tmp_path: Path) -> None:
    (written(tmp_path) / "mnist_m_test_labels.txt").unlink()
    assert f"{tmp_path}/mnist_m_test_labels.txt does not exist. Download mnist_m.tar.gz" in refusal(tmp_path)


@pytest.mark.parametrize("line", ["00000002.png", "00000002.png 10", "00000002.png x", "../x.png 1", "\x00\x01"])
def test_a_line_of_another_form_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    message = refusal(written(tmp_path, f"00000000.png 7\n{line}\n"))
    assert f"{tmp_path}/mnist_m_test_labels.txt line 2 is " in message


def test_a_picture_without_a_label_is_named(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, **{"more.png": png()}))
    assert (
        "mnist_m_test_labels.txt and the folder mnist_m_test do not match: 3 labels, 4 images; the first difference is more.png"
        in message
    )


def test_a_label_without_a_picture_is_named(tmp_path: Path) -> None:
    (written(tmp_path) / "mnist_m_test" / "00000001.png").unlink()
    assert "3 labels, 2 images; the first difference is 00000001.png" in refusal(tmp_path)


def test_a_picture_with_two_labels_is_an_error(tmp_path: Path) -> None:
    text = "".join(f"{name} {digit}\n" for name, digit in TEST.items())
    assert "4 labels, 3 images; the first difference is 00000000.png" in refusal(written(tmp_path, f"{text}00000000.png 1\n"))


def test_a_file_that_is_no_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    written(tmp_path, **{"00000001.png": b"text"})
    with pytest.raises(DataError, match=r"mnist_m_test/00000001.png cannot be read as an image"):
        np.asarray(MNISTM().prepare(tmp_path)["test"].images)


def test_a_part_of_the_set_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train holds 2 images, but the dataset has 59,001"):
        prepare_dataset(MNISTM(), written(tmp_path / "raw"), tmp_path / "cache", notify=lambda _: None)
