"""Which test images training holds, too: found by an audit, and a report by that or any other attribute from a file."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from audited import found, splits
from fabricated import DatasetContent, two_sets

import dabench
from dabench.analysis.attributes import ImageIndex, read_attributes
from dabench.cli import main
from dabench.data.audit import IDENTICAL, Audit, leaks, write_leaks
from dabench.data.csv_files import image_name
from dabench.errors import DataError, SpecError
from dabench.plugins.contract import Samples
from dabench.storage.reader import ResultsReader

DIGEST = "0123abcd" * 8
TEN = ImageIndex("hand", DIGEST, 10, "look again")


def column(result: Audit, at: int, made: dict[str, Samples], dataset: str = "set-a") -> dict[int, str]:
    """Return place in `made` -> value, of the test images of which it is not "no": preparing has an order of its own."""
    prepared = result.pictures.sets[dataset].samples("test").images
    places: dict[bytes, list[int]] = {}
    for i, image in enumerate(made["test"].images):
        places.setdefault(image.tobytes(), []).append(i)
    rows = leaks(result)[dataset]
    return {i: row[at] for row, image in zip(rows, prepared, strict=True) for i in places[image.tobytes()] if row[at] != "no"}


# What an audit finds


def test_a_test_image_that_stands_in_training_or_validation_is_named(tmp_path: Path) -> None:
    made = splits()
    made["test"].images[2] = made["train"].images[29]
    made["test"].images[5] = made["val"].images[0]
    made["test"].images[7] = made["test"].images[8]
    assert column(found(tmp_path, made), 1, made) == {2: "set-a", 5: "set-a"}


def test_every_copy_of_a_picture_counts(tmp_path: Path) -> None:
    made = splits()
    made["test"].images[2] = made["test"].images[3] = made["train"].images[0] = made["train"].images[1]
    assert column(found(tmp_path, made), 1, made) == {2: "set-a", 3: "set-a"}


def test_training_of_another_dataset_is_named_and_its_test_does_not_count(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    one["test"].images[0] = other["train"].images[0]
    one["test"].images[1] = one["train"].images[1] = other["val"].images[1]
    one["test"].images[2] = other["test"].images[2]
    result = found(tmp_path, one, other)
    assert column(result, 1, one) == {0: "set-b", 1: "set-a + set-b"}
    assert column(result, 1, other, "set-b") == {}


def test_near_copies_have_a_column_of_their_own_that_holds_the_identical_ones(tmp_path: Path) -> None:
    made = splits()
    made["test"].images[2] = made["train"].images[0]
    made["test"].images[4] = np.clip(made["train"].images[1].astype(int) + 1, 0, 255)
    result = found(tmp_path, made, radius=5)
    assert column(result, 1, made) == {2: "set-a"}
    assert column(result, 2, made) == {2: "set-a", 4: "set-a"}


def test_near_a_picture_of_which_the_first_copy_is_in_test_counts(tmp_path: Path) -> None:
    made = splits()
    made["test"].images[4] = np.clip(made["train"].images[1].astype(int) + 1, 0, 255)
    made["test"].images[5] = made["test"].images[4]
    assert column(found(tmp_path, made, radius=5), 2, made) == {4: "set-a", 5: "set-a"}


def test_the_file_names_each_test_image_and_a_clean_set_has_none(tmp_path: Path) -> None:
    made = splits()
    made["test"].images[2] = made["train"].images[0]
    result = found(tmp_path, made, splits(3))
    (path,) = write_leaks(result, tmp_path)
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert path.name == "test-set-a.csv"
    assert tuple(rows[0]) == ("image", IDENTICAL)
    assert [row["image"] for row in rows] == [image_name(result.pictures.sets["set-a"].digest, i) for i in range(12)]
    assert sorted(row[IDENTICAL] for row in rows) == ["no"] * 11 + ["set-a"]
    write_leaks(found(tmp_path / "clean", splits()), tmp_path)
    assert not path.exists()


# A file of attributes


def written(path: Path, *lines: str, head: str = "image,light") -> Path:
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_column_of_texts_is_text_and_an_image_without_a_line_is_not_known(tmp_path: Path) -> None:
    values = read_attributes(written(tmp_path / "a.csv", "1,dim", f"{image_name(DIGEST, 3)},bright", "4,"), TEN)
    assert values["light"].tolist() == ["", "dim", "", "bright", "", "", "", "", "", ""]


def test_a_row_that_ends_early_has_empty_fields(tmp_path: Path) -> None:
    values = read_attributes(written(tmp_path / "a.csv", "1,dim", "2"), TEN)
    assert values["light"].tolist()[:3] == ["", "dim", ""]


def test_a_column_of_numbers_is_numbers(tmp_path: Path) -> None:
    values = read_attributes(written(tmp_path / "a.csv", "1,20,x", "2,,y", head="image,age,who"), TEN)
    np.testing.assert_array_equal(values["age"][:3], [np.nan, 20, np.nan])
    assert values["who"].dtype.kind == "U"


@pytest.mark.parametrize(
    ("head", "line", "message"),
    [
        ("image,light", "10,dim", r"line 3: unknown image '10'; the test images of hand are 0 to 9"),
        (
            "image,light",
            "ffffffff-1,dim",
            r"line 3: .*other test images of hand than those of this sweep .0123abcd.; look again",
        ),
        ("image,light", "0,dim", r"line 3: image 0 is already in line 2; keep one of the two"),
        ("image,light", "1,dim,more", r"line 3: 3 values, but 2 columns .image, light.; put texts that hold a comma in quotes"),
        ("image,", "1,dim", r"a\.csv, line 1: column 2 has no name"),
        ("image", "1", r"a\.csv: has no attribute of any image"),
        ("picture,light", "1,dim", r"a\.csv, line 1: no column 'image'"),
    ],
)
def test_a_wrong_file_is_an_error_that_says_where(tmp_path: Path, head: str, line: str, message: str) -> None:
    first = ",".join(["0", "dim"][: len(head.split(","))])
    with pytest.raises(DataError, match=message):
        read_attributes(written(tmp_path / "a.csv", first, line, head=head), TEN)


# Results by it


def stored(folder: Path, **made: object) -> ResultsReader:
    """Return two sets, `hand` of 100 images of which the first 20 are predicted wrong, and `print`."""
    labels = [i % 3 for i in range(100)]
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", labels, **made)}  # type: ignore[arg-type]
    return two_sets(datasets=sets, wrong=lambda run, test: 20 if test == "hand" else 0).write(folder / "s")


def halves(path: Path) -> Path:
    return written(path, *(f"{i},{'fer' if i < 50 else 'no'}" for i in range(100)), head=f"image,{IDENTICAL}")


def test_a_report_has_results_by_an_attribute_of_a_file(tmp_path: Path) -> None:
    store = stored(tmp_path)
    matrix = dabench.report(store.place, attributes={"hand": halves(tmp_path / "a.csv")}, write=False)
    none = {g.value: g.mean for g in matrix.subgroups if (g.adapter, g.test, g.sources) == ("none", "hand", ["print"])}
    assert none == {"fer": 60.0, "no": 100.0}
    assert {g.test for g in matrix.subgroups} == {"hand"}


def test_the_worst_part_by_a_file_is_a_metric(tmp_path: Path) -> None:
    store = stored(tmp_path)
    matrix = dabench.report(
        store.place, metric=f"worst-group:{IDENTICAL}", attributes={"hand": halves(tmp_path / "a.csv")}, write=False
    )
    assert {c.mean for c in matrix.cells if c.test == "hand"} == {60.0}


def test_an_attribute_that_the_dataset_has_is_not_overwritten(tmp_path: Path) -> None:
    store = stored(tmp_path, attributes={"light": ["dim", "bright"] * 50})
    with pytest.raises(DataError, match="'hand' already has an attribute 'light'; rename the column"):
        dabench.report(store.place, attributes={"hand": written(tmp_path / "a.csv", "0,x")}, write=False)


def test_of_several_datasets_one_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"--attributes .*several datasets; name one of print, hand: write --attributes print="):
        dabench.report(stored(tmp_path).place, attributes=tmp_path / "a.csv", write=False)


def test_the_command_line_takes_such_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = stored(tmp_path)
    assert main(["report", str(store.place), "--attributes", f"hand={halves(tmp_path / 'a.csv')}", "--format", "md"]) == 0
    assert f"by {IDENTICAL}, H test" in capsys.readouterr().out
