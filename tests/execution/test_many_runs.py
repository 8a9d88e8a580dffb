"""What thousands of runs must not cost: looking through all of them for each. Measured in times and seconds by tests/scale."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fabricated import two_sets
from tiny_sweeps import tiny

from dabench.execution.attempt import AttemptResult
from dabench.execution.queue import RunQueue
from dabench.experiment.schedule import complete_runs
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

sys.path.insert(0, str(Path(__file__).parents[1] / "scale"))


def run_named(name: str, parent: str | None = None) -> Run:
    return Run(name, ("bright",), None, 0, (), "0", parent, digest=name)


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was listed, each time."""
    found: list[str] = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: (found.append(Path(path).name), real(path))[1])
    return found


def test_the_runs_that_stand_are_listed_once(tmp_path: Path, listings: list[str]) -> None:
    sweep = tiny(tmp_path, ["none", "adabn"])
    store = two_sets().write(tmp_path / "made")
    listings.clear()
    assert complete_runs(sweep.plan, store) == set()
    assert listings.count("runs") == 1


def test_parents_are_found_without_listing_all_runs_for_each(tmp_path: Path, listings: list[str]) -> None:
    fabricated = two_sets()
    store = RunStore(fabricated.write(tmp_path / "made").folder)
    listings.clear()
    for run in fabricated.runs():
        assert store.network(run.digest).is_file()
    assert listings.count("runs") == 1


def test_a_run_that_came_after_the_listing_is_found(tmp_path: Path) -> None:
    last = "fine-tune_hand_print_s1"
    fabricated = two_sets(leave_out=lambda run: run.name == last)
    store = fabricated.write(tmp_path / "made")
    run = next(r for r in fabricated.runs() if r.name == last)
    assert store.find(run.digest) is None
    fabricated.add(store, run)
    assert store.find(run.digest) is not None
    store.remove(run.digest)
    assert store.find(run.digest) is None


def handed_out(runs: list[Run], at_once: int, seed: int) -> list[str]:
    """Return the order in which a queue hands out runs, of which any may be the next to be done."""
    queue, out, order = RunQueue(runs, lambda event: None), [], []
    rng = random.Random(seed)
    while not queue.empty:
        while len(out) < at_once and (run := queue.next()) is not None:
            out.append(run)
            order.append(run.digest)
        queue.take(out.pop(rng.randrange(len(out))), AttemptResult("done"))
    return order


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_queue_hands_out_the_first_that_may_start(at_once: int) -> None:
    runs = [run_named(f"child-{i}", f"parent-{i % 7}") for i in range(40)] + [run_named(f"parent-{i}") for i in range(7)]
    order = handed_out(runs, at_once, seed=at_once)
    assert sorted(order) == sorted(r.digest for r in runs)
    if at_once == 1:
        places = {r.digest: i for i, r in enumerate(runs)}
        done: set[str] = set()
        for digest in order:
            may = [r.digest for r in runs if r.digest not in done and (r.parent is None or r.parent in done)]
            assert digest == min(may, key=places.__getitem__)
            done.add(digest)


def test_what_is_put_back_is_the_next() -> None:
    queue = RunQueue([run_named("a"), run_named("b"), run_named("c")], lambda event: None, retries=1)
    first = queue.next()
    assert first is not None
    queue.take(first, AttemptResult("retried", reason="killed"))
    assert [run.digest for run in iter(queue.next, None)] == ["a", "b", "c"]


def test_tune_forgets_what_a_trial_held_that_is_over() -> None:
    from dabench.execution.ray.engine import LeanScheduler

    class Trial:
        PENDING, PAUSED = "PENDING", "PAUSED"

        def __init__(self, name: str, status: str) -> None:
            self.trial_id, self.status, self.config = name, status, {"job": "x" * 1000}

        def is_finished(self) -> bool:
            return self.status == "TERMINATED"

    trials = [Trial("a", "TERMINATED"), Trial("b", "RUNNING"), Trial("c", "PENDING")]
    over, running, waiting = trials
    scheduler, tune = LeanScheduler(), SimpleNamespace(get_trials=lambda: trials, _trials_to_cache=set(trials))
    for each in trials.copy():
        scheduler.on_trial_add(tune, each)
    assert scheduler.choose_trial_to_run(tune) is waiting
    assert trials == [running, waiting]
    assert tune._trials_to_cache == {running, waiting}  # it would write the state of these
    assert not hasattr(over, "config")
    assert hasattr(running, "config")


@pytest.mark.parametrize(("alive", "event"), [(True, "stopped"), (False, "retried")])
def test_runs_given_back_are_retried_only_if_ray_has_ended(monkeypatch: pytest.MonkeyPatch, alive: bool, event: str) -> None:
    from dabench.execution.ray import engine

    events: list[str] = []
    queue = RunQueue([run_named("a")], lambda event: events.append(event.what), retries=1)
    searcher = engine.PlanSearcher(lambda run: None, queue, None, 1)  # type: ignore[arg-type,return-value]
    searcher.suggest("trial")
    monkeypatch.setattr(engine, "alive", lambda: alive)
    searcher.give_back()
    assert events[-1] == event


@pytest.mark.slow
def test_a_hundred_simulated_runs_are_planned_done_found_and_reported() -> None:
    """What `make scale` does with 10,000."""
    import growth

    found = growth.measured(100)
    assert set(found) == set(growth.PARTS)
    assert max(peak for *_, peak in found.values()) < 1024
