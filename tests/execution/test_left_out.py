"""A sweep says which adapters and datasets of a results folder its tables leave out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fabricated import two_sets

from dabench.errors import StoreError
from dabench.execution.recorder import left_out
from dabench.storage.run_store import RunStore

RECORD = two_sets(seeds=1).sweep()


def plan(**changes: Any) -> Any:
    return SimpleNamespace(**{"adapters": RECORD.adapters, "datasets": RECORD.datasets} | changes)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return two_sets(seeds=1).write(tmp_path_factory.mktemp("left") / "out")


def test_adapters_that_are_not_named_any_more_are_said(at: RunStore) -> None:
    one, *others = RECORD.adapters
    text = left_out(at, plan(adapters=(one,)))
    assert text.startswith(f"{at.folder}: also has runs of {', '.join(others)}, which this sweep does not name: its tables leave")


def test_datasets_that_are_not_named_any_more_are_said(at: RunStore) -> None:
    assert f"also has runs of {RECORD.datasets[1]}, which" in left_out(at, plan(datasets=RECORD.datasets[:1]))


def test_nothing_is_said_of_the_same_sweep_and_of_a_larger_one(at: RunStore) -> None:
    assert left_out(at, plan()) == left_out(at, plan(adapters=(*RECORD.adapters, "coral"))) == ""


def test_nothing_is_said_of_a_new_folder(tmp_path: Path) -> None:
    assert left_out(RunStore(tmp_path / "new"), plan()) == ""


def test_a_plan_needs_no_writable_folder_and_a_sweep_does(at: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    recipe = at.read_sweep().recipe
    at.check(recipe, write=False)
    with pytest.raises(StoreError, match="cannot be written; give another folder with --out"):
        at.check(recipe)
