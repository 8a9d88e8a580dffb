"""What may happen to a sweep, each once or a few times; table.py does all of it, and more often."""

from __future__ import annotations

from collections.abc import Callable

import faults
import pytest
from faults import Bench, Row

MOUNT = faults.cannot_mount()

FAULTS: dict[str, Callable[[Bench], Row]] = {
    "two sweeps at once": lambda bench: faults.two_at_once(bench, 1),
    "damage by hand": lambda bench: faults.damaged(bench, 3),
}
SLOW: dict[str, Callable[[Bench], Row]] = {
    "a driver that is killed again and again": lambda bench: faults.driver_killed(bench, 2, "inline"),
    "a clock set back, and Ctrl-C": faults.clock_set_back,
    "scratch folders left": faults.scratch_left,
    "a raylet that is killed": lambda bench: faults.ray_killed(bench, "raylet"),
    "Ctrl-C once, runs on Ray": lambda bench: faults.interrupted(bench, "ray", 1),
}
MOUNTED: dict[str, Callable[[Bench], Row]] = {
    "a read-only folder": faults.read_only,
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("survival"), ("none", "fine-tune"))


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_every_result_is_the_same_after(bench: Bench, fault: str) -> None:
    row = FAULTS[fault](bench)
    assert (row.lost, row.equal) == (0, True)


@pytest.mark.skipif(bool(MOUNT), reason=MOUNT)
@pytest.mark.parametrize("fault", MOUNTED)
def test_nothing_is_lost_and_every_result_is_the_same_after_mounting(bench: Bench, fault: str) -> None:
    row = MOUNTED[fault](bench)
    assert (row.lost, row.equal) == (0, True)


@pytest.mark.slow
@pytest.mark.parametrize("fault", SLOW)
def test_nothing_is_lost_and_every_result_is_the_same_after_a_fault_that_takes_long(bench: Bench, fault: str) -> None:
    row = SLOW[fault](bench)
    assert (row.lost, row.equal) == (0, True)


@pytest.mark.slow
@pytest.mark.skipif(bool(MOUNT), reason=MOUNT)
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_nothing_is_lost_and_every_result_is_the_same_after_a_full_disk(bench: Bench, engine: str) -> None:
    row = faults.disk_full(bench, engine, 200)
    assert (row.lost, row.equal) == (0, True)
