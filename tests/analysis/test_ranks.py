"""Mean ranks of adapters over pairs: by hand, no adapters told apart by chance or with few targets, and apart where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fabricated import ADABN, FINE_TUNE, NONE, DatasetContent, Fabrication, two_sets

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.ranks import Ranking, critical_difference, limit, ranks_of
from dabench.storage.schema import Run


def ranked(folder: Path, sets: int, seeds: int = 1, better: int = 2) -> Matrix:
    """Return a matrix in which m0 is the best on every pair, m1 the next, and `none` the last."""

    def wrong(run: Run, test: str) -> int:
        return 7 if run.target is None else 7 - better * (3 - int(run.method[1]))

    adapters = {"none": NONE, **{f"m{i}": ADABN for i in range(3)}}
    content = {f"s{i}": DatasetContent(f"S{i}") for i in range(sets)}
    return read_matrix(Fabrication(wrong, content, adapters, seeds=seeds).write(folder / "s"))


def test_equal_results_share_the_mean_of_their_ranks() -> None:
    assert ranks_of(np.array([0.9, 0.5, 0.9, 0.1])).tolist() == [1.5, 3, 1.5, 4]


def test_the_mean_rank_is_that_over_pairs_best_first(tmp_path: Path) -> None:
    # none has 50 and 60 on the other set, adabn 70 and 60, fine-tune 90 and 50.
    (ranking,) = read_matrix(two_sets().write(tmp_path / "s")).ranks
    assert {m.adapter: m.rank for m in ranking.methods} == {"adabn": 1.75, "fine-tune": 2.0, "none": 2.25}
    assert [m.adapter for m in ranking.methods] == ["adabn", "fine-tune", "none"]


def test_with_a_metric_of_which_less_is_better_the_lowest_is_the_first(tmp_path: Path) -> None:
    (ranking,) = read_matrix(two_sets().write(tmp_path / "s"), "ece").ranks
    results = {c.adapter: c.mean for c in read_matrix(two_sets().write(tmp_path / "s"), "ece").cells if c.test == "print"}
    assert ranking.methods[0].rank < ranking.methods[-1].rank
    assert results


@pytest.mark.parametrize("sets", [2, 3, 5])
def test_with_fewer_than_six_targets_no_adapters_are_told_apart_however_clear_the_order(tmp_path: Path, sets: int) -> None:
    (ranking,) = ranked(tmp_path, sets, seeds=3).ranks
    assert [m.rank for m in ranking.methods] == [1, 2, 3, 4]
    assert (ranking.critical, ranking.groups) == (None, [["m0", "m1", "m2", "none"]])
    assert {(m.low, m.high) for m in ranking.methods} == {(None, None)}


@pytest.fixture(scope="module")
def enough(tmp_path_factory: pytest.TempPathFactory) -> Ranking:
    """Return the ranking on seven datasets."""
    (ranking,) = ranked(tmp_path_factory.mktemp("enough"), 7).ranks
    return ranking


def test_on_enough_targets_the_best_and_the_last_are_told_apart_and_neighbours_are_not(enough: Ranking) -> None:
    assert enough.critical is not None
    assert 1.77 < enough.critical < 3  # Demsar's for seven independent datasets and four methods is 1.77
    assert enough.groups == [["m0", "m1", "m2"], ["m1", "m2", "none"]]


def test_an_interval_holds_the_mean_and_has_a_width_even_where_the_rank_is_always_the_same(enough: Ranking) -> None:
    for m in enough.methods:
        assert m.low is not None
        assert m.high is not None
        assert 1 <= m.low <= m.rank <= m.high <= 4
        assert m.high - m.low > 0.2


def test_the_limit_is_that_of_the_exchanges_by_hand() -> None:
    # Two adapters on six targets, always in the same order: of 64 ways 2 have a difference of 1, so 2/3 is the next one.
    ranks = np.array([[1.0] * 6, [2.0] * 6])
    assert limit(ranks, np.arange(6)) == pytest.approx(2 / 3)


def results_by_chance(rng: np.random.Generator, sets: int, adapters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return results (M, P) of equally good adapters, which share effects of targets and sources, with targets and sources."""
    pairs = [(s, t) for s in range(sets) for t in range(sets) if s != t]
    sources, targets = (np.array(of) for of in zip(*pairs, strict=True))
    of_target, of_source = rng.normal(0, 0.5**0.5, (adapters, sets)), rng.normal(0, 0.2**0.5, (adapters, sets))
    own = rng.normal(0, 0.3**0.5, (adapters, len(pairs)))
    return of_target[:, targets] + of_source[:, sources] + own, targets, sources


def test_equally_good_adapters_are_told_apart_in_no_more_than_six_percent() -> None:
    rng, false, rounds = np.random.default_rng(5), 0, 200
    for _ in range(rounds):
        values, targets, sources = results_by_chance(rng, 7, 4)
        ranks = ranks_of(values)
        false += float(np.ptp(ranks.mean(1))) > critical_difference(ranks, targets, sources) + 1e-9
    assert false / rounds <= 0.06


def test_an_adapter_without_all_results_is_not_ranked(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets(leave_out=lambda run: run.name == "adabn_print_hand_s1").write(tmp_path / "s"))
    assert {m.adapter for m in matrix.ranks[0].methods} == {"none", "fine-tune"}


def test_a_single_adapter_has_no_ranks(tmp_path: Path) -> None:
    assert read_matrix(two_sets(adapters={"none": NONE}).write(tmp_path / "s")).ranks == []


def test_pairs_with_one_and_with_several_sources_are_ranked_apart(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    adapters = {"none": NONE, "fine-tune": FINE_TUNE}
    pairs = ("a -> c", "b -> c", "a + b -> c")
    matrix = read_matrix(Fabrication(lambda run, test: 1, sets, adapters, pairs=pairs).write(tmp_path / "s"))
    assert [(r.kind, r.pairs) for r in matrix.ranks] == [("one source", 2), ("several sources", 1)]
