"""FER2013 as a CSV, in all the places where people have it, and what is wrong in one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.data.prepare import prepare_dataset
from dabench.datasets.fer2013 import FER2013
from dabench.errors import DataError

USAGES = ("Training", "Training", "PublicTest", "PrivateTest")
ROWS = [
    (label, " ".join(map(str, np.random.default_rng([label, n]).integers(0, 256, 2304))), usage)
    for n, usage in enumerate(USAGES)
    for label in range(7)
]
GREY = " ".join(["7"] * 2304)


def table(rows: list[tuple[object, str, str]] = ROWS, header: str = "emotion,pixels,Usage") -> bytes:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows), ""]).encode()


def reordered() -> bytes:
    """As icml_face_data.csv has it."""
    rows = [(label, usage, pixels) for label, pixels, usage in ROWS]
    return table(rows, "emotion, Usage, pixels")


def written(place: Path, content: bytes) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def tarred(place: Path, name: str = "fer2013/fer2013.csv") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, "w:gz") as archive:
        for member, content in (("fer2013/README", b"words"), (name, table())):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return place


FORMS: dict[str, Callable[[Path], object]] = {
    "fer2013.csv": lambda raw: written(raw / "fer2013.csv", table()),
    "icml_face_data.csv": lambda raw: written(raw / "icml_face_data.csv", reordered()),
    "unpacked tar": lambda raw: written(raw / "fer2013" / "fer2013.csv", table()),
    "fer2013.tar.gz": lambda raw: tarred(raw / "fer2013.tar.gz"),
    "zip": lambda raw: as_zip(raw / "archive.zip", {"fer2013.csv": table()}),
    "competition's zip": lambda raw: as_zip(raw / "c.zip", {"icml_face_data.csv": reordered(), "train.csv": b"emotion,pixels\n"}),
    "Windows lines": lambda raw: written(raw / "fer2013.csv", table().replace(b"\n", b"\r\n")),
    "quoted": lambda raw: written(raw / "fer2013.csv", table([(a, f'"{b}"', c) for a, b, c in ROWS])),
}


def refusal(raw: Path, rows: list[tuple[object, str, str]], header: str = "emotion,pixels,Usage") -> str:
    written(raw / "fer2013.csv", table(rows, header))
    with pytest.raises(DataError) as caught:
        FER2013().prepare(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_faces(form: str, tmp_path: Path) -> None:
    FORMS[form](tmp_path)
    splits = FER2013().prepare(tmp_path)
    assert {split: len(s.images) for split, s in splits.items()} == {"train": 14, "val": 7, "test": 7}
    expected = np.array([list(map(int, pixels.split())) for _, pixels, _ in ROWS[-7:]], np.uint8).reshape(-1, 1, 48, 48)
    np.testing.assert_array_equal(splits["test"].images, expected)
    np.testing.assert_array_equal(splits["test"].labels, range(7))


def test_faces_are_resized_and_coloured_by_option(tmp_path: Path) -> None:
    written(tmp_path / "fer2013.csv", table())
    options = FER2013.Options(size=32, channels=3)
    assert FER2013(options).prepare(tmp_path)["test"].images[:].shape == (7, 3, 32, 32)


def test_of_several_csvs_fer2013_csv_is_read(tmp_path: Path) -> None:
    written(tmp_path / "icml_face_data.csv", b"nothing")
    tarred(tmp_path / "fer2013.tar.gz")
    chosen = written(tmp_path / "fer2013.csv", table())
    assert list(FER2013().raw_files(tmp_path)) == [chosen]


def test_the_csv_beside_the_folder_form_is_refused(tmp_path: Path) -> None:
    as_folder(tmp_path, tree(["train/angry/Training_1.jpg"], form="JPEG"))
    assert f"holds two forms of the dataset ({tmp_path}/fer2013.csv, {tmp_path})" in refusal(tmp_path, ROWS)


def test_two_zips_of_pictures_are_refused(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        as_zip(tmp_path / name, tree(["train/angry/Training_1.jpg"], form="JPEG"))
    with pytest.raises(DataError, match=r"holds two forms of the dataset .*a\.zip, .*b\.zip"):
        FER2013().prepare(tmp_path)


def test_the_option_path_names_the_csv(tmp_path: Path) -> None:
    place = written(tmp_path / "elsewhere.csv", table())
    assert len(FER2013(FER2013.Options(path=str(place))).prepare(tmp_path / "nowhere")["val"].images) == 7


@pytest.mark.parametrize(
    ("header", "named"), [("emotion,pixels", "emotion, pixels"), ("emotion,pixels,Usage,age", "emotion, pixels, Usage, age")]
)
def test_missing_and_extra_columns_are_named(header: str, named: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, ROWS, header)
    assert said.endswith(f"fer2013.csv, line 1: the columns must be emotion, pixels, Usage, in any order, not {named}")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((0, "1 2 3", "Training"), "3 pixels; must be 2,304 (48x48)"),
        ((0, f"{GREY} 7", "Training"), "2,305 pixels; must be 2,304 (48x48)"),
        ((0, f"{GREY[:-1]}256", "Training"), "pixel 2304 is '256'; must be a whole number from 0 to 255"),
        ((0, f"-1{GREY[1:]}", "Training"), "pixel 1 is '-1'; must be a whole number from 0 to 255"),
        ((0, f"7.5{GREY[1:]}", "Training"), "pixel 1 is '7.5'; must be a whole number from 0 to 255"),
        ((0, f"{GREY[:-1]}black", "Training"), "pixel 2304 is 'black'; must be a whole number from 0 to 255"),
        ((7, GREY, "Training"), "emotion '7' must be 0 to 6 (angry, disgust,"),
        (("", GREY, "Training"), "emotion '' must be 0 to 6"),
        ((0, GREY, "Test"), "Usage 'Test' must be one of Training, PublicTest, PrivateTest"),
        ((0, GREY, "Training,1"), "4 values, but 3 columns (emotion, pixels, Usage)"),
        ((0, "7 " * 100_000, "Training"), "2 values, but 3 columns"),
    ],
)
def test_a_wrong_row_is_an_error_with_its_line(row: tuple[object, str, str], reason: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, [*ROWS, row])
    assert f"fer2013.csv, line {len(ROWS) + 2}: {reason}" in said


def test_a_csv_without_rows_is_refused(tmp_path: Path) -> None:
    assert "has no rows" in refusal(tmp_path, [])


def test_a_cut_tar_is_an_error_that_names_it(tmp_path: Path) -> None:
    whole = tarred(tmp_path / "fer2013.tar.gz")
    whole.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"fer2013\.tar\.gz cannot be read \(.*\); download it again"):
        FER2013().prepare(tmp_path)


def test_a_tar_without_the_csv_is_an_error_that_names_it(tmp_path: Path) -> None:
    tarred(tmp_path / "fer2013.tar.gz", "other.csv")
    with pytest.raises(DataError, match=r"does not contain fer2013\.csv or icml_face_data\.csv"):
        FER2013().prepare(tmp_path)


def test_a_part_of_the_rows_is_refused_with_both_counts(tmp_path: Path) -> None:
    written(tmp_path / "fer2013.csv", table())
    with pytest.raises(DataError, match="train holds 14 images, but the dataset has 28,709"):
        prepare_dataset(FER2013(), tmp_path, tmp_path / "cache", notify=lambda _: None)
