"""What was run, as tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from fabricated import NONE, DatasetContent, Fabrication, edit, two_sets

from dabench.analysis.matrix import read_matrix
from dabench.reporting.provenance import command, facts_tables, failures
from dabench.reporting.tables import Table
from dabench.storage.run_store import RunStore


def tables_of(store: RunStore) -> dict[str, Table]:
    return {t.title: t for t in facts_tables(read_matrix(store))}


def change(store: RunStore, **sweep: Any) -> RunStore:
    record = store.read_sweep()
    store.write_record(replace(record, sweep=replace(record.sweep, **sweep)))
    return store


def test_settings_are_those_of_the_sweep_without_the_places_of_files(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    change(
        store, dataset={"print": {"path": "/home/someone/secret", "drop": "/home/someone/list.csv", "size": 8}}, pretrained=True,
        options={"conv4": {"width": 8, "weights": "/home/someone/w.pth"}},
    )  # fmt: skip
    rows = dict(tables_of(store)["Settings"].rows)
    assert rows["dataset print"] == "size = 8"
    assert rows["pretrained"] == "yes"
    assert rows["pairs"] == "every ordered pair"
    assert dict(tables_of(change(store, pairs="leave-one-out"))["Settings"].rows)["pairs"] == "leave-one-out"
    assert "lr = 0.05" in rows["training"]
    assert "steps" not in rows["training"].replace("step_", "").replace("least_steps", "")  # not set
    assert "someone" not in str(tables_of(store))


def test_environments_are_counted(tmp_path: Path) -> None:
    store = two_sets(adapters={"none": NONE}).write(tmp_path / "s")
    path = min(store.runs.glob("*/run.json"))
    edit(path, lambda text: text.replace('"cpu (x86_64)"', '"NVIDIA H100"').replace('"fp32"', '"bf16"'))
    assert [(row[0], row[1], row[-1]) for row in tables_of(store)["Environments"].rows] == [
        ("NVIDIA H100", "bf16", "1"),
        ("cpu (x86_64)", "fp32", "3"),
    ]


def test_times_are_by_method_with_their_sum(tmp_path: Path) -> None:
    rows = tables_of(two_sets().write(tmp_path / "s"))["Times"].rows
    assert [row[:2] for row in rows] == [
        ("supervised, training", "4"),
        ("adabn, adapting", "4"),
        ("fine-tune, adapting", "4"),
        ("all", "12"),
    ]
    assert rows[-1] == ("all", "12", "1.5 s", "12.0 s", "6.0 s", "18.0 s")


def test_what_was_dropped_of_a_dataset_is_said_and_a_column_without_anything_left_out(tmp_path: Path) -> None:
    store = Fabrication(
        lambda run, test: 1, {"print": DatasetContent("P"), "hand": DatasetContent("H")}, {"none": NONE}, seeds=1
    ).write(tmp_path / "s")
    assert "dropped" not in tables_of(store)["Datasets"].columns
    path = store.folder / "datasets" / "print" / "facts.json"
    dropped = {"list": "1a2b3c4d5e", "images": {"test": 2}, "of": {"test": 12}, "reasons": {"identical": 2}}
    edit(path, lambda text: json.dumps(json.loads(text) | {"dropped": dropped}))
    table = tables_of(store)["Datasets"]
    assert table.rows[0][table.columns.index("dropped")] == "2 of 12 test images dropped (identical; list 1a2b3c4d)"


def test_a_sweep_without_overrides_has_a_plain_command(tmp_path: Path) -> None:
    assert command(read_matrix(two_sets(seeds=1).write(tmp_path / "s"))) == "dabench sweep made.toml"


def test_a_failure_without_a_word_is_a_failure(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    store.fail("run", "run: loss is not a number\nTraceback")
    store.fail("silent", "")
    assert failures(read_matrix(store)).rows == (("run", "loss is not a number"), ("silent", ""))
