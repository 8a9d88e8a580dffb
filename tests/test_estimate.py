"""When the runs of a plan are done, as many side by side as there is room for."""

from __future__ import annotations

import pytest

from dabench.estimate import in_turn
from dabench.plan import Run


def run(name: str, parent: str | None = None) -> Run:
    return Run(name, ("a",), None, 0, (), "0", parent, digest=name)


@pytest.mark.parametrize(("side", "wall"), [(1, 40.0), (2, 20.0), (3, 20.0), (4, 10.0), (9, 10.0)])
def test_independent_runs_go_side_by_side(side: int, wall: float) -> None:
    runs = [run(name) for name in "abcd"]
    assert in_turn(runs, dict.fromkeys("abcd", 10.0), side) == wall


def test_what_waits_for_its_pretraining_cannot_be_done_earlier() -> None:
    runs = [run("parent"), run("child", "parent"), run("grandchild", "child")]
    assert in_turn(runs, {"parent": 5.0, "child": 3.0, "grandchild": 1.0}, 8) == 9.0


def test_a_parent_that_stands_is_not_waited_for() -> None:
    assert in_turn([run("child", "stands")], {"child": 3.0}, 1) == 3.0


def test_the_longest_that_comes_last_ends_alone() -> None:
    runs = [run("a"), run("b"), run("long")]
    assert in_turn(runs, {"a": 1.0, "b": 1.0, "long": 10.0}, 2) == 11.0
    assert in_turn(runs[::-1], {"a": 1.0, "b": 1.0, "long": 10.0}, 2) == 10.0


def test_nothing_takes_no_time() -> None:
    assert in_turn([], {}, 2) == 0.0


def test_ten_thousand_runs_are_laid_out_in_moments() -> None:
    runs = [run(f"p{i}") for i in range(100)] + [run(f"c{i}", f"p{i % 100}") for i in range(9900)]
    assert in_turn(runs, dict.fromkeys((r.digest for r in runs), 1.0), 10) == 1000.0
