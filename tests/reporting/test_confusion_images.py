"""Confusion matrices as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fabricated import NONE, DatasetContent, Fabrication, two_sets
from PIL import Image

from dabench.analysis.matrix import read_matrix
from dabench.reporting import confusion_images as pictures
from dabench.reporting.confusion_images import draw_confusion, draw_confusions


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"), dtype=float)


def test_there_is_a_picture_of_every_cell(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets(seeds=1).write(tmp_path / "s"))
    files = draw_confusions(matrix, tmp_path / "confusion")
    assert len(set(files)) == len(matrix.cells) == 12
    assert sorted((tmp_path / "confusion").iterdir()) == sorted(files)
    assert "adabn_print_hand_on_print.png" in {f.name for f in files}
    assert min(opened(file).std() for file in files) > 10  # not one colour


def test_a_darker_field_is_a_larger_share_of_its_true_class(tmp_path: Path) -> None:
    draw_confusion(np.array([[9.0, 1.0], [0.0, 100.0]]), ("a", "b"), "t", tmp_path / "right.png")
    draw_confusion(np.array([[1.0, 9.0], [100.0, 0.0]]), ("a", "b"), "t", tmp_path / "wrong.png")
    right, wrong = opened(tmp_path / "right.png"), opened(tmp_path / "wrong.png")
    middle = right.shape[0] // 2, right.shape[1] // 2
    corner = (slice(middle[0] - 90, middle[0] - 70), slice(middle[1] - 60, middle[1] - 40))  # true a, predicted a
    assert right[corner].mean() < wrong[corner].mean() - 50


@pytest.mark.parametrize("name", ["$x^{$", "\\frac", "a\nb", "%_#", "화남", "<b>", ""])
def test_hostile_names_of_classes_are_drawn_without_a_warning(tmp_path: Path, name: str) -> None:
    draw_confusion(np.eye(2), (name, "b"), f"{name} of {name}", tmp_path / "c.png")
    assert opened(tmp_path / "c.png").std() > 10


def test_a_class_without_images_is_drawn_as_an_empty_row(tmp_path: Path) -> None:
    draw_confusion(np.array([[2.0, 0.0], [0.0, 0.0]]), ("a", "b"), "t", tmp_path / "c.png")
    assert opened(tmp_path / "c.png").std() > 10


def test_many_classes_are_drawn_without_numbers(tmp_path: Path) -> None:
    draw_confusion(np.eye(30), [str(i) for i in range(30)], "t", tmp_path / "c.png")
    assert opened(tmp_path / "c.png").shape[0] > 1300


def test_a_thousand_classes_make_an_image_that_programs_can_open(tmp_path: Path) -> None:
    draw_confusion(np.eye(1000), [f"class {i}" for i in range(1000)], "t", tmp_path / "c.png")
    assert opened(tmp_path / "c.png").shape[:2] <= (4000, 4000)


def test_of_many_cells_the_foremost_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "max_pictures", lambda classes: 6)
    files = draw_confusions(read_matrix(two_sets(seeds=1).write(tmp_path / "s")), tmp_path / "confusion")
    names = [f.stem.partition("_")[0] + f.stem[f.stem.index("_on_") :] for f in files]
    assert names == ["none_on_print", "none_on_hand", "none_on_print", "none_on_hand", "adabn_on_hand", "adabn_on_print"]


def test_of_larger_pictures_fewer_are_drawn() -> None:
    assert [pictures.max_pictures(classes) for classes in (2, 10, 20, 100)] == [12, 12, 12, 6]


def test_the_name_of_a_timm_dataset_or_adapter_stays_within_the_folder(tmp_path: Path) -> None:
    sets = {"own/print": DatasetContent("P"), "own/../../hand": DatasetContent("H")}
    matrix = read_matrix(Fabrication(lambda run, test: 1, sets, {"none": NONE}, seeds=1).write(tmp_path / "s"))
    files = draw_confusions(matrix, tmp_path / "out" / "confusion")
    assert {f.parent for f in files} == {tmp_path / "out" / "confusion"}
    assert all(f.is_file() for f in files)
