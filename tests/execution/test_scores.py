"""What a run stores of its checkpoints besides predictions: a score for each rule, target and checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_sweeps import Tiny, tiny

from dabench.storage.run_store import RunStore
from dabench.training.selection import VALIDATORS


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, RunStore]:
    folder = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        sweep = tiny(folder, ["none", "dann"], overrides=["train.steps=12"])
        assert sweep.run(folder / "out").failed == 0
    return sweep, RunStore(folder / "out")


def test_every_checkpoint_has_a_score_by_every_rule_for_every_target(swept: tuple[Tiny, RunStore]) -> None:
    sweep, store = swept
    for run in sweep.plan.runs:
        record = store.find(run.digest)
        assert record is not None
        scores = record.facts.scores
        assert set(scores) == ({run.target} if run.target else set(run.tests))
        for rules in scores.values():
            assert set(rules) == set(VALIDATORS)
            assert {len(values) for values in rules.values()} == {len(record.facts.checkpoints)} == {2}
            assert np.isfinite([value for values in rules.values() for value in values]).all()


def test_source_accuracy_is_that_on_the_validation_split_of_the_source(swept: tuple[Tiny, RunStore]) -> None:
    sweep, store = swept
    record = store.find(sweep.digest("supervised_bright_s0"))
    assert record is not None
    values = record.facts.scores["pale"]["source-accuracy"]
    n = sweep.plan.prepared["bright"].count("val")
    assert values == record.facts.scores["bright"]["source-accuracy"]
    np.testing.assert_allclose(np.round(np.array(values) * n), np.array(values) * n, atol=1e-3)


def test_the_time_of_scoring_is_stored(swept: tuple[Tiny, RunStore]) -> None:
    sweep, store = swept
    record = store.find(sweep.digest("supervised_bright_s0"))
    assert record is not None
    assert 0 < record.facts.seconds.score < record.facts.seconds.total
