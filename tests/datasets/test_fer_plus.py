"""The labels of FER+ for the rows of FER2013's CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, tree

from dabench.data.prepare import prepare_dataset
from dabench.data.splits import checked
from dabench.datasets._fer2013_csv import VOTES, read_votes
from dabench.datasets.fer2013 import FER2013
from dabench.errors import DataError


def plus() -> FER2013:
    return FER2013(FER2013.Options(labels="fer+"))


def votes(tmp_path: Path, *rows: str) -> Path:
    """A file with these votes ("4,0,0,1,3,2,0,0,0,0"), every row of the training set."""
    path = tmp_path / "fer2013new.csv"
    lines = [f"Training,fer{n:07}.png,{row}" for n, row in enumerate(rows)]
    path.write_text("\n".join([f"Usage,Image name,{','.join(VOTES)}", *lines, ""]))
    return path


@pytest.mark.parametrize(
    ("row", "winner"),
    [
        ("6,0,1,1,0,0,0,0,2,0", "neutral"),
        ("0,10,0,0,0,0,0,0,0,0", "happy"),
        ("0,0,0,0,1,0,0,9,0,0", "contempt"),
        ("4,0,0,1,3,1,1,0,0,0", "neutral"),  # four of the seven votes that are not single ones
        ("4,0,0,4,1,0,0,0,1,0", ""),
        ("5,0,5,0,0,0,0,0,0,0", ""),
        ("4,0,0,3,3,0,0,0,0,0", ""),
        ("1,1,1,1,1,1,1,1,1,1", ""),
        ("2,0,0,0,0,0,0,0,8,0", ""),
        ("0,0,0,0,0,0,0,0,0,10", ""),
    ],
)
def test_the_emotion_of_an_image_is_that_of_the_majority(row: str, winner: str, tmp_path: Path) -> None:
    assert read_votes(votes(tmp_path, row), ["Training"], "x") == [winner]


def test_a_file_of_more_rows_than_fer2013_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 2 rows, but FER2013 has 1"):
        read_votes(votes(tmp_path, *["0,10,0,0,0,0,0,0,0,0"] * 2), ["Training"], "x")


def test_rows_in_another_order_are_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fer2013new\.csv, line 3: Usage is 'Training', but 'PublicTest' in the same row"):
        read_votes(votes(tmp_path, *["0,10,0,0,0,0,0,0,0,0"] * 2), ["Training", "PublicTest"], "x")


def test_a_vote_that_is_no_number_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: fear is 'x'; must be a number of votes"):
        read_votes(votes(tmp_path, "0,0,0,0,0,0,x,0,0,0"), ["Training"], "x")


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    path = votes(tmp_path)
    path.write_text(path.read_text().replace(",NF", ""))
    with pytest.raises(DataError, match="line 1: no column 'NF'"):
        read_votes(path, [], "x")


def test_fer_plus_has_contempt_and_the_splits_of_fer2013(tmp_path: Path) -> None:
    plus().make_synthetic(tmp_path, 2, 0)
    splits = checked(plus(), plus().prepare(tmp_path))
    assert {s: np.bincount(np.asarray(v.labels)).tolist() for s, v in splits.items()} == dict.fromkeys(
        ("train", "val", "test"), [2] * 8
    )
    assert plus().classes[-1] == "contempt"


def test_images_without_a_majority_are_left_out(tmp_path: Path) -> None:
    plus().make_synthetic(tmp_path, 2, 0)
    path = tmp_path / "fer2013new.csv"
    lines = path.read_text().splitlines()
    lines[1] = "Training,,0,0,0,0,0,0,0,0,0,10"
    path.write_text("\n".join([*lines, ""]))
    assert len(plus().prepare(tmp_path)["train"].images) == 15


def test_the_votes_are_a_raw_file(tmp_path: Path) -> None:
    plus().make_synthetic(tmp_path, 1, 0)
    assert [p.name for p in plus().raw_files(tmp_path)] == ["fer2013.csv", "fer2013new.csv"]


def test_without_the_votes_it_says_where_they_were_sought(tmp_path: Path) -> None:
    plus().make_synthetic(tmp_path, 1, 0)
    (tmp_path / "fer2013new.csv").unlink()
    with pytest.raises(DataError, match=rf"{tmp_path}/fer2013new\.csv does not exist; download it from https://github\.com"):
        prepare_dataset(plus(), tmp_path, tmp_path / "cache")


def test_the_folder_form_cannot_have_them_and_it_says_why(tmp_path: Path) -> None:
    as_folder(tmp_path, tree(["train/angry/Training_1.jpg"], form="JPEG"))
    with pytest.raises(DataError, match="is the folder form, which does not give the row of an image"):
        prepare_dataset(plus(), tmp_path, tmp_path / "cache")


def test_both_papers_are_cited() -> None:
    assert plus().citation.count("@inproceedings") == 2
