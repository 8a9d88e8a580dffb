"""The matrix in a terminal and in a pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fabricated import DatasetContent, Fabrication, two_sets
from rich.console import Console

from dabench.analysis.matrix import read_matrix
from dabench.reporting.tables import Table
from dabench.reporting.terminal import print_matrix, print_table


def pipe(width: int | None = None) -> Console:
    return Console(file=io.StringIO(), highlight=False, width=width)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_matrix_is_printed_with_gains_and_conditions(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets().write(tmp_path / "s")), console)
    lines = [" ".join(line.split()) for line in text_of(console).splitlines()]
    assert "Made up, to be checked by hand" in lines
    assert "trained on P test H test" in lines
    assert not any(line.startswith("P -> H 80.0 [") for line in lines)  # the cross matrix of adabn
    row = next(line for line in lines if line.startswith("fine-tune NET-P-H +40.0 ["))
    assert row.endswith("2 of 2 100 % [-] -40.0 5 per class (a)")
    assert not any(line.startswith("Unfinished") for line in lines)


def test_methods_are_printed_first_with_marks_that_keep_the_numbers_aligned(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets().write(tmp_path / "s")), console)
    lines = text_of(console).splitlines()
    table = lines[lines.index("Accuracy of each method on each target") :]
    assert table.index("source only" + " " * (len(table[3]) - 11)) < next(i for i, t in enumerate(table) if t.startswith("none:"))
    none, adabn, tuned = (next(t for t in table if t.startswith(f"  {name} ")) for name in ("none", "adabn", "fine-tune"))
    assert "90.0* [" in tuned
    assert "70.0= [" in adabn
    reference = next(t for t in table if t.startswith("  trained on the target "))
    assert tuned.rindex("70.0*") == adabn.rindex("65.0=") == none.rindex("55.0") == reference.rindex("90.0")  # averages
    assert any(t.startswith("*: best of its column; =: cannot be told apart") for t in table)


def test_the_cross_matrix_of_each_method_and_classes_are_printed_on_request(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets().write(tmp_path / "s")), console, every=True)
    lines = [" ".join(line.split()) for line in text_of(console).splitlines()]
    assert any(line.startswith("P -> H 80.0 [") for line in lines)
    assert "Recall of each class in %, P -> H" in lines


def test_columns_that_do_not_fit_stand_below_with_the_names_of_the_rows() -> None:
    console = pipe(30)
    columns = tuple(f"column {i}" for i in range(4))
    print_table(Table("t", ("name", *columns), (("row", *(f"12345{i}" for i in range(4))),)), console)
    lines = [line.split() for line in text_of(console).splitlines()]
    rows = [line for line in lines if line[:1] == ["row"]]
    assert [cell for row in rows for cell in row[1:]] == ["123450", "123451", "123452", "123453"]
    assert len(rows) == 2


def test_results_by_group_are_printed_after_the_gains_with_their_rule(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P", attributes={"age": ["old", "young"] * 5}), "hand": DatasetContent("H")}
    console = pipe(200)
    print_matrix(read_matrix(two_sets(datasets=sets).write(tmp_path / "s")), console)
    text = text_of(console)
    order = [
        "Adaptation gains",
        "Means over 2 pairs",
        "Drop:",
        "Accuracy by age, P test",
        "* fewer than 30 images",
    ]
    assert sorted(order, key=text.index) == order


def test_of_many_notes_the_first_are_printed_and_the_others_counted(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name, attributes={"subject": ["a"] * 10}) for name in "abcd"}
    console = pipe(200)
    matrix = read_matrix(Fabrication(lambda run, test: 1, sets, seeds=1).write(tmp_path / "s"))
    print_matrix(matrix, console)
    text = text_of(console)
    assert text.count("no results by subject") == 2
    assert "2 more notes are on the HTML page and in the Markdown tables." in text


def test_without_attributes_nothing_is_printed_by_group(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets().write(tmp_path / "s")), console)
    assert "Accuracy by" not in text_of(console)
    assert "fewer than" not in text_of(console)


def test_a_store_without_runs_is_printed_as_unfinished_and_without_empty_tables(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets(leave_out=lambda run: True).write(tmp_path / "s")), console)
    assert "Unfinished: 12 of 12 runs are missing" in text_of(console)
    assert "trained on" not in text_of(console)


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/red]", "end\\", "[link=a]b"])
def test_names_are_printed_as_they_are_not_taken_for_markup(text: str) -> None:
    console = pipe(200)
    print_table(Table(text, ("a", text), ((text, "1"),)), console)
    lines = text_of(console).splitlines()
    assert lines[0] == text
    assert lines[1].split() == ["a", *text.split()]
    assert lines[2].startswith(text)


def test_no_number_is_cut_in_a_narrow_terminal(tmp_path: Path) -> None:
    sets = {f"set{i}": DatasetContent(f"SET{i}") for i in range(4)}
    matrix = read_matrix(Fabrication(lambda run, test: 3, sets, seeds=1).write(tmp_path / "s"))
    console = pipe(60)
    print_matrix(matrix, console)
    assert "…" not in text_of(console)
    assert text_of(console).count("70.0") > 0
