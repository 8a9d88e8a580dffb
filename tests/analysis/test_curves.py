"""Learning curves: means over seeds, in few points, of what was stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import ADABN, NONE, DatasetContent, Fabrication, edit, two_sets

from dabench.analysis import curves as module
from dabench.analysis.curves import Curve, curves
from dabench.analysis.matrix import read_matrix
from dabench.storage.run_store import RunStore


def curves_of(store: RunStore) -> dict[tuple[str, str, str | None], Curve]:
    return {(c.method, "+".join(c.sources), c.target): c for c in curves(read_matrix(store).predictions)}


def change(store: RunStore, facts: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> RunStore:
    """Change what each run says of itself."""
    for path in store.runs.glob("*/run.json"):
        edit(path, lambda text: json.dumps(json.loads(text) | facts(json.loads(text))))
    return store


def test_accuracy_is_the_mean_over_seeds_at_each_checkpoint(tmp_path: Path) -> None:
    found = curves_of(two_sets().write(tmp_path / "s"))
    plain = found["supervised", "print", None]
    assert plain.checkpoints.tolist() == [10, 20]
    assert {t: v.tolist() for t, v in plain.accuracy.items()} == {"print": [0.0, 90.0], "hand": [0.0, 50.0]}
    assert {t: v.tolist() for t, v in found["adabn", "print", "hand"].accuracy.items()} == {"hand": [0.0, 70.0]}
    assert {c.seeds for c in found.values()} == {2}


def test_a_network_is_looked_at_on_its_sources_and_the_targets_of_its_tasks_alone(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    found = curves_of(Fabrication(lambda run, test: 1, sets, {"none": NONE}, pairs=("a -> b",)).write(tmp_path / "s"))
    assert {sources: list(c.accuracy) for (_, sources, _), c in found.items()} == {"a": ["a", "b"], "b": ["b"], "c": ["c"]}


@pytest.mark.parametrize(("steps", "size"), [(1, 1), (60, 1), (61, 2), (600, 10), (607, 11)])
def test_losses_are_means_over_seeds_of_blocks_of_steps(tmp_path: Path, steps: int, size: int) -> None:
    store = two_sets(adapters={"none": NONE}).write(tmp_path / "s")
    rng = np.random.default_rng(0)
    rows = {seed: rng.random(steps).tolist() for seed in (0, 1)}
    change(store, lambda run: {"losses": rows[run["seed"]]})
    plain = curves_of(store)["supervised", "print", None]
    mean = np.array([rows[0], rows[1]]).mean(0)
    blocks = [mean[i : i + size] for i in range(0, steps, size)]
    assert plain.losses.tolist() == pytest.approx([block.mean() for block in blocks])
    assert plain.steps.tolist() == np.cumsum([len(b) for b in blocks]).tolist()
    assert len(plain.steps) <= module.POINTS


def test_of_trainings_of_different_length_what_they_share_is_given(tmp_path: Path) -> None:
    store = change(two_sets(adapters={"none": NONE}).write(tmp_path / "s"), lambda run: {"losses": [1.0] * (5 + run["seed"])})
    assert curves_of(store)["supervised", "hand", None].steps.tolist() == [1, 2, 3, 4, 5]


def test_runs_that_were_tested_after_other_steps_are_left_out_of_the_mean(tmp_path: Path) -> None:
    store = change(two_sets(adapters={"none": NONE}).write(tmp_path / "s"), lambda run: {"checkpoints": [10, 20 + run["seed"]]})
    assert curves_of(store)["supervised", "print", None].accuracy["hand"].tolist() == [0.0, 40.0]


def test_a_method_that_trains_nothing_has_no_losses(tmp_path: Path) -> None:
    store = change(two_sets().write(tmp_path / "s"), lambda run: {"losses": []} if run["method"] == "adabn" else {})
    found = curves_of(store)
    assert found["adabn", "print", "hand"].losses.tolist() == []
    assert len(found["fine-tune", "print", "hand"].losses) == 20


def test_of_many_pairs_some_are_left_out_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    found = curves_of(Fabrication(lambda run, test: 1, sets, {"none": NONE, "adabn": ADABN}, seeds=1).write(tmp_path / "s"))
    assert [k[1:] for k in found if k[0] == "adabn"] == [("a", "b"), ("b", "a"), ("c", "a")]
    assert [k[1] for k in found if k[0] == "supervised"] == ["a", "b", "c"]


def test_named_losses_are_curves_of_their_own_and_a_step_without_one_keeps_the_last(tmp_path: Path) -> None:
    rows = {"losses": [1.0, 2.0, 3.0], "named_losses": {"a": [1.0, 1.0, 1.0], "b": [None, 1.0, None]}}
    store = change(two_sets(adapters={"none": NONE}).write(tmp_path / "s"), lambda run: rows)
    found = curves_of(store)["supervised", "hand", None]
    assert {name: values.tolist() for name, values in found.named.items()} == {"a": [1.0, 1.0, 1.0], "b": [1.0, 1.0, 1.0]}
