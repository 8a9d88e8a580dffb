"""A search in which trials tie says so, and what broke the tie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import two_sets

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.trials import tied_text
from dabench.plugins.options import build
from dabench.reporting.provenance import facts_tables
from dabench.reporting.sections import trials_notes
from dabench.reporting.tables import caption
from dabench.storage.schema import SearchRecord, SearchTable, TrialRecord, record_from, to_json

TRIALS = tuple(TrialRecord(n, f"{n}", f"t{n}", {"train.lr": 0.1 * n}, "done", 0.5, 10, False) for n in range(3))
SEARCH = SearchTable(3, "entropy", "random", 0, {})
TIED = "adabn: print -> hand (3 trials)"


def task(target: str, tied: int) -> SearchRecord:
    source = "print" if target == "hand" else "hand"
    return SearchRecord("adabn", (source,), target, 0, {}, TRIALS, tied)


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    found = read_matrix(two_sets().write(tmp_path / "s"))
    sweep = replace(found.record.sweep, search=SEARCH)
    return replace(found, record=replace(found.record, sweep=sweep, search=(task("hand", 2), task("print", 0))))


def test_the_caption_names_the_tasks_with_ties_and_what_broke_them(matrix: Matrix) -> None:
    text = f"Several trials tie for the best score in 1 of 2 tasks: {TIED}. The lowest trial number was chosen."
    assert text in caption(matrix)
    assert text in trials_notes(SEARCH, [], {}, tied_text(matrix.record))


def test_the_page_has_the_number_of_tied_trials_of_each_task(matrix: Matrix) -> None:
    table = next(t for t in facts_tables(matrix) if "tied with" in t.columns)
    assert [row[-1] for row in table.rows] == ["2 (the lowest trial number)", "-"]


def test_without_ties_nothing_is_said(matrix: Matrix) -> None:
    record = replace(matrix.record, search=(task("hand", 0), task("print", 0)))
    assert tied_text(record) == ""
    assert "tie" not in caption(replace(matrix, record=record))


def test_a_record_of_before_has_no_ties() -> None:
    stored = {k: v for k, v in to_json(task("hand", 2)).items() if k != "tied"}
    assert record_from(SearchRecord, stored).tied == 0
    assert build(SearchRecord, to_json(task("hand", 2))).tied == 2
