"""Means over pairs of datasets and the test of gains: by hand, against scipy, and absent where something is missing."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from fabricated import ADABN, FINE_TUNE, NONE, WRONG, DatasetContent, Fabrication, from_table, method, two_sets
from scipy.stats import permutation_test

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.results import Gain
from dabench.analysis.summary import Summary, holm, p_of, sign_flip, summed_by, units_needed
from dabench.plugins.contract import SUPERVISED
from dabench.reporting.gains import summary_notes, summary_tables
from dabench.storage.schema import Run


def summary_of(matrix: Matrix, adapter: str) -> Summary:
    (found,) = [s for s in matrix.summary if s.adapter == adapter]
    return found


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    return read_matrix(two_sets().write(tmp_path / "s"))


# Of two_sets: both sets have 90 % in-domain; none has 50 and 60 on the other set, adabn 70 and 60, fine-tune 90 and 50.


def test_the_drop_is_the_in_domain_mean_of_the_targets_minus_the_mean_on_them(matrix: Matrix) -> None:
    means = {s.adapter: (s.in_domain, s.out_of_domain, s.drop) for s in matrix.summary}
    assert means == {"none": (90, 55, 35), "adabn": (90, 65, 25), "fine-tune": (90, 70, 20)}


def test_the_mean_gain_is_that_of_the_pairs_and_none_has_none(matrix: Matrix) -> None:
    assert {s.adapter: s.gain for s in matrix.summary} == {"none": None, "adabn": 10, "fine-tune": 15}


def test_the_gap_closed_is_the_mean_gain_as_part_of_the_mean_drop_of_none(matrix: Matrix) -> None:
    closed = {s.adapter: s.gap_closed for s in matrix.summary}
    assert closed == pytest.approx({"none": None, "adabn": 100 * 10 / 35, "fine-tune": 100 * 15 / 35}, abs=1e-4)


def test_what_adapting_cost_is_the_mean_change_on_the_sources(matrix: Matrix) -> None:
    # adabn: print from 90 to 80, hand 90 as before. fine-tune: print from 90 to 50, hand 90 as before.
    assert {s.adapter: s.on_source for s in matrix.summary} == {"none": None, "adabn": -5, "fine-tune": -20}


def test_pairs_improved_are_those_whose_mean_gain_is_one(matrix: Matrix) -> None:
    assert {s.adapter: (s.improved, s.pairs) for s in matrix.summary} == {"none": (None, 2), "adabn": (1, 2), "fine-tune": (1, 2)}


def test_of_a_metric_of_which_less_is_better_a_gain_is_below_0(tmp_path: Path) -> None:
    # All confidences are 0.576: the error is how far the accuracy is off that. Here it goes from 70 and 50 % to 50 and 50 %.
    matrix = read_matrix(two_sets().write(tmp_path / "s"), "ece")
    (gain,) = [g for g in matrix.gains if (g.adapter, g.target) == ("fine-tune", "print")]
    assert (gain.mean, gain.improved) == (pytest.approx((7.6 - 12.4) / 2, abs=0.1), 1)
    found = summary_of(matrix, "fine-tune")
    assert found.gain is not None
    assert (found.gain > 0, found.improved) == (True, 1)  # to hand it is worse: from 40 and 60 % to 90 and 90 %
    assert found.gap_closed is None  # in-domain the error is larger: nothing is lost


def test_several_sources_are_averaged_over_for_what_adapting_cost(tmp_path: Path) -> None:
    def wrong(run: Run, test: str) -> int:
        return {"a": 2, "b": 5, "c": 3}[test] if run.method == "adabn" else 1

    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    fabrication = Fabrication(wrong, sets, {"none": NONE, "adabn": ADABN}, pairs=("a + b -> c",))
    matrix = read_matrix(fabrication.write(tmp_path / "s"))
    assert matrix.gains[0].on_source == pytest.approx((-10 - 40) / 2)
    assert summary_of(matrix, "adabn").on_source == pytest.approx(-25)


def test_an_adapter_that_only_trains_otherwise_has_means_too(tmp_path: Path) -> None:
    table = {k: v for k, v in WRONG.items() if k[0] == SUPERVISED}
    table |= {("own", *k[1:]): (2, 2) for k in table}
    adapters = {"none": NONE, "own": method(adapts=False, own_pretraining=True)}
    found = summary_of(read_matrix(two_sets(wrong=from_table(table), adapters=adapters).write(tmp_path / "s")), "own")
    assert (found.out_of_domain, found.gain, found.on_source) == (80, 25, -10)


def test_without_none_in_the_sweep_gains_have_means_and_drops_have_not(tmp_path: Path) -> None:
    found = summary_of(read_matrix(two_sets(adapters={"adabn": ADABN}).write(tmp_path / "s")), "adabn")
    assert (found.gain, found.on_source) == (10, -5)
    assert (found.in_domain, found.drop, found.gap_closed) == (None, None, None)


@pytest.mark.parametrize(
    ("lacking", "without"),
    [
        ("adabn_print_hand_s1", {"adabn": "1 of 2 pairs without all runs or a value (first: print -> hand)"}),
        ("fine-tune_hand_print_s0", {"fine-tune": "1 of 2 pairs without all runs or a value (first: hand -> print)"}),
    ],
)
def test_an_adapter_of_which_a_run_is_missing_has_no_means_and_it_is_said(
    tmp_path: Path, lacking: str, without: dict[str, str]
) -> None:
    matrix = read_matrix(two_sets(leave_out=lambda run: run.name == lacking).write(tmp_path / "s"))
    assert matrix.incomplete == without
    assert {s.adapter for s in matrix.summary} == {"none", "adabn", "fine-tune"} - set(without)
    assert any(f"No means over pairs for {name}: {why}." in summary_notes(matrix)[-1] for name, why in without.items())


def test_without_one_plain_run_there_are_no_means_at_all(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets(leave_out=lambda run: run.name == "supervised_print_s0").write(tmp_path / "s"))
    assert matrix.summary == []
    assert set(matrix.incomplete) == {"none", "adabn", "fine-tune"}
    assert summary_tables(matrix) == []


def test_where_the_metric_has_no_value_on_a_target_there_are_no_means(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", [1, 1, 2, 2])}
    fabrication = two_sets(datasets=sets, wrong=lambda run, test: 1, adapters={"none": NONE, "adabn": ADABN})
    matrix = read_matrix(fabrication.write(tmp_path / "s"), "recall:x")
    assert matrix.summary == []
    assert matrix.incomplete["adabn"] == "1 of 2 pairs without all runs or a value (first: print -> hand)"


def test_a_sweep_of_one_dataset_has_no_pairs_and_says_nothing_of_them(tmp_path: Path) -> None:
    matrix = read_matrix(Fabrication(lambda run, test: 1, {"print": DatasetContent("P")}, {"none": NONE}).write(tmp_path / "s"))
    assert (matrix.summary, dict(matrix.incomplete), summary_notes(matrix)) == ([], {}, [])


@pytest.mark.parametrize("n", [2, 4, 9])
def test_the_test_of_signs_is_that_of_scipy(n: int) -> None:
    gains = np.random.default_rng(n).normal(1, 2, n)
    expected = permutation_test((gains,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided")
    assert sign_flip(gains.tolist()) == pytest.approx(expected.pvalue)


def test_the_test_of_signs_is_right_with_ties_and_zeros() -> None:
    gains = [1.0, 1.0, 0.0, 2.0]
    ways = [sum(s * g for s, g in zip(signs, gains, strict=True)) for signs in itertools.product((-1, 1), repeat=4)]
    assert sign_flip(gains) == np.mean([abs(way) >= 4 for way in ways]) == 4 / 16
    assert sign_flip([0.0, 0.0]) == 1


@pytest.mark.parametrize("n", [3, 6, 16])
def test_of_n_pairs_no_p_is_less_than_two_of_all_ways(n: int) -> None:
    assert sign_flip([5.0] * n) == sign_flip([-5.0] * n) == 2 / 2**n


def test_of_many_pairs_a_sample_of_the_ways_gives_a_close_p_and_always_the_same() -> None:
    gains = np.random.default_rng(0).normal(0.4, 1, 18).tolist()
    signs = 1 - 2 * (np.arange(2**18)[:, None] >> np.arange(18) & 1)
    exact = float((np.abs(signs @ np.array(gains)) >= abs(sum(gains)) - 1e-9).mean())
    assert sign_flip(gains) == sign_flip(gains) == pytest.approx(exact, abs=4 * np.sqrt(exact / 2**16))
    assert 0 < sign_flip([1.0] * 60) < 1e-4


def test_by_chance_alone_p_is_below_five_percent_as_often() -> None:
    rng = np.random.default_rng(3)
    assert np.mean([sign_flip(rng.normal(size=8).tolist()) <= 0.05 for _ in range(1000)]) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.6, 0.5], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm_multiplies_the_smallest_by_all_and_the_next_by_one_less(p: list[float], corrected: list[float]) -> None:
    assert holm(p) == pytest.approx(corrected)


def many(tmp_path: Path, sets: int, adapters: int, better: int = 1) -> Matrix:
    """Return a matrix of `sets` datasets in which each adapter but the last has `better` wrong images less on every pair."""
    named = {"none": NONE, **{f"m{i}": FINE_TUNE for i in range(adapters)}}

    def wrong(run: Run, test: str) -> int:
        last = run.method == f"m{adapters - 1}"
        return 4 - better if run.target == test and not last else 4

    return read_matrix(
        Fabrication(wrong, {f"s{i}": DatasetContent(f"S{i}") for i in range(sets)}, named, seeds=1).write(tmp_path / "s")
    )


def test_gains_on_all_of_enough_pairs_are_more_than_chance_and_no_gain_is_not(tmp_path: Path) -> None:
    matrix = many(tmp_path, sets=6, adapters=2)  # six targets, two adapters: 2 * 2 / 64 is above 0.05, seven are needed
    assert {s.adapter: (s.p, s.needed) for s in matrix.summary} == {"none": (None, None), "m0": (None, 7), "m1": (None, 7)}
    assert "p" not in summary_tables(matrix)[0].columns
    matrix = many(tmp_path / "more", sets=7, adapters=2)
    first, last = summary_of(matrix, "m0"), summary_of(matrix, "m1")
    assert (first.p, first.p_holm, first.improved) == (2 / 2**7, 4 / 2**7, 42)
    assert (last.p, last.p_holm, last.improved) == (1, 1, 0)
    (table,) = summary_tables(matrix)
    assert [row[table.columns.index("p")] for row in table.rows] == ["-", "0.031", "1.000"]
    assert not any("too few" in note for note in summary_notes(matrix))


def test_of_one_adapter_six_targets_are_enough(tmp_path: Path) -> None:
    matrix = many(tmp_path, sets=6, adapters=1, better=0)
    assert (summary_of(matrix, "m0").needed, summary_of(matrix, "m0").p) == (6, 1)


def test_twelve_pairs_of_four_targets_have_no_p(tmp_path: Path) -> None:
    matrix = many(tmp_path, sets=4, adapters=1)
    assert (summary_of(matrix, "m0").pairs, summary_of(matrix, "m0").p) == (12, None)


def test_too_few_targets_are_said_with_the_number_that_would_do(matrix: Matrix) -> None:
    notes = summary_notes(matrix)
    assert notes[1] == (
        "No p: 2 targets and 2 sets of sources are too few. A sign-flip test over targets and over sets of sources, "
        "Holm-corrected for 2 adapters, needs 7 of each."
    )


def test_p_is_the_larger_one_of_flipping_targets_and_of_flipping_sources() -> None:
    def gain(source: int, target: int) -> Gain:
        # All pairs of source 0 gain much, the others nothing: every target gains, but only one source does.
        return Gain("", "m", [f"s{source}"], f"t{target}", "0", 60.0 if source == 0 else 0.0, 0, 0, None, 0, 1)

    gains = [gain(source, target) for source in range(6) for target in range(6)]
    assert sign_flip(summed_by([g.target for g in gains], [g.mean for g in gains])) == 2 / 2**6
    assert p_of(gains) == 1


def gains_by_chance(rng: np.random.Generator, sets: int, target: float, source: float) -> list[Gain]:
    """Return gains of all pairs with mean 0: shares of the variance lie with the target, with the source, and with the pair."""
    of_target, of_source = rng.normal(0, target**0.5, sets), rng.normal(0, source**0.5, sets)
    pairs = [(s, t) for s in range(sets) for t in range(sets) if s != t]
    own = rng.normal(0, (1 - target - source) ** 0.5, len(pairs))
    values = [of_source[s] + of_target[t] + e for (s, t), e in zip(pairs, own, strict=True)]
    return [Gain("", "m", [f"{s}"], f"{t}", "0", v, 0, 0, None, 0, 1) for (s, t), v in zip(pairs, values, strict=True)]


@pytest.mark.parametrize(("target", "source"), [(0.0, 0.0), (0.3, 0.0), (0.5, 0.2), (0.8, 0.1), (0.2, 0.5)])
def test_pairs_that_share_a_dataset_give_no_more_than_six_percent_false_positives(target: float, source: float) -> None:
    # With 3 to 5 datasets there are too few targets for a p. Six are the least; flipping each pair alone gives up to 41 %.
    assert units_needed() == 6
    rng = np.random.default_rng(7)
    false = [p_of(gains_by_chance(rng, 6, target, source)) <= 0.05 for _ in range(500)]
    assert np.mean(false) <= 0.06


def test_pairs_with_one_and_with_several_sources_have_means_of_their_own(tmp_path: Path) -> None:
    def wrong(run: Run, test: str) -> int:
        if run.target is None:
            return 5
        return 1 if len(run.sources) > 1 else 3

    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    pairs = ("a -> c", "b -> c", "a + b -> c")
    fabrication = Fabrication(wrong, sets, {"none": NONE, "adabn": ADABN}, pairs=pairs)
    matrix = read_matrix(fabrication.write(tmp_path / "s"))
    assert {s.kind: (s.pairs, s.gain) for s in matrix.summary if s.adapter == "adabn"} == {
        "one source": (2, 20),
        "several sources": (1, 40),
    }
    assert [t.title for t in summary_tables(matrix)] == [
        "Means over 2 pairs of datasets with one source: accuracy",
        "Means over 1 pair of datasets with several sources: accuracy",
    ]


def test_the_table_has_a_row_for_each_adapter(matrix: Matrix) -> None:
    (table,) = summary_tables(matrix)
    assert table.title == "Means over 2 pairs of datasets: accuracy"
    assert [row[:7] for row in table.rows] == [
        ("none", "55.0", "35.0", "-", "-", "-", "-"),
        ("adabn", "65.0", "25.0", "+10.0", "29 %", "-5.0", "1 of 2"),
        ("fine-tune", "70.0", "20.0", "+15.0", "43 %", "-20.0", "1 of 2"),
    ]
