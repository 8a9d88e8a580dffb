"""What the rules choose among checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from dabench.analysis.checkpoints import RuleOutcome, RunCheckpoints, correlations, what_rules_choose
from dabench.errors import SpecError, StoreError
from dabench.training.selection import ORACLE, RULES, VALIDATORS, check_rule


def run(accuracy: list[float], **scores: list[Any]) -> RunCheckpoints:
    """Return checkpoints of this accuracy; a rule without scores of its own scores them as they come."""
    every = {rule: list(map(float, range(len(accuracy)))) for rule in VALIDATORS}
    return RunCheckpoints("r", every | {k.replace("_", "-"): v for k, v in scores.items()}, np.array(accuracy))


def of(found: list[RuleOutcome], rule: str) -> RuleOutcome:
    return next(c for c in found if c.rule == rule)


@pytest.mark.parametrize(
    ("rule", "expected"), [("last", 3), ("oracle", 1), ("entropy", 0), ("snd", 2)], ids=lambda value: str(value)
)
def test_a_rule_chooses_the_checkpoint_of_its_highest_score(rule: str, expected: int) -> None:
    assert run([0.1, 0.9, 0.5, 0.4], entropy=[9, 1, 2, 3], snd=[0, 0, 5, 1]).choose(rule) == expected


@pytest.mark.parametrize("rule", ["oracle", "entropy"])
def test_of_equal_ones_the_latest_is_chosen(rule: str) -> None:
    assert run([0.9, 0.9, 0.1], entropy=[4, 4, 1]).choose(rule) == 1


def test_a_score_that_a_run_did_not_store_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(StoreError, match=r"run old: has no score 'snd'; run the sweep again with --redo, or use the rule 'last'"):
        RunCheckpoints("old", {}, np.array([0.5])).choose("snd")


def test_checkpoints_without_a_value_are_left_out() -> None:
    assert run([0.1, 0.9, 0.5, 0.4], dev=[None, 3, 5, None]).choose("dev") == 2


def test_a_rule_without_any_value_takes_the_last_checkpoint_and_is_counted() -> None:
    without, having = run([0.9, 0.1], dev=[None, None]), run([0.9, 0.1], dev=[2, 1])
    assert without.choose("dev") == 1
    found = of(what_rules_choose("a", [[without, having]]), "dev")
    assert (found.accuracy, found.unscored, found.runs) == (50.0, 1, 2)


def test_a_correlation_leaves_out_checkpoints_without_a_value() -> None:
    found = of(what_rules_choose("a", [[run([0.1, 0.9, 0.3, 0.4], dev=[1, None, 2, 3])]]), "dev")
    assert found.within == 1


def test_a_rule_without_any_value_has_no_correlation() -> None:
    assert of(what_rules_choose("a", [[run([0.1, 0.9], dev=[None, None])]]), "dev").within is None


def test_the_effective_sample_size_of_dev_is_the_median_over_checkpoints() -> None:
    found = what_rules_choose("a", [[run([0.1, 0.9, 0.5], dev_ess=[20, 100, None]), run([0.1], dev_ess=[200])]])
    assert {c.rule: c.sample_size for c in found if c.sample_size} == {"dev": 100.0}


def test_an_unknown_rule_is_an_error_with_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"unknown selection 'entropie'; did you mean 'entropy'"):
        check_rule("entropie")


def test_what_a_rule_loses_is_counted_from_the_oracle() -> None:
    found = what_rules_choose("a", [[run([0.2, 0.8, 0.6]), run([0.4, 0.5, 0.5])]])
    assert [c.rule for c in found] == list(RULES)
    assert (of(found, "last").accuracy, of(found, "last").below_oracle) == (55.0, 10.0)
    assert (of(found, ORACLE).accuracy, of(found, ORACLE).below_oracle) == (65.0, 0.0)


def test_no_rule_beats_the_oracle() -> None:
    rng = np.random.default_rng(0)
    runs = [run(list(rng.random(6)), bnm=list(rng.random(6)), dev=list(rng.random(6))) for _ in range(5)]
    assert min(c.below_oracle for c in what_rules_choose("a", [runs])) == 0


def test_the_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(0, 5, 30).astype(float), rng.random(30), rng.random(30)  # a with ties
    assert correlations(np.stack([a, c]), b) == pytest.approx([spearmanr(a, b).statistic, spearmanr(c, b).statistic])


@pytest.mark.parametrize(("scores", "accuracy"), [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [1, 1, 1]), ([1], [1])])
def test_where_nothing_varies_there_is_no_correlation(scores: Any, accuracy: Any) -> None:
    assert correlations(np.array([scores], float), np.array(accuracy, float)) == [None]


def test_within_a_run_and_over_a_pair_are_two_things() -> None:
    # In each run the score goes with accuracy; between the runs it goes against it.
    low, high = run([0.1, 0.2], bnm=[10, 11]), run([0.8, 0.9], bnm=[1, 2])
    bnm = of(what_rules_choose("a", [[low, high]]), "bnm")
    assert bnm.within == 1
    assert bnm.across == pytest.approx(-0.6)


def test_last_and_oracle_have_no_correlation() -> None:
    found = what_rules_choose("a", [[run([0.1, 0.2])]])
    assert [(c.within, c.across) for c in found if c.rule in ("last", ORACLE)] == [(None, None)] * 2


def test_runs_without_scores_make_no_table() -> None:
    assert what_rules_choose("a", [[run([0.1]), RunCheckpoints("old", {}, np.array([0.1]))]]) == []
    assert what_rules_choose("a", [[]]) == []
