"""What a run stores of its checkpoints besides predictions: a score for each rule, target and checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_sweeps import Tiny, tiny

from dabench.execution import scores as scoring
from dabench.storage.run_store import RunStore
from dabench.training import validators
from dabench.training.selection import DEV_ESS, VALIDATORS


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
            assert set(rules) == {*VALIDATORS, DEV_ESS}
            assert {len(values) for values in rules.values()} == {len(record.facts.checkpoints)} == {2}
            assert all(value is not None for rule, values in rules.items() if rule != "dev" for value in values)


def test_a_rule_without_a_value_stores_none_and_its_reason_at_each_checkpoint(swept: tuple[Tiny, RunStore]) -> None:
    sweep, store = swept
    record = store.find(sweep.digest("dann_bright_pale_s0"))
    assert record is not None
    assert record.facts.scores["pale"]["dev"] == (None, None)  # its validation split has fewer than 30 images
    reasons = record.facts.unscored["pale"]["dev"]
    assert [reason.startswith("the effective sample size of DEV's weights is") for reason in reasons] == [True, True]


@pytest.mark.parametrize("broken", ["bnm", "density_ratio"])
def test_no_run_is_lost_to_a_score_that_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    value = np.full(9, np.inf) if broken == "density_ratio" else float("nan")
    monkeypatch.setattr(validators, broken, lambda *given: value)
    sweep = tiny(tmp_path, ["none"], head='pairs = ["bright -> pale"]')
    assert sweep.run(tmp_path / "out").failed == 0
    record = RunStore(tmp_path / "out").find(sweep.digest("supervised_bright_s0"))
    assert record is not None
    rule = {"density_ratio": "dev"}.get(broken, broken.replace("_", "-"))
    assert record.facts.scores["pale"][rule] == (None, None)
    assert all(record.facts.unscored["pale"][rule])


def test_dev_uses_more_images_of_a_target_than_the_other_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "SCORED", 3)
    seen: dict[str, set[int]] = {"others": set(), "dev": set()}
    label_free, dev_scores = validators.label_free, validators.dev_scores
    monkeypatch.setattr(validators, "label_free", lambda f, y: seen["others"].add(len(f)) or label_free(f, y))
    monkeypatch.setattr(validators, "dev_scores", lambda *of: seen["dev"].add(len(of[-1])) or dev_scores(*of))
    sweep = tiny(tmp_path, ["none"], head='pairs = ["bright -> pale"]')
    sweep.run(tmp_path / "out")
    assert seen == {"others": {3}, "dev": {sweep.plan.prepared[name].count("val") for name in ("bright", "pale")}}


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
