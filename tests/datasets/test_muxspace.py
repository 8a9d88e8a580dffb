"""Muxspace in its own layout, with a legend, and as class folders; the real ones where they are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.data.prepare import prepare_dataset
from dabench.datasets._emotions import BASIC
from dabench.datasets.muxspace import Muxspace
from dabench.errors import DataError
from dabench.plugins.contract import Samples

WORDS = ("angry", "DISGUST", "fearful", "Happiness", "sadness", "SURPRISE", "neutral")
ROWS = [(f"Per_Son{'ABCDE'[p]}_{i:04}.jpg", word) for p in range(5) for i, word in enumerate(WORDS)]


def legend(rows: list[tuple[str, str]] = ROWS) -> dict[str, bytes]:
    lines = ["user.id,image,emotion", *(f"302,{name},{word}" for name, word in rows), ""]
    return {"data/legend.csv": "\n".join(lines).encode()}


def own(rows: list[tuple[str, str]] = ROWS) -> dict[str, bytes]:
    return tree([f"images/{name}" for name in dict.fromkeys(name for name, _ in rows)], form="JPEG") | legend(rows)


def total(splits: Mapping[str, Samples]) -> int:
    return sum(len(s.images) for s in splits.values())


def test_the_legend_says_the_class_in_any_spelling(tmp_path: Path) -> None:
    splits = Muxspace().prepare(as_folder(tmp_path, own()))
    labels = np.concatenate([np.asarray(s.labels) for s in splits.values()])
    assert np.bincount(labels).tolist() == [5] * 7


def test_class_folders_say_the_class(tmp_path: Path) -> None:
    names = [f"{label}/{name}" for label, (name, _) in zip(BASIC * 5, ROWS, strict=True)]
    as_zip(tmp_path / "muxspace48.zip", tree(names, form="JPEG"))
    assert total(Muxspace().prepare(tmp_path)) == 35


def test_a_zip_of_the_repository_gives_the_same_images(tmp_path: Path) -> None:
    folder = Muxspace().prepare(as_folder(tmp_path / "f", own()))
    as_zip(tmp_path / "z" / "master.zip", {f"facial_expressions-master/{name}": content for name, content in own().items()})
    np.testing.assert_array_equal(Muxspace().prepare(tmp_path / "z")["test"].images, folder["test"].images)


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Abdullah_al-Attiyah_0003.jpg", "Abdullah_al-Attiyah"),
        ("Avinash_17.jpg", "Avinash"),
        ("facial-expressions_2868588k.jpg", "facial-expressions_2868588k"),
    ],
)
def test_the_subject_is_the_name_before_the_last_number(name: str, person: str) -> None:
    assert Muxspace().named(PurePosixPath("images", name)).subject == person


def test_nobody_is_on_both_sides(tmp_path: Path) -> None:
    splits = Muxspace().prepare(as_folder(tmp_path, own()))
    assert set(np.asarray(splits["train"].groups)) & set(np.asarray(splits["test"].groups)) == set()


def test_a_picture_named_twice_with_one_emotion_is_read_once(tmp_path: Path) -> None:
    rows = [*ROWS, (ROWS[0][0], "ANGER")]
    assert total(Muxspace().prepare(as_folder(tmp_path, own(rows)))) == 35


def test_pictures_of_two_emotions_and_of_contempt_are_left_out(tmp_path: Path) -> None:
    rows = [*ROWS, (ROWS[0][0], "sadness"), ("Some_One_0001.jpg", "contempt"), ("Some_One_0002.jpg", "contempt")]
    assert total(Muxspace().prepare(as_folder(tmp_path, own(rows)))) == 34


def test_other_pictures_of_the_repository_are_not_read(tmp_path: Path) -> None:
    files = own() | tree(["Augmented_Images/x.jpg", "images/Not_Listed_0001.jpg"], form="JPEG")
    assert total(Muxspace().prepare(as_folder(tmp_path, files))) == 35


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            own() | legend([*ROWS, ("A_0001.jpg", "fear")]),
            "1 images of {root}/data/legend.csv are not in {root}/images: A_0001.jpg;",
        ),
        (
            own([*ROWS, ("A_0001.jpg", "bored")]),
            "{root}/data/legend.csv, line 37: emotion 'bored' must be one of angry, disgust",
        ),
        (tree([f"images/{name}" for name, _ in ROWS], form="JPEG"), "{root}/data/legend.csv does not exist"),
        (tree(["bored/A_0001.png"]), "bored/A_0001.png: class 'bored' must be one of angry, disgust"),
    ],
    ids=["no picture", "no emotion", "no legend", "no class"],
)
def test_what_is_missing_or_wrong_is_an_error_that_names_it(files: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        Muxspace().prepare(as_folder(tmp_path, files))
    assert reason.format(root=tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


# The real one


def test_the_real_sample_in_its_own_layout_is_read(real_data: Callable[[str], Path]) -> None:
    splits = Muxspace().prepare(real_data("muxspace48/sample/data/legend.csv").parents[1])
    assert total(splits) == 56  # of 60 lines, four of contempt


def test_the_real_class_folders_are_read_with_their_counts(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    raw = real_data("muxspace48/muxspace48.zip").parent
    prepared = prepare_dataset(Muxspace(), raw, tmp_path, notify=lambda _: None)
    counts = {c: sum(prepared.splits[s]["classes"][c] for s in prepared.splits) for c in BASIC}
    assert counts == {"angry": 252, "disgust": 208, "fear": 21, "happy": 5693, "sad": 267, "surprise": 368, "neutral": 6862}
    groups = [set(np.asarray(prepared.groups(split)).tolist()) for split in prepared.splits]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 5603 + 8 + 4
