"""The list of what to drop: what it may hold, and what of it is an error; and what is kept of a variant made by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from audited import splits
from toys import CLASSES, toy

from dabench.data.audit import audit_datasets
from dabench.data.cache import Prepared
from dabench.data.clean import write_drop_lists
from dabench.data.drop_list import without
from dabench.data.prepare import prepare_dataset, reshaped
from dabench.errors import DataError

Edit = Callable[[str], str]


@pytest.fixture
def whole(tmp_path: Path) -> Prepared:
    made = splits()
    made["train"].images[1] = made["train"].images[5] = made["test"].images[2]
    return prepare_dataset(toy("set-a", made), tmp_path, tmp_path / "cache", notify=lambda _: None)


@pytest.fixture
def path(whole: Prepared, tmp_path: Path) -> Path:
    """A list of two pictures in train."""
    write_drop_lists(audit_datasets([whole], radius=None), tmp_path / "lists", notify=lambda _: None)
    return tmp_path / "lists" / "drop-set-a.csv"


def edited(path: Path, edit: Edit) -> Path:
    text = path.read_text(encoding="utf-8")
    assert edit(text) != text
    path.write_text(edit(text), encoding="utf-8")
    return path


def refusal(whole: Prepared, path: Path) -> str:
    """Return the message of the error without the path it begins with."""
    before = sorted(whole.folder.parent.iterdir())
    with pytest.raises(DataError) as error:
        without(whole, path, notify=lambda _: None)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert sorted(whole.folder.parent.iterdir()) == before  # nothing half-made
    return message.removeprefix(str(path))


def field(line: int, column: int, value: str) -> Edit:
    """Return the change of one field to `value`."""

    def edit(text: str) -> str:
        rows = [row.split(",") for row in text.splitlines()]
        rows[line - 1][column] = value
        return "".join(",".join(row) + "\n" for row in rows)

    return edit


def test_a_row_taken_out_keeps_its_picture(whole: Prepared, path: Path) -> None:
    assert without(whole, path).count("train") == 28
    edited(path, lambda text: "".join(text.splitlines(keepends=True)[:-1]))
    assert without(whole, path).count("train") == 29


def test_a_spreadsheet_may_have_saved_it(whole: Prepared, path: Path) -> None:
    edited(path, lambda text: "\ufeff" + text.replace("\n", "\r\n"))
    assert without(whole, path).count("train") == 28


def test_columns_of_the_users_own_are_let_be(whole: Prepared, path: Path) -> None:
    edited(path, lambda text: text.replace(",kept\n", ",kept,note\n").replace("2\n", "2,seen\n").replace("8\n", "8,seen\n"))
    edited(path, lambda text: "".join(line + ("\n" if line.count(",") == 8 else ",\n") for line in text.splitlines()))
    assert without(whole, path).count("train") == 28


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: "", ", line 1: no column 'dataset', 'digest', 'split', "),
        (lambda text: text.replace("position", "place"), ", line 1: no column 'position'; it has dataset, digest,"),
        (lambda text: text.splitlines()[0] + "\n", ": lists no image to drop; remove drop from the sweep, or make it again"),
        (lambda text: text[: text.rindex(",", 0, text.rindex(","))], ", line 3: reason = '': must be one of constant,"),
        (field(3, 7, "a,b,c"), ", line 3: 10 values, but 8 columns"),
        (lambda text: text + '"', ", line 4: is not valid CSV ("),
        (
            field(3, 1, "0" * 16),
            ", line 3: belongs to another version of 'set-a' (digest '0000000000000000'; the digest here is '",
        ),
        (field(2, 2, "Train"), ", line 2: split = 'Train': must be one of train, val, test"),
        (field(2, 3, "30"), ", line 2: position = '30': must be 0 to 29"),
        (field(2, 3, "-1"), ", line 2: position = '-1': must be 0 to 29"),
        (field(2, 3, "9" * 5000), ", line 2: position = '999"),
        (field(3, 4, "0" * 32), ", line 3: the image train "),
        (
            field(3, 6, "ugly"),
            ", line 3: reason = 'ugly': must be one of constant, conflicting labels, subject in test, identical",
        ),
        (lambda text: text + text.splitlines()[1] + "\n", " is already in line 2; remove one"),
    ],
)
def test_a_damaged_list_is_one_line_that_says_where(whole: Prepared, path: Path, edit: Edit, message: str) -> None:
    assert message in refusal(whole, edited(path, edit))


def test_a_list_of_another_version_says_how_to_make_it_again(whole: Prepared, path: Path) -> None:
    message = refusal(whole, edited(path, lambda text: text.replace(whole.digest[:16], "0" * 16)))
    assert message.endswith(
        "move the list away and make it again: dabench audit set-a --drop (or the sweep that declares 'set-a')"
    )


def test_a_position_moved_by_one_does_not_have_its_pixels(whole: Prepared, path: Path) -> None:
    position = int(path.read_text().splitlines()[1].split(",")[3])
    assert "the image train" in refusal(whole, edited(path, field(2, 3, str(position - 1))))


def test_a_list_that_is_no_text_is_one_error(whole: Prepared, path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as a CSV in UTF-8 (" in refusal(whole, path)


def test_a_list_that_is_not_there_is_one_error(whole: Prepared, path: Path) -> None:
    path.unlink()
    assert refusal(whole, path).startswith(": the drop list cannot be read (No such file or directory); make it")


# What is kept


def test_a_variant_knows_how_many_were_dropped_of_how_many_and_why(whole: Prepared, path: Path) -> None:
    from dabench.hashing import file_digest

    assert without(whole, path).dropped == {
        "list": file_digest(path),
        "images": {"train": 2},
        "of": {"train": 30},
        "reasons": {"identical": 2},
    }


def test_what_was_dropped_is_known_after_reshaping(whole: Prepared, path: Path) -> None:
    variant = without(whole, path)
    assert reshaped(variant, 3, 12, CLASSES[:2], notify=lambda _: None).dropped == variant.dropped


def test_two_lists_that_drop_the_same_are_told_apart_after_reshaping(whole: Prepared, path: Path) -> None:
    first = reshaped(without(whole, path), 1, 12, CLASSES, notify=lambda _: None)
    edited(path, field(2, 6, "constant"))
    second = reshaped(without(whole, path), 1, 12, CLASSES, notify=lambda _: None)
    assert first.digest == second.digest
    assert second.dropped["reasons"] == {"constant": 1, "identical": 1}


def test_a_variant_is_made_once(whole: Prepared, path: Path) -> None:
    said: list[str] = []
    edited(path, field(2, 6, "constant"))
    assert without(whole, path, notify=said.append) == without(whole, path, notify=said.append)
    assert said == ["dropping 2 images of set-a ..."]


def test_a_whole_set_has_dropped_nothing(whole: Prepared) -> None:
    assert whole.dropped == {}
