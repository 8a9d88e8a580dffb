"""Tables and figures of mean ranks: letters, axis, LaTeX, and what is said with too few targets."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import two_sets

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.ranks import MeanRank, Ranking
from dabench.reporting.html.page import to_html
from dabench.reporting.html.plots import ranks
from dabench.reporting.ranks import figure_of, ranks_latex, ranks_notes, ranks_tables


def method(name: str, rank: float, low: float | None = None, high: float | None = None) -> MeanRank:
    return MeanRank(name, "0", rank, low, high, 3, "last", "train", 100, 100)


METHODS = [method("a_b", 1.2, 1, 2), method("b", 2, 1, 3), method("c", 3, 2, 4), method("none", 3.8, 3, 4)]
TOLD = Ranking("one source", 42, 7, 7, 6, 1.3, METHODS, [["a_b", "b"], ["b", "c"], ["c", "none"]])


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    return replace(read_matrix(two_sets().write(tmp_path / "s")), ranks=[TOLD])


def test_adapters_that_cannot_be_told_apart_share_a_letter(matrix: Matrix) -> None:
    (table,) = ranks_tables(matrix)
    assert table.title == "Mean ranks over 42 pairs of datasets: accuracy"
    assert [row[:3] for row in table.rows] == [
        ("a_b", "1.2 [1.0, 2.0]", "A"),
        ("b", "2.0 [1.0, 3.0]", "A B"),
        ("c", "3.0 [2.0, 4.0]", "B C"),
        ("none", "3.8 [3.0, 4.0]", "C"),
    ]
    assert "critical difference 1.3" in ranks_notes(matrix)[0]


def test_a_terminal_shows_ranks_and_intervals_on_an_axis(matrix: Matrix) -> None:
    (table,) = ranks_tables(matrix, axis=True)
    assert table.columns[3] == "|1    2    3    4|"
    assert [row[3] for row in table.rows] == [
        "|-o----          |",
        "|-----o-----     |",
        "|     -----o-----|",
        "|          ----o-|",
    ]


def test_with_too_few_targets_it_is_said_that_no_adapters_can_be_told_apart(tmp_path: Path) -> None:
    notes = ranks_notes(read_matrix(two_sets().write(tmp_path / "s")))
    assert notes == [
        "Mean rank: 1 is the best. No adapters can be told apart: 2 targets and 2 sets of sources are too few; 6 of each are "
        "needed."
    ]


def test_the_figure_has_a_bar_for_each_group_and_one_for_the_critical_difference() -> None:
    strokes, texts, _ = figure_of(TOLD)
    assert [(s.x0, s.x1) for s in strokes if s.thick] == [(1.15, 2.05), (1.95, 3.05), (2.95, 3.8499999999999996)]
    assert "critical difference 1.3" in [t.text for t in texts]
    assert any((s.x0, s.x1) == (1, 2.3) for s in strokes)
    assert "critical" not in "".join(t.text for t in figure_of(replace(TOLD, critical=None))[1])


def test_the_page_has_the_figure_with_its_numbers_in_words(matrix: Matrix) -> None:
    (figure,) = ranks(matrix)
    assert figure is not None
    assert "a_b: 1.2 [1.0, 2.0]; b: 2.0 [1.0, 3.0]" in figure
    assert str(figure) in to_html(matrix)


def test_the_latex_figure_escapes_names_and_has_balanced_braces(matrix: Matrix) -> None:
    text = ranks_latex(matrix, "about")
    assert r"a\_b 1.2" in text
    assert text.count(r"\put") == len(re.findall(r"\\put\([-\d.]+,[-\d.]+\)\{.*\}$", text, flags=re.M))
    assert text.count("{") == text.count("}")


def test_many_adapters_have_a_table_and_no_figure(matrix: Matrix) -> None:
    methods = [method(f"m{i}", i + 1) for i in range(40)]
    many = replace(matrix, ranks=[replace(TOLD, methods=methods, groups=[[m.adapter for m in methods]])])
    assert ranks(many) == [None]
    (table,) = ranks_tables(many, axis=True)
    assert {len(row[3]) for row in table.rows} == {len(table.columns[3])}
