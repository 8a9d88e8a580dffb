"""FER2013 as a CSV, in all the places where people have it, and what is wrong in one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.data.prepare import prepare_dataset
from dabench.datasets.fer2013 import FER2013
from dabench.datasets.fer2013_train import FER2013Train
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


def without_usage(rows: list[tuple[int, str, str]]) -> bytes:
    return "\n".join(["emotion,pixels", *(f"{label},{pixels}" for label, pixels, _ in rows)]).encode()


def reordered() -> bytes:
    """As icml_face_data.csv has it."""
    rows = [(label, usage, pixels) for label, pixels, usage in ROWS]
    return table(rows, "emotion, Usage, pixels")


def written(place: Path, content: bytes) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def numbered(name: str) -> bytes:
    """As pandas writes it with its index."""
    lines = table().decode().splitlines()
    return "\n".join([f"{name},{lines[0]}", *(f"{n},{line}" for n, line in enumerate(lines[1:]))]).encode()


def tarred(place: Path, name: str = "fer2013/fer2013.csv", mode: Literal["w:", "w:gz"] = "w:gz") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, mode) as archive:
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
    "tar": lambda raw: tarred(raw / "fer2013.tar", mode="w:"),
    "tgz": lambda raw: tarred(raw / "fer2013.tgz"),
    "gzip": lambda raw: written(raw / "fer2013.csv.gz", gzip.compress(table())),
    "bzip2": lambda raw: written(raw / "icml_face_data.csv.bz2", bz2.compress(reordered())),
    "xz": lambda raw: written(raw / "fer2013.csv.xz", lzma.compress(table())),
    "tar named csv": lambda raw: tarred(raw / "fer2013.csv", mode="w:"),
    "tar.gz named csv": lambda raw: tarred(raw / "fer2013.csv"),
    "tar.gz named csv in its folder": lambda raw: tarred(raw / "fer2013" / "fer2013.csv"),
    "gzip named csv": lambda raw: written(raw / "fer2013.csv", gzip.compress(table())),
    "zip named csv": lambda raw: as_zip(raw / "fer2013.csv", {"fer2013/fer2013.csv": table(), "__MACOSX/._fer2013.csv": b"x"}),
    "csv named tar.gz": lambda raw: written(raw / "fer2013.tar.gz", table()),
    "zip of a gzip": lambda raw: as_zip(raw / "fer2013.csv", {"data.csv.gz": gzip.compress(table())}),
    "mark of UTF-8": lambda raw: written(raw / "fer2013.csv", b"\xef\xbb\xbf" + table()),
    "semicolons": lambda raw: written(raw / "fer2013.csv", table().replace(b",", b";")),
    "columns with blanks and capitals": lambda raw: written(raw / "fer2013.csv", table(header=" Emotion, Pixels , usage")),
    "number of the row": lambda raw: written(raw / "fer2013.csv", numbered("")),
    "number of the row, named": lambda raw: written(raw / "fer2013.csv", numbered("Unnamed: 0")),
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


@pytest.mark.parametrize("header", ["emotion,pixel,Usage", "pixels,Usage", "emotion,pixels,pixels", "emotion,Usage,pixels,usage"])
def test_columns_that_are_missing_or_there_twice_are_an_error(header: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, ROWS, header)
    named = header.replace(",", ", ")
    assert said.endswith(f"line 1: must name the columns emotion, pixels, Usage once each, in any order, but is {named!r}")


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


@pytest.mark.parametrize(
    ("content", "form"),
    [(b"Rar!\x1a\x07\x01\x00\x1b[31m", "RAR"), (b"7z\xbc\xaf\x27\x1c\x00", "7z"), (b"\x28\xb5\x2f\xfd\x07", "Zstandard")],
)
def test_a_form_that_is_not_read_is_named(content: bytes, form: str, tmp_path: Path) -> None:
    written(tmp_path / "fer2013.csv", content)
    with pytest.raises(DataError, match=rf"fer2013\.csv is packed as {form}, which is not read; unpack it") as caught:
        FER2013().prepare(tmp_path)
    assert str(caught.value).isascii()


@pytest.mark.parametrize("content", [b"\x1b[31m\x00\x07" * 500, bytes(range(256)) * 9, b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_no_raw_byte_of_the_file_is_in_the_message(content: bytes, tmp_path: Path) -> None:
    written(tmp_path / "fer2013.csv", content)
    with pytest.raises(DataError, match="must name the columns emotion, pixels, Usage") as caught:
        FER2013().prepare(tmp_path)
    said = caught.value.args[0]
    assert said.isprintable()
    assert len(said) < len(str(tmp_path)) + 400


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset of as many rows as the table of these tests."""
    monkeypatch.setattr(FER2013, "counts", {"train": 14, "val": 7, "test": 7})


@pytest.mark.usefixtures("few_rows")
def test_without_usage_the_published_order_gives_the_splits(tmp_path: Path) -> None:
    written(tmp_path / "fer2013.csv", without_usage(ROWS))
    splits = FER2013().prepare(tmp_path)
    assert {split: len(s.images) for split, s in splits.items()} == {"train": 14, "val": 7, "test": 7}
    assert splits.notes == ("fer2013.csv has no column Usage; the published order of its rows gives the splits",)


@pytest.mark.usefixtures("few_rows")
def test_without_usage_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "fer2013.csv", without_usage(ROWS[:14]))
    with pytest.raises(DataError, match="must have the 28 rows of the dataset in their published order, not 14; train"):
        FER2013().prepare(tmp_path)


def test_the_training_rows_alone_are_another_dataset(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", without_usage(ROWS[:14]))
    with pytest.raises(DataError, match=r"train\.csv holds the training rows alone, which dataset 'fer2013-train' reads"):
        FER2013().prepare(tmp_path)
    splits = FER2013Train().prepare(tmp_path)
    assert {split: np.bincount(np.asarray(s.labels)).tolist() for split, s in splits.items()} == {
        "train": [1] * 7,
        "test": [1] * 7,
    }


def test_the_training_rows_are_found_in_the_zip_of_the_competition(tmp_path: Path) -> None:
    as_zip(tmp_path / "c.zip", {"icml_face_data.csv": reordered(), "train.csv": without_usage(ROWS[:14]), "test.csv": b"pixels"})
    assert sum(len(s.images) for s in FER2013Train().prepare(tmp_path).values()) == 14


def test_the_whole_dataset_is_not_read_as_its_training_rows(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", table())
    with pytest.raises(DataError, match=r"train\.csv has a column Usage, so it is not train\.csv; dataset 'fer2013' reads it"):
        FER2013Train().prepare(tmp_path)


def test_rows_of_one_split_alone_are_refused_in_a_word(tmp_path: Path) -> None:
    assert f"{tmp_path}/fer2013.csv has no image of the split test. Download FER2013" in refusal(tmp_path, ROWS[:14])


def test_a_part_of_the_rows_is_refused_with_both_counts(tmp_path: Path) -> None:
    written(tmp_path / "fer2013.csv", table())
    with pytest.raises(DataError, match="train holds 14 images, but the dataset has 28,709"):
        prepare_dataset(FER2013(), tmp_path, tmp_path / "cache", notify=lambda _: None)
