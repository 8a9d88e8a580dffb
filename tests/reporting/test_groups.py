"""Tables by group: parts as columns, the worst named, small parts marked, and what has no table said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fabricated import ADABN, NONE, DatasetContent, Fabrication, two_sets

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.reporting.sections import RULE, group_notes, group_tables
from dabench.reporting.tables import EMPTY

OLD, YOUNG, FEW = 40, 40, 10
AGE = ["old"] * OLD + ["young"] * YOUNG + ["few"] * FEW
LABELS = [i % 3 for i in range(len(AGE))]


def matrix_of(
    folder: Path, wrong: int = 20, metric: str = "accuracy", groups: Sequence[int] | None = None, **attributes: Any
) -> Matrix:
    """Return a matrix of which `print` has attributes; its first `wrong` images are predicted wrong."""
    sets = {"print": DatasetContent("P", LABELS, groups, attributes=attributes or {"age": AGE}), "hand": DatasetContent("H")}
    fabrication = Fabrication(lambda run, test: wrong if test == "print" else 1, sets, {"none": NONE, "adabn": ADABN}, seeds=1)
    return read_matrix(fabrication.write(folder / "s"), metric)


def test_there_is_one_table_for_each_attribute_of_each_test_set_with_attributes(tmp_path: Path) -> None:
    tables = group_tables(matrix_of(tmp_path, age=AGE, sex=["f", "m"] * 45))
    assert [t.title for t in tables] == ["Accuracy by age, P test", "Accuracy by sex, P test"]


def test_a_row_is_what_was_trained_and_a_column_is_a_part(tmp_path: Path) -> None:
    (table,) = group_tables(matrix_of(tmp_path))
    assert table.columns[:6] == ("adapter", "trained on", "few*", "old", "young", "worst [95 %]")
    assert [row[:2] for row in table.rows[1:]] == [
        ("none", "P"),
        ("none", "H"),
        ("adabn", "P -> H"),
        ("adabn", "H -> P"),
    ]
    assert table.rows[1][2:6] == ("100.0", "50.0", "100.0", "old: 50.0 (34.6, 65.4)")


def test_a_row_by_group_states_its_conditions(tmp_path: Path) -> None:
    (table,) = group_tables(matrix_of(tmp_path))
    assert table.columns[6:] == ("target images", "steps")
    assert [row[6:] for row in table.rows[1:]] == [("none", "20")] * 2 + [("train", "40")] * 2
    assert table.shared == "target labels 0, seeds 1, selection last"


def test_the_images_of_each_part_are_counted_above_the_numbers(tmp_path: Path) -> None:
    (table,) = group_tables(matrix_of(tmp_path))
    assert table.rows[0][:6] == ("images", "", "10", "40", "40", "")
    assert "groups" not in {row[0] for row in table.rows}


def test_where_groups_are_known_they_are_counted_too(tmp_path: Path) -> None:
    (table,) = group_tables(matrix_of(tmp_path, groups=[i // 20 for i in range(len(AGE))]))
    assert table.rows[1][:6] == ("groups", "", "1", "2", "2", "")


def test_a_part_of_too_few_images_is_not_named_the_worst_while_there_is_another(tmp_path: Path) -> None:
    few_first = ["few"] * FEW + ["old"] * OLD + ["young"] * YOUNG
    (table,) = group_tables(matrix_of(tmp_path, wrong=12, age=few_first))
    assert table.rows[1][2:6] == ("0.0", "95.0", "100.0", "old: 95.0 (82.8, 98.7)")


def test_where_every_part_is_of_too_few_the_worst_is_named_with_the_mark(tmp_path: Path) -> None:
    fonts = [f"f{i // 23}" for i in range(len(AGE))]
    (table,) = group_tables(matrix_of(tmp_path, font=fonts))
    assert table.columns[2:7] == ("f0*", "f1*", "f2*", "f3*", "worst [95 %]")
    assert table.rows[1][6].startswith("f0*: 13.0 (")


def test_a_part_without_a_value_stays_empty_and_is_not_the_worst(tmp_path: Path) -> None:
    sex = ["f" if label else "m" for label in LABELS]
    (table,) = group_tables(matrix_of(tmp_path, metric="recall:x", sex=sex))
    assert table.title == "Recall of x by sex, P test"
    assert (table.rows[1][2], table.rows[1][4].partition(":")[0]) == (EMPTY, "m")


def test_without_any_value_no_part_is_the_worst(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P", [1, 2] * 45, attributes={"age": AGE}), "hand": DatasetContent("H")}
    matrix = read_matrix(Fabrication(lambda run, test: 1, sets, {"none": NONE}, seeds=1).write(tmp_path / "s"))
    matrix.subgroups[:] = [g.__class__(**{**vars(g), "mean": None, "low": None, "high": None}) for g in matrix.subgroups]
    assert group_tables(matrix)[0].rows[1][2:] == (EMPTY, EMPTY, EMPTY, EMPTY)


def test_the_rule_of_the_mark_and_what_has_no_table_are_said(tmp_path: Path) -> None:
    towns = [f"t{i}" for i in range(len(AGE))]
    notes = group_notes(matrix_of(tmp_path, age=AGE, subject=AGE, town=towns))
    assert notes == [RULE, "P test: no results by subject (names images); town (90 different texts)."]
    assert "fewer than 30 images" in RULE


def test_without_attributes_there_is_nothing_to_say(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets().write(tmp_path / "s"))
    assert (group_tables(matrix), group_notes(matrix)) == ([], [])
