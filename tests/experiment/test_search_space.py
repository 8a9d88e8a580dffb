"""[search] of a sweep file: what may stand in it, where a search looks by default, and what it proposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from toys import adapter

from dabench.errors import SpecError
from dabench.experiment.config import SearchConfig, Sweep
from dabench.experiment.samplers import ranges, sampler_of
from dabench.experiment.search_space import SearchRange, around, read_range
from dabench.experiment.sweep_file import read_sweep
from dabench.experiment.trial_scores import ScoredTrial, bar, best_trials, rungs
from dabench.plugins.options import KeyProblem, setting
from dabench.plugins.registry import Registry
from dabench.storage.schema import Settings

FILE = """name = "try"
datasets = ["font-digits", "uci-digits"]
adapters = ["none", "dann", "fine-tune"]
backbone = "conv4"
[search]
trials = 4
{rest}
"""


def sweep(folder: Path, rest: str = "", *overrides: str) -> Sweep:
    (folder / "try.toml").write_text(FILE.format(rest=rest), encoding="utf-8")
    return read_sweep(folder / "try.toml", overrides, Registry(entry_points=False)).sweep


def asked(search: SearchConfig, name: str, numbers: Sequence[int] = range(4)) -> list[Settings]:
    of = sampler_of(search, name)
    return [of.ask(n) for n in numbers]


# What may stand there


@pytest.mark.parametrize(
    ("rest", "line", "says"),
    [
        ("trails = 3", 7, "unknown key 'search.trails'; did you mean 'trials'"),
        ("method = 'bayes'", 7, "search.method = 'bayes': must be one of 'random', 'optuna', 'grid'"),
        ("select = 'entropie'", 7, "search.select = 'entropie': unknown selection 'entropie'; did you mean 'entropy'"),
        ("select = 'last'", 7, "search.select = 'last': this rule does not score trials"),
        ("seed = 1", 7, "search.seed = 1: is one of the sweep's seeds"),
        ("select = 'oracle'\nearly_stopping = true", 8, "needs a rule without target labels, not 'oracle'"),
        ("[search.space]\n'train.lr' = { loguniform = [0.1, 0.01] }", 8, "loguniform = [0.1, 0.01]: low must be less"),
        (
            "[search.space]\n'train.lr' = { loguniform = [0, 0.01] }",
            8,
            "low must be greater than 0; use uniform for ranges from 0",
        ),
        ("[search.space]\n'train.lr' = { normal = [0, 1] }", 8, "unknown kind of range 'normal'"),
        ("[search.space]\n'train.lr' = 3", 8, "must be { loguniform = [low, high] }, uniform, int, or a list of values"),
        ("[search.space]\n'train.lr' = []", 8, "must be a list of one or more different values"),
        ("[search.space]\n'train.lr' = [0.1, 0.1]", 8, "must be a list of one or more different values"),
        ("[search.space]\n'train.lr' = ['fast']", 8, "train.lr = 'fast': must be a number"),
        ("[search.space]\n'train.momentum' = { uniform = [0.5, 1.5] }", 8, "train.momentum = 1.5: must be at most 0.9999"),
        ("[search.space]\n'train.batch' = { uniform = [8, 64] }", 8, "train.batch = 8.0: must be a whole number"),
        ("[search.space]\n'train.batch' = { int = [8.5, 64] }", 8, "int = [8.5, 64]: must be two whole numbers"),
        ("[search.space]\n'train.rate' = [0.1]", 8, "unknown key 'search.space.train.rate'"),
        ("[search.space]\n'train.device' = ['cpu']", 8, "'device' cannot be searched"),
        ("[search.space]\n'dan.weight' = [0.1]", 8, "must be train.KEY, or ADAPTER.OPTION of one of none, dann, fine-tune"),
        ("[search.space]\n'coral.weight' = [0.1]", 8, "must be train.KEY, or ADAPTER.OPTION of one of none, dann, fine-tune"),
        ("[search.space]\n'dann.weigth' = [0.1]", 8, "did you mean 'weight'"),
        ("[search.space.dann]\nweight = { uniform = [-1, 1] }", 8, "dann.weight = -1.0: must be at least 0"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, rest: str, line: int, says: str) -> None:
    with pytest.raises(SpecError) as told:
        sweep(tmp_path, rest)
    assert f"try.toml, line {line}: " in str(told.value)
    assert says in str(told.value)


def test_a_search_without_trials_is_told(tmp_path: Path) -> None:
    (tmp_path / "try.toml").write_text(FILE.format(rest="").replace("trials = 4", "seed = 5"))
    with pytest.raises(SpecError, match=r"line 5: search.trials is missing; write for example trials = 8"):
        read_sweep(tmp_path / "try.toml", (), Registry(entry_points=False))


def test_a_key_of_the_command_line_is_named_as_that(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^--set: search.space.dann.weight = -1.0: must be at least 0"):
        sweep(tmp_path, "", "search.space.dann.weight={ uniform = [-1, 1] }")


def test_no_trials_are_no_search_and_the_sweep_is_the_same_as_without(tmp_path: Path) -> None:
    none = sweep(tmp_path, "", "search.trials=0")
    assert "search" not in none.as_dict()
    assert none.search == SearchConfig()


def test_a_grid_that_is_larger_than_the_trials_is_told_with_its_size(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"line 6: search.trials = 4: the grid of 'dann' has 9 points; set search.trials = 9"):
        sweep(tmp_path, "method = 'grid'")


# Where it looks


def test_a_setting_says_itself_where_a_search_looks_around_the_value_that_the_sweep_gives_it(tmp_path: Path) -> None:
    space = sweep(tmp_path, "[train]\nlr = 0.002\n[dann]\nweight = 2.0").search.space
    assert space["train.lr"] == {"loguniform": [0.0002, 0.02]}
    assert space["dann.weight"] == {"loguniform": [0.2, 20.0]}
    assert set(space) == {"train.lr", "dann.weight", "fine-tune.lr_factor"}


def test_where_a_sweep_names_settings_of_an_adapter_only_these_of_it_are_searched(tmp_path: Path) -> None:
    space = sweep(tmp_path, "[search.space]\n'dann.hidden' = { int = [8, 64] }").search.space
    assert set(space) == {"train.lr", "dann.hidden", "fine-tune.lr_factor"}


def test_a_table_and_a_dotted_key_are_the_same(tmp_path: Path) -> None:
    dotted = sweep(tmp_path, "[search.space]\n'dann.weight' = [0.1, 0.2]")
    assert sweep(tmp_path, "[search.space.dann]\nweight = [0.1, 0.2]") == dotted


@pytest.mark.parametrize(
    ("value", "search", "low", "high", "range_"),
    [
        (1.0, 10, None, None, {"loguniform": [0.1, 10.0]}),
        (0.5, 4, None, 1, {"loguniform": [0.125, 1.0]}),
        (0.5, 4, 0.25, None, {"loguniform": [0.25, 2.0]}),
        (0.5, 4, 0, None, {"loguniform": [0.125, 2.0]}),
        (0.0, 10, None, None, None),
        (True, [True, False], None, None, [True, False]),
    ],
)
def test_a_factor_is_a_range_around_a_value_within_its_bounds(
    value: object, search: object, low: float | None, high: float | None, range_: object
) -> None:
    assert around(value, search, low, high) == range_


def test_an_adapter_of_somebody_else_may_declare_where_to_look(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Options:
        much: int = setting(3, "how much", search={"int": [1, 5]})
        other: int = setting(3, "not searched")

    registry = Registry(entry_points=False)
    registry.register(adapter("mine", adapt=lambda self, net, *rest: net, access="none", Options=Options))
    (tmp_path / "try.toml").write_text(FILE.format(rest="").replace('"dann"', '"mine"'))
    space = read_sweep(tmp_path / "try.toml", (), registry).sweep.search.space
    assert space["mine.much"] == {"int": [1, 5]}
    assert "mine.other" not in space


# What it proposes


@pytest.mark.parametrize("method", ["random", "grid"])
def test_the_common_settings_of_a_trial_are_the_same_for_every_adapter(tmp_path: Path, method: str) -> None:
    search = sweep(tmp_path, f"method = '{method}'", "search.trials=9").search
    none, dann, tuned = ([dict(s)["train.lr"] for s in asked(search, name)] for name in ("none", "dann", "fine-tune"))
    assert none == dann == tuned
    assert len(set(none)) > 2


def test_a_random_value_depends_on_seed_trial_and_key_alone(tmp_path: Path) -> None:
    one = asked(sweep(tmp_path).search, "dann")
    more = asked(
        sweep(tmp_path, "[search.space]\n'train.momentum' = [0.9]\n'train.lr' = { loguniform = [0.005, 0.5] }").search, "dann"
    )
    assert [dict(s)["train.lr"] for s in one] == [dict(s)["train.lr"] for s in more]
    assert [dict(s)["dann.weight"] for s in one] == [dict(s)["dann.weight"] for s in more]
    assert asked(sweep(tmp_path, "seed = 77").search, "dann") != one


def test_random_values_fill_their_range() -> None:
    search = SearchConfig(trials=400, space={"train.lr": {"loguniform": [0.01, 1.0]}, "train.batch": {"int": [2, 4]}})
    drawn = [dict(s) for s in asked(search, "none", range(400))]
    rates = [d["train.lr"] for d in drawn]
    assert 0.01 <= min(rates) < 0.011
    assert 0.9 < max(rates) <= 1.0
    assert sum(r < 0.1 for r in rates) == pytest.approx(200, abs=40)
    assert {n: sum(d["train.batch"] == n for d in drawn) for n in (2, 3, 4)} == pytest.approx({2: 133, 3: 133, 4: 133}, abs=35)


def test_a_grid_has_every_combination_once_and_begins_anew_where_it_is_small(tmp_path: Path) -> None:
    search = sweep(
        tmp_path,
        "method = 'grid'\n[search.space]\n'train.lr' = [0.1, 0.2]\n'dann.weight' = [1, 2]\n'fine-tune.lr_factor' = [0.1]",
    ).search
    points = asked(search, "dann")
    assert len(set(points)) == 4
    none = asked(search, "none")
    assert none[:2] == none[2:]


def test_a_grid_has_the_ends_and_the_middle_of_a_range() -> None:
    assert SearchRange("loguniform", low=0.01, high=1.0).grid() == (0.01, 0.1, 1.0)
    assert SearchRange("uniform", low=0.0, high=1.0).grid() == (0.0, 0.5, 1.0)
    assert SearchRange("int", low=1, high=2).grid() == (1, 2)


def test_optuna_learns_from_scores() -> None:
    search = SearchConfig(trials=30, method="optuna", space={"train.lr": {"loguniform": [1e-4, 1.0]}})
    of = sampler_of(search, "none")
    rates = []
    for n in range(30):
        rates.append(dict(of.ask(n))["train.lr"])
        of.tell(n, -abs(math.log10(rates[-1]) + 2) if n != 3 else None)
    assert sum(0.003 < r < 0.03 for r in rates[15:]) > 2 * sum(0.003 < r < 0.03 for r in rates[:4])
    assert ranges(search, "none")["train.lr"].low == 1e-4


def test_a_list_of_lists_is_a_list_of_values() -> None:
    assert read_range([[1, 2], [3]], "k").at(0.7) == (3,)


def test_a_range_that_is_none_is_a_problem_of_its_key() -> None:
    with pytest.raises(KeyProblem) as told:
        read_range({"uniform": [0, float("inf")]}, "search.space.train.lr")
    assert told.value.path == "search.space.train.lr"


# What is chosen


def of(score: float | None) -> ScoredTrial:
    return ScoredTrial((score,), score, 10, False)


def test_the_highest_score_is_chosen_and_the_first_of_equal_ones() -> None:
    assert best_trials({0: of(0.1), 1: of(0.4), 2: of(0.4), 3: None}) == [1, 2]
    assert best_trials({0: None}) == []


def test_a_trial_for_which_the_rule_has_no_value_is_not_chosen() -> None:
    assert best_trials({0: of(None), 1: of(-3.0)}) == [1]
    assert best_trials({0: of(None)}) == []


def test_a_trial_that_was_ended_early_is_not_chosen() -> None:
    assert best_trials({0: of(0.1), 1: replace(of(0.4), stopped=True)}) == [0]


def test_trials_may_end_at_the_first_second_fourth_and_eighth_checkpoint_but_not_at_the_last() -> None:
    assert [rungs(n) for n in (1, 2, 4, 10)] == [[], [0], [0, 1], [0, 1, 3, 7]]


def test_the_bar_is_the_median_of_the_trials_that_came_so_far() -> None:
    assert bar([], 4) == ()
    assert bar([[0.1, 0.5, 0.5, 0.5], [0.3], [0.2, 0.9]], 4) == ((0, 0.2), (1, 0.7))


def test_checkpoints_without_a_score_raise_no_bar() -> None:
    assert bar([[None, 0.5], [0.3, None], [0.1, None]], 4) == ((0, 0.2), (1, 0.5))


def test_an_option_says_where_a_search_looks(capsys: pytest.CaptureFixture[str]) -> None:
    from dabench.cli import main

    assert main(["show", "adapter", "dann"]) == 0
    rows = {line.split(" = ")[0].strip(): line for line in capsys.readouterr().out.splitlines() if " = " in line}
    assert rows["weight"].endswith("; searched from 1/10 to 10 times it")
    assert "searched" not in rows["hidden"]
