"""AffectNet, ExpW and SFEW in the layouts that are documented: made-up files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, saved, tree
from PIL import Image

from dabench.checks.dataset_checks import dataset_rules
from dabench.checks.rules import examine
from dabench.data.folders import files_in
from dabench.data.skipped import SkippingSplits
from dabench.datasets._from_names import NamedPictures
from dabench.datasets.affectnet import AffectNet
from dabench.datasets.expw import ExpW
from dabench.datasets.sfew import SFEW
from dabench.errors import DataError

NUMBERS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"


def labels(dataset: NamedPictures, raw: Path) -> dict[str, list[str]]:
    splits = dataset.prepare(raw)
    return {s: sorted(dataset.classes[i] for i in np.asarray(v.labels)) for s, v in splits.items()}


def refusal(dataset: NamedPictures, raw: Path) -> str:
    with pytest.raises(DataError) as caught:
        _ = [np.asarray(s.images) for s in dataset.prepare(raw).values()]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", [AffectNet, ExpW, SFEW])
def test_it_keeps_the_contract(kind: type[NamedPictures], tmp_path: Path) -> None:
    found = examine("dataset", kind.name, dataset_rules(kind(), tmp_path))
    assert [f for f in found if f.state == "failed"] == []


def two_colours() -> bytes:
    """Left half black, right half white."""
    picture = Image.new("L", (40, 20), 0)
    picture.paste(255, (20, 0, 40, 20))
    return saved(picture)


# AffectNet


def release(change: Callable[[str], str] = str) -> dict[str, bytes]:
    """Two images of each number from 0 to 10, and both tables."""
    files = {f"Manually_Annotated/Manually_Annotated_Images/{d}/{code}.png": two_colours() for d in (1, 2) for code in range(11)}
    rows = {d: "".join(f"{d}/{code}.png,25,2,10,10,1;2,{code},0,0\n" for code in range(11)) for d in (1, 2)}
    tables = {"training.csv": HEADER + rows[1], "validation.csv": rows[2]}
    return files | {f"Manually_Annotated_file_lists/{name}": change(text).encode() for name, text in tables.items()}


def numbered() -> dict[str, bytes]:
    files = {}
    for part in ("train_set", "val_set"):
        for code in range(8):
            out = io.BytesIO()
            np.save(out, np.array(str(code)))
            files |= {f"{part}/images/{code}.jpg": saved(Image.new("L", (8, 8), code), "JPEG")}
            files |= {f"{part}/annotations/{code}_exp.npy": out.getvalue(), f"{part}/annotations/{code}_val.npy": b""}
    return files


def folders(*parts: str, names: tuple[str, ...] = tuple(map(str, range(8)))) -> dict[str, bytes]:
    return tree([f"{part}/{name}/{part}{i}.png" for part in parts for i, name in enumerate(names)])


AFFECTNET = {
    "first release": release(),
    "later release": numbered(),
    "numbers": folders("train", "val"),
    "names": folders(
        "Train", "Validation", names=("Neutral", "Happiness", "Sad", "surprise", "fear", "Disgust", "Anger", "Contempt")
    ),
}


@pytest.mark.parametrize("form", AFFECTNET)
def test_each_form_of_affectnet_has_every_expression_in_both_splits(form: str, tmp_path: Path) -> None:
    found = labels(AffectNet(), as_folder(tmp_path, AFFECTNET[form]))
    assert found == {"train": sorted(NUMBERS), "test": sorted(NUMBERS)}


def test_with_a_folder_test_of_affectnet_val_stays_val(tmp_path: Path) -> None:
    assert set(labels(AffectNet(), as_folder(tmp_path, folders("train", "val", "test")))) == {"train", "val", "test"}


def test_a_face_of_affectnet_is_cut_out_by_its_box(tmp_path: Path) -> None:
    images = np.asarray(AffectNet(AffectNet.Options(size=10)).prepare(as_folder(tmp_path, release()))["test"].images)
    assert images.min() == 255


def test_faces_of_affectnet_without_an_expression_are_counted(tmp_path: Path) -> None:
    (note,) = AffectNet().prepare(as_folder(tmp_path, release())).notes
    assert note == "6 of 22 images left out: without one of the 8 expressions"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda text: text if text.startswith("sub") else text.replace(",0,0,0", ",12,0,0", 1),
            "validation.csv, line 1: expression '12'",
        ),
        (lambda text: text.replace(",7,0,0", ",11,0,0"), "expression '11' must be a number from 0 to 10"),
        (lambda text: text.replace("1/3.png", "1/x.png"), "training.csv, line 5: there is no image '1/x.png'"),
        (lambda text: text.replace("1/3.png,25", "1/3.png,x"), "line 5: the box of the face, 'x,2,10,10', must be four numbers"),
        (lambda text: text.replace("1/3.png,25", "1/3.png,99"), "is outside the image of 40x20"),
    ],
)
def test_a_wrong_row_of_affectnet_is_named(change: Callable[[str], str], reason: str, tmp_path: Path) -> None:
    assert reason in refusal(AffectNet(), as_folder(tmp_path, release(change)))


def test_no_pickle_of_affectnet_is_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    np.save(out, np.array({"a": 1}, dtype=object))
    files = numbered() | {"val_set/annotations/3_exp.npy": out.getvalue()}
    assert "3_exp.npy must hold a number from 0 to 7, and cannot be read" in refusal(AffectNet(), as_folder(tmp_path, files))


# ExpW


def expw(change: Callable[[str], str] = str) -> dict[str, bytes]:
    """Five images of two faces for each class: the left one dark, the right one bright."""
    files = {f"origin/{code}_{i}.png": two_colours() for code in range(7) for i in range(5)}
    lines = [
        f"{name.removeprefix('origin/')} {n} 2 {5 + 20 * n} {15 + 20 * n} 18 60.5 {name[7]}\n" for name in files for n in (0, 1)
    ]
    return files | {"label.lst": change("".join(lines)).encode()}


def test_each_face_of_expw_is_cut_out_by_its_box(tmp_path: Path) -> None:
    splits = ExpW(ExpW.Options(size=8)).prepare(as_folder(tmp_path, expw()))
    images = np.concatenate([np.asarray(s.images) for s in splits.values()])
    assert np.unique(images, return_counts=True)[0].tolist() == [0, 255]
    assert images.reshape(70, -1).mean(1).tolist().count(255) == 35


def test_the_faces_of_one_image_of_expw_are_in_one_split(tmp_path: Path) -> None:
    splits = ExpW().prepare(as_folder(tmp_path, expw()))
    assert set(np.asarray(splits["train"].groups)) & set(np.asarray(splits["test"].groups)) == set()
    assert len(np.unique(np.asarray(splits["test"].groups))) == 7


def test_the_numbers_of_expw_are_these_expressions(tmp_path: Path) -> None:
    order = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    raw = as_folder(tmp_path, expw())
    rows, _ = ExpW().rows(files_in(raw, "x", {".png"}), raw)
    assert {(picture[0].name[0], facts.label) for picture, facts in rows} == {(str(i), name) for i, name in enumerate(order)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda text: text.replace("0_0.png 0 2", "0_0.png 0 x"),
            "label.lst, line 1: '0_0.png 0 x 5 15 18 60.5 0' must be like NAME",
        ),
        (lambda text: text.replace("60.5 6", "60.5 7", 1), "must be like NAME FACE TOP LEFT RIGHT BOTTOM CONFIDENCE CLASS"),
        (lambda text: text.replace("0_0.png", "x.png"), "label.lst, line 1: there is no image 'x.png'"),
    ],
)
def test_a_wrong_line_of_expw_is_named(change: Callable[[str], str], reason: str, tmp_path: Path) -> None:
    assert reason in refusal(ExpW(), as_folder(tmp_path, expw(change)))


def test_a_box_outside_its_image_is_skipped(tmp_path: Path) -> None:
    raw = as_folder(tmp_path, expw(lambda text: text.replace("0_0.png 0 2 5 15 18", "0_0.png 0 2 15 5 18")))
    splits = ExpW(ExpW.Options(skip_limit=0.5)).prepare(raw)
    assert isinstance(splits, SkippingSplits)
    assert [*splits.skipped] == ["origin/0_0.png"]
    assert "is outside the image of 40x20" in splits.skipped["origin/0_0.png"]


def test_expw_needs_its_list(tmp_path: Path) -> None:
    files = expw()
    del files["label.lst"]
    assert f"{tmp_path}/label.lst does not exist. Download ExpW" in refusal(ExpW(), as_folder(tmp_path, files))


# SFEW

SPOKEN = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")


def sfew(*parts: str) -> dict[str, bytes]:
    return tree([f"{part}/{name}/Film_000000001_0000000{i}.png" for part in parts for i, name in enumerate(SPOKEN)])


@pytest.mark.parametrize(
    "parts",
    [
        ("Train_Aligned_Faces", "Val_Aligned_Faces"),
        ("Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces_new"),
        ("SFEW/Train_Aligned_Faces", "SFEW/Val_Aligned_Faces", "SFEW/Test_Aligned_Faces", "SFEW/Train", "SFEW/Val"),
    ],
)
def test_the_aligned_faces_of_sfew_are_read(parts: tuple[str, ...], tmp_path: Path) -> None:
    found = labels(SFEW(), as_folder(tmp_path, sfew(*parts)))
    assert {split: len(names) for split, names in found.items()} == {"train": 7, "test": 7}


def test_the_whole_frames_of_sfew_are_an_option(tmp_path: Path) -> None:
    raw = as_folder(tmp_path, sfew("Train", "Val", "Train_Aligned_Faces"))
    splits = SFEW(SFEW.Options(aligned=False)).prepare(raw)
    assert {split: len(s.images) for split, s in splits.items()} == {"train": 7, "test": 7}
    assert splits.notes == ("7 of 21 images left out: of the test part, or of the form that the option aligned does not name",)


def test_a_folder_that_names_no_part_of_sfew_is_named(tmp_path: Path) -> None:
    message = refusal(SFEW(), as_folder(tmp_path, sfew("Faces")))
    assert "its name must be like Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png" in message
