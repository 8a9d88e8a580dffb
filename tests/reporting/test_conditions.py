"""The conditions of each row: target labels, target images, steps, seeds and selection, and the marks of gains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fabricated import ADABN, FINE_TUNE, NONE, DatasetContent, Fabrication, method, two_sets

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.reporting.baseline import baseline_notes, baseline_tables
from dabench.reporting.conditions import conditions_text, with_conditions
from dabench.reporting.gains import gains_notes, gains_table, summary_tables
from dabench.reporting.matrices import matrix_tables
from dabench.reporting.tables import Table, caption
from dabench.storage.schema import AdapterFacts, Run


def made(tmp_path: Path, **changes: Any) -> Matrix:
    return read_matrix(two_sets(**changes).write(tmp_path / "s"))


def column(table: Table, name: str) -> list[str]:
    return [row[table.columns.index(name)] for row in table.rows]


@pytest.mark.parametrize(
    ("facts", "images"),
    [
        (NONE, "none"),
        (method(access="none"), "none"),
        (ADABN, "train"),
        (FINE_TUNE, "train"),
        (method(access="full"), "train"),
        (method(access="test"), "test"),
        (method(access="test", adapts=False), "none"),
    ],
)
def test_the_target_images_follow_from_the_access(facts: AdapterFacts, images: str) -> None:
    assert facts.target_images == images


def test_a_cell_counts_the_steps_of_its_run_and_of_the_run_it_starts_from(tmp_path: Path) -> None:
    matrix = made(tmp_path, steps=lambda run: 5 if run.target else 300)
    steps = {(c.adapter, c.steps_min, c.steps_max) for c in matrix.cells}
    assert steps == {("none", 300, 300), ("adabn", 305, 305), ("fine-tune", 305, 305)}


def test_a_chain_of_several_runs_is_added_up_and_a_missing_or_circular_one_is_not_known(tmp_path: Path) -> None:
    runs = made(tmp_path, steps=lambda run: 5 if run.target else 300).predictions
    adapted = next(r for r in runs.records.values() if r.facts.target)
    first, other = (r for r in runs.records.values() if r.facts.target is None and r.facts.sources == adapted.facts.sources)
    assert runs.steps(adapted) == 305
    longer = replace(first if first.facts.digest == adapted.facts.parent else other)
    begun = other if longer.facts.digest == first.facts.digest else first
    runs.records[longer.facts.digest] = replace(longer, facts=replace(longer.facts, parent=begun.facts.digest))
    assert runs.steps(adapted) == 605
    runs.records[begun.facts.digest] = replace(begun, facts=replace(begun.facts, parent=longer.facts.digest))
    assert runs.steps(adapted) is None
    runs.records[longer.facts.digest] = replace(longer, facts=replace(longer.facts, parent="0" * 64))
    assert runs.steps(adapted) is None


def test_a_matrix_states_what_its_rows_share_above_and_what_differs_in_a_column(tmp_path: Path) -> None:
    steps = lambda run: 1000 if run.sources == ("print",) else 20  # noqa: E731
    none, adabn, _ = matrix_tables(made(tmp_path, steps=steps))
    assert none.shared == "target labels 0, target images none, seeds 2, selection last"
    assert column(none, "steps") == ["1,000", "20"]
    assert column(adabn, "steps") == ["2,000", "40"]


def test_steps_that_differ_between_the_cells_of_a_row_are_a_range(tmp_path: Path) -> None:
    matrix = made(tmp_path, steps=lambda run: 1000 + 300 * run.seed)
    assert "steps 1,000-1,300" in matrix_tables(matrix)[0].shared
    assert column(summary_tables(matrix)[0], "steps") == ["1,000-1,300", "2,000-2,600", "2,000-2,600"]


def test_a_row_with_unknown_steps_does_not_take_those_of_the_others() -> None:
    row = {"label_budget": "0", "target_images": "none", "steps_min": 5, "steps_max": 5, "seeds": 1, "selection": "last"}
    table = with_conditions(Table("t", ("a",), (("x",), ("y",))), [[row], [{**row, "steps_min": None}]])
    assert column(table, "steps") == ["5", "-"]


def test_rows_of_an_older_table_state_what_is_known() -> None:
    old = {"label_budget": "5 per class", "seeds": 3, "selection": "last"}
    assert conditions_text(old) == "target labels 5 per class, seeds 3, selection last"


def test_every_row_of_gains_and_means_states_its_conditions(tmp_path: Path) -> None:
    matrix = made(tmp_path)
    (means,) = summary_tables(matrix)
    assert column(means, "target labels") == ["0", "0", "5 per class"]
    assert column(means, "target images") == ["none", "train", "train"]
    assert column(means, "steps") == ["20", "40", "40"]
    gains = gains_table(matrix)
    assert column(gains, "target labels") == ["0", "0", "5 per class", "5 per class"]
    assert gains.shared == "target images train, steps 40, seeds 2, selection last"


def test_checkpoints_chosen_by_test_labels_are_marked_beside_the_rows(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets().write(tmp_path / "s"), selection="oracle")
    assert matrix_tables(matrix)[0].shared.endswith("selection oracle (target test labels)")


def test_a_gain_of_more_steps_than_none_is_marked_and_one_of_equal_steps_is_not(tmp_path: Path) -> None:
    matrix = made(tmp_path, steps=lambda run: 20 if run.target is None else 5 if run.method == "adabn" else 0)
    table = gains_table(matrix)
    assert column(table, "notes") == ["(a)", "(a)", "", ""]
    assert gains_notes(matrix)[0].startswith("(a) trained longer than none")
    assert column(summary_tables(matrix)[0], "notes") == ["", "(a)", ""]
    equal = made(tmp_path / "equal", steps=lambda run: 0 if run.target else 20)
    assert "notes" not in gains_table(equal).columns
    assert gains_notes(equal) == []


LABELS = [i % 3 for i in range(300)]
SETS = {"print": DatasetContent("P", LABELS), "hand": DatasetContent("H", LABELS)}


@pytest.mark.parametrize(("after", "marked"), [(20, True), (97, False), (150, False)])
def test_a_rise_on_the_source_by_more_than_its_interval_is_marked(tmp_path: Path, after: int, marked: bool) -> None:
    def wrong(run: Run, test: str) -> int:
        return 100 if run.target is None or run.target == test else after

    fabrication = Fabrication(wrong, SETS, {"none": NONE, "adabn": ADABN}, seeds=1, steps=lambda run: 0 if run.target else 20)
    matrix = read_matrix(fabrication.write(tmp_path / "s"))
    assert ["notes" in table.columns for table in (gains_table(matrix), *summary_tables(matrix))] == [marked, marked]
    assert gains_notes(matrix) == (
        ["(b) source training had not ended: the result on the sources rises by more than its interval."] if marked else []
    )


def test_chance_level_and_most_frequent_class_stand_beside_accuracy_only(tmp_path: Path) -> None:
    store = two_sets(datasets={"print": DatasetContent("P"), "hand": DatasetContent("H", [1, 1, 1, 0])}, wrong=lambda *_: 1)
    folder = tmp_path / "s"
    text = "Chance level 33.3 %. Most frequent class alone: P 40.0 % (x), H 75.0 % (y)."
    assert text in caption(read_matrix(store.write(folder)))
    assert "Chance" not in caption(read_matrix(store.write(folder), "ece"))


def test_an_adapter_whose_setting_saw_target_labels_is_marked_in_a_committed_table() -> None:
    cell = {"name": "N-A-B", "sources": ["a"], "target": "b", "test": "b", "mean": 1.0, "low": 0.0, "high": 2.0, "seeds": 1,
            "label_budget": "0", "selection": "last", "gap_closed": None}  # fmt: skip
    table = {
        "title": "t", "kind": "measured", "metric": "accuracy", "source": "s", "datasets": {"a": {}, "b": {}},
        "short_names": {"a": "A", "b": "B"}, "seeds": [0], "selection": "last", "interval": "", "digest": "0" * 64,
        "provenance": {"runs": 1, "training_seconds": 1.0, "environments": []},
        "notes": {"dann": "its weight was chosen by test labels."},
        "cells": [{**cell, "adapter": "none"}, {**cell, "adapter": "dann"}],
        "gains": [{**cell, "adapter": "dann"}],
    }  # fmt: skip
    cells, gains = baseline_tables(table)
    assert column(cells, "notes") == ["", "(c)"]
    assert column(gains, "notes") == ["(c)"]
    assert "(c) dann: its weight was chosen by test labels." in baseline_notes({**table, "datasets": {}})


def test_gains_from_sources_without_groups_say_what_a_method_does_that_needs_them(tmp_path: Path) -> None:
    needs = replace(FINE_TUNE, without_groups="tasks are random shifts")
    datasets = {"print": DatasetContent("P", groups=range(10)), "hand": DatasetContent("H")}
    matrix = made(tmp_path, datasets=datasets, adapters={"none": NONE, "adabn": ADABN, "fine-tune": needs})
    assert column(gains_table(matrix), "notes") == ["(a)", "(a)", "(a) (c)", "(a) (c)"]
    assert gains_notes(matrix)[1:] == ["(c) fine-tune: trained on H: tasks are random shifts."]
    assert matrix.as_dict()["notes"] == {"fine-tune": "trained on H: tasks are random shifts."}
    grouped = {name: replace(content, groups=range(10)) for name, content in datasets.items()}
    assert made(tmp_path / "grouped", datasets=grouped, adapters={"none": NONE, "fine-tune": needs}).notes == {}
