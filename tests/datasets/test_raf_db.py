"""RAF-DB as published, with its list of labels, and as class folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.data.prepare import prepare_dataset
from dabench.datasets._emotions import BASIC
from dabench.datasets.raf_db import RAFDB
from dabench.errors import DataError

ORDER = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
LIST = "basic/EmoLabel/list_patition_label.txt"
NAMES = {f"{split}_{code:05}": code for split in ("train", "test") for code in range(1, 8)}


def published() -> dict[str, bytes]:
    rows = "".join(f"{name}.jpg {code}\n" for name, code in NAMES.items())
    pictures = [f"basic/Image/aligned/{name}_aligned.jpg" for name in NAMES]
    originals = [f"basic/Image/original/{name}.jpg" for name in NAMES]
    return tree(pictures + originals, size=(100, 100), mode="RGB", form="JPEG") | {LIST: rows.encode()}


def class_folders() -> dict[str, bytes]:
    names = [f"DATASET/{name.split('_')[0]}/{code}/{name}_aligned.jpg" for name, code in NAMES.items()]
    return tree(names, size=(100, 100), mode="RGB", form="JPEG") | {"train_labels.csv": b"image,label\n"}


def with_compound() -> dict[str, bytes]:
    """As its authors give it: a part with compound emotions, whose images and list have the same names."""
    names = [f"compound/Image/aligned/train_{code:05}_aligned.jpg" for code in range(1, 12)]
    rows = "".join(f"train_{code:05}.jpg {code}\n" for code in range(1, 12))
    return published() | tree(names, form="JPEG") | {LIST.replace("basic", "compound"): rows.encode()}


def listed(change: Callable[[str], str]) -> dict[str, bytes]:
    files = published()
    return files | {LIST: change(files[LIST].decode()).encode()}


def folders_of(name: Callable[[int], str], inside: str = "") -> dict[str, bytes]:
    names = [f"{inside}{split}/{name(code)}/{split}_{code:05}_aligned.jpg" for split in ("train", "test") for code in range(1, 8)]
    return tree(names, form="JPEG")


CIRCULATING = {
    "basic beside compound": with_compound(),
    "empty lines": listed(lambda text: f"\n{text}\n\n"),
    "blanks and Windows lines": listed(lambda text: text.replace(" ", "  \t").replace("\n", " \r\n")),
    "a mark of UTF-8": listed(lambda text: f"\ufeff{text}"),
    "aligned names in the list": listed(lambda text: text.replace(".jpg", "_aligned.jpg")),
    "list_partition_label": {name.replace("patition", "partition"): content for name, content in published().items()},
    "without basic": {name.removeprefix("basic/"): content for name, content in published().items()},
    "plain names": {name.replace("_aligned", ""): c for name, c in published().items() if "original" not in name},
    "names of classes": folders_of(lambda code: ORDER[code - 1].title()),
    "other names of classes": folders_of(
        lambda code: ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")[code - 1]
    ),
    "DATASET": folders_of(str, "DATASET/"),
}


@pytest.mark.parametrize("form", CIRCULATING)
def test_each_form_that_circulates_gives_the_same(form: str, tmp_path: Path) -> None:
    splits = RAFDB().prepare(as_folder(tmp_path, CIRCULATING[form]))
    assert {s: sorted(np.asarray(v.labels).tolist()) for s, v in splits.items()} == {"train": [*range(7)], "test": [*range(7)]}


@pytest.mark.parametrize("files", [published(), class_folders()], ids=["published", "class folders"])
def test_every_class_is_in_both_official_splits(files: dict[str, bytes], tmp_path: Path) -> None:
    splits = RAFDB().prepare(as_folder(tmp_path, files))
    assert {s: sorted(np.asarray(v.labels).tolist()) for s, v in splits.items()} == {"train": [*range(7)], "test": [*range(7)]}


@pytest.mark.parametrize("files", [published(), class_folders()], ids=["published", "class folders"])
@pytest.mark.parametrize("code", range(1, 8))
def test_the_number_is_the_emotion(files: dict[str, bytes], code: int, tmp_path: Path) -> None:
    only = {name: content for name, content in files.items() if f"_{code:05}" in name}
    if LIST in files:
        only[LIST] = f"train_{code:05}.jpg {code}\ntest_{code:05}.jpg {code}\n".encode()
    labels = RAFDB().prepare(as_folder(tmp_path, only))["train"].labels
    assert [BASIC[i] for i in np.asarray(labels)] == [ORDER[code - 1]]


def test_a_zip_gives_the_same_images(tmp_path: Path) -> None:
    folder = RAFDB().prepare(as_folder(tmp_path / "f", published()))
    as_zip(tmp_path / "z" / "raf.zip", published())
    np.testing.assert_array_equal(RAFDB().prepare(tmp_path / "z")["test"].images, folder["test"].images)


def test_pictures_are_had_as_they_are_by_option(tmp_path: Path) -> None:
    options = RAFDB.Options(size=100, channels=3)
    assert RAFDB(options).prepare(as_folder(tmp_path, published()))["test"].images.shape == (7, 3, 100, 100)


def test_a_part_of_the_set_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train holds 7 images, but the dataset has 12,271"):
        prepare_dataset(RAFDB(), as_folder(tmp_path / "raw", published()), tmp_path / "cache", notify=lambda _: None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda f: f.pop(LIST),
            "aligned/test_00001_aligned.jpg is not in a folder 1 to 7, and list_patition_label.txt does not exist",
        ),
        (
            lambda f: f.pop("basic/Image/aligned/train_00003_aligned.jpg"),
            "1 images are only in list_patition_label.txt; the first is train_00003.jpg",
        ),
        (
            lambda f: f.update({LIST: f[LIST].replace(b"test_00007.jpg 7\n", b"")}),
            "1 images are not in list_patition_label.txt; the first is test_00007.jpg",
        ),
        (
            lambda f: f.update({LIST: f[LIST] + b"train_00009.jpg 8\n"}),
            "line 15: 'train_00009.jpg 8' must be like 'train_00001.jpg 5'",
        ),
        (
            lambda f: f.update(tree(["basic/Image/aligned/me.jpg"], form="JPEG")),
            "aligned/me.jpg: its name must be like train_00001",
        ),
    ],
    ids=["no list", "no picture", "not listed", "no class", "strange name"],
)
def test_what_is_missing_or_wrong_is_an_error_that_names_it(
    change: Callable[[dict[str, bytes]], object], reason: str, tmp_path: Path
) -> None:
    files = published()
    change(files)
    with pytest.raises(DataError) as caught:
        RAFDB().prepare(as_folder(tmp_path, files))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
