"""When the runs of a plan are done, as many side by side as there is room for."""

from __future__ import annotations

import pytest

from dabench.execution.estimate import wall_time
from dabench.storage.schema import Run


def run(name: str, parent: str | None = None) -> Run:
    return Run(name, ("a",), None, 0, (), "0", parent, digest=name)


@pytest.mark.parametrize(("side", "wall"), [(1, 40.0), (2, 20.0), (4, 10.0), (9, 10.0)])
def test_independent_runs_go_side_by_side(side: int, wall: float) -> None:
    runs = [run(name) for name in "abcd"]
    assert wall_time(runs, dict.fromkeys("abcd", 10.0), side) == wall


def test_what_waits_for_its_pretraining_cannot_be_done_earlier() -> None:
    runs = [run("parent"), run("child", "parent"), run("grandchild", "child")]
    assert wall_time(runs, {"parent": 5.0, "child": 3.0, "grandchild": 1.0}, 8) == 9.0


def test_a_parent_that_is_complete_is_not_waited_for() -> None:
    assert wall_time([run("child", "complete")], {"child": 3.0}, 1) == 3.0


def test_no_sweep_is_done_before_its_longest_run() -> None:
    assert wall_time([run("a"), run("b"), run("long")], {"a": 1.0, "b": 1.0, "long": 10.0}, 2) == 10.0


def test_nothing_takes_no_time() -> None:
    assert wall_time([], {}, 2) == 0.0
