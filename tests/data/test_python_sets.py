"""Datasets made of Python objects."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import dabench
from dabench import DataError, dataset_from

GREY = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
LABELS = np.arange(12) % 3


class Items:
    """A dataset as in torchvision."""

    classes = ("a", "b", "c")

    def __init__(self, images: Any, labels: Any = LABELS) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.images[i], self.labels[i]


class Rows(Items):
    """A dataset as in the library `datasets`."""

    features = {"image": object(), "label": type("ClassLabel", (), {"names": ["a", "b", "c"]})()}  # noqa: RUF012

    def __getitem__(self, i: int) -> Any:
        return {"image": self.images[i], "label": self.labels[i]}


def pictures(images: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(image) for image in images]


FORMS: dict[str, Callable[[], Any]] = {
    "arrays": lambda: (GREY, LABELS),
    "arrays with channels": lambda: (GREY[:, None], LABELS),
    "arrays with channels last": lambda: (GREY[..., None], LABELS),
    "tensors": lambda: (torch.from_numpy(GREY), torch.from_numpy(LABELS)),
    "floats": lambda: (GREY.astype(np.float32) / 255, LABELS.tolist()),
    "torchvision, pillow": lambda: Items(pictures(GREY)),
    "torchvision, tensors": lambda: Items(torch.from_numpy(GREY[:, None]).float() / 255, torch.from_numpy(LABELS)),
    "Hugging Face": lambda: Rows(pictures(GREY)),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_and_labels_are_those_that_were_given(form: str, tmp_path: Path) -> None:
    splits = dataset_from(FORMS[form](), (GREY[:3], LABELS[:3]), name="mine", classes=("a", "b", "c")).prepare(tmp_path)
    assert np.array_equal(splits["train"].images, GREY[:, None])
    assert np.array_equal(splits["train"].labels, LABELS)
    assert {split: len(s.images) for split, s in splits.items()} == {"train": 12, "test": 3}


@pytest.mark.parametrize(
    ("form", "classes"),
    [("arrays", ("0", "1", "2")), ("torchvision, pillow", ("a", "b", "c")), ("Hugging Face", ("a", "b", "c"))],
)
def test_classes_are_those_that_the_dataset_knows(form: str, classes: tuple[str, ...]) -> None:
    assert dataset_from(FORMS[form](), (GREY, LABELS), name="mine").classes == classes


def test_labels_may_be_names(tmp_path: Path) -> None:
    made = dataset_from((GREY[:2], ["dog", "cat"]), (GREY[:1], ["dog"]), name="mine")
    assert made.classes == ("cat", "dog")
    assert made.prepare(tmp_path)["train"].labels.tolist() == [1, 0]  # type: ignore[union-attr]


def test_groups_are_the_same_in_all_splits(tmp_path: Path) -> None:
    splits = dataset_from((GREY[:3], LABELS[:3], ["x", "y", "x"]), (GREY[:2], LABELS[:2], ["z", "y"]), name="mine").prepare(
        tmp_path
    )
    assert [s.groups.tolist() for s in splits.values()] == [[0, 1, 0], [2, 1]]  # type: ignore[union-attr]


def test_images_of_several_sizes_and_colours_become_alike(tmp_path: Path) -> None:
    mixed = [Image.new("L", (8, 10)), Image.new("RGB", (20, 20), "red"), Image.new("RGBA", (8, 8), "blue")]
    images = dataset_from(Items(mixed), Items(mixed), name="mine").prepare(tmp_path)["train"].images
    assert images.shape == (3, 3, 8, 8)
    assert images[1][:, 0, 0].tolist() == [255, 0, 0]


def test_the_size_can_be_chosen(tmp_path: Path) -> None:
    made = dataset_from((GREY, LABELS), (GREY, LABELS), name="mine", size=4)
    assert made.prepare(tmp_path)["train"].images.shape == (12, 1, 4, 4)


def test_other_images_are_another_dataset() -> None:
    def options(images: np.ndarray, labels: np.ndarray = LABELS) -> object:
        return dataset_from((images, labels), (GREY, LABELS), name="mine").options

    changed = GREY.copy()
    changed[0, 0, 0] ^= 1
    assert options(GREY) == options(GREY.copy())
    assert options(changed) != options(GREY) != options(GREY, (LABELS + 1) % 3)


WRONG: dict[str, tuple[Any, str]] = {
    "negative floats": ((GREY.astype(np.float32) / 255 - 0.5, LABELS), "train: pixels are float32 from -0.5 to 0.5"),
    "wide integers": ((GREY.astype(np.int64), LABELS), "pixels are int64"),
    "flat images": ((GREY.reshape(12, -1), LABELS), r"shape \(12, 64\)"),
    "too few labels": ((GREY, LABELS[:5]), "12 images and 5 labels"),
    "a negative label": ((GREY, LABELS - 1), "label -1 of image 0; it must be 0 to 2, or one of a, b, c"),
    "a large label": ((GREY, LABELS + 1), "label 3 of image 2"),
    "half a label": ((GREY, LABELS / 2), "label 0.5 of image 1"),
    "an unknown name": ((GREY[:1], ["d"]), "label 'd' of image 0"),
    "no dataset": (3, "int is no split"),
    "items without labels": ([GREY[0]] * 4, "item 0: is a ndarray"),
    "dicts with other keys": ([{"picture": 1, "label": 2}], "has the keys picture, label"),
    "an empty dataset": (Items([], []), "has no images"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_split_is_an_error_that_names_it(case: str) -> None:
    data, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        dataset_from(data, (GREY, LABELS), name="mine", classes=("a", "b", "c"))


def test_images_do_not_travel_to_workers() -> None:
    made = dataset_from((GREY, LABELS), (GREY, LABELS), name="mine")
    assert len(pickle.dumps(made)) < 2000  # as Ray sends it
    with pytest.raises(DataError, match="in another process"):
        copy.deepcopy(made).prepare(Path())  # by the same state


@pytest.mark.usefixtures("registry_restored")
def test_it_meets_the_contract() -> None:
    dabench.register(dataset_from((GREY.repeat(20, 0), LABELS.repeat(20)), (GREY, LABELS), name="mine", license="private"))
    failed = [finding for finding in dabench.check("mine") if finding.state == "failed"]
    assert failed == []


@pytest.mark.usefixtures("registry_restored")
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_sweep_takes_it(tmp_path: Path, engine: str) -> None:
    for name in ("one", "two"):
        images = GREY if name == "one" else 255 - GREY
        dabench.register(dataset_from((images.repeat(20, 0), LABELS.repeat(20)), (images, LABELS), name=name))
    table = {
        "name": "mine", "datasets": ["one", "two"], "adapters": ["none"], "backbone": "conv4", "seeds": 1, "size": 16,
        "train": {"steps": 2, "batch": 8, "checkpoints": 1}, "conv4": {"width": 4},
    }  # fmt: skip
    matrix = dabench.sweep(table, out=tmp_path / "runs", engine=engine)
    assert len(matrix.cells) == 4
