"""What goes wrong in one run hurts no other, and what was killed goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_sweeps import PLUGINS, SHAPES, Tiny, identical, stored_logits, tiny

from dabench.execution.queue import Event
from dabench.execution.recorder import SweepOutcome
from dabench.execution.sweep import SweepCallbacks
from dabench.storage.run_store import RunStore

MISFITS = (SHAPES, PLUGINS / "misfits.py")
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, SweepOutcome, RunStore, list[Event]]:
    """A sweep of adapters that go wrong, among two that do not, done in this process."""
    folder = tmp_path_factory.mktemp("faults")
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        adapters = ["none", "diverges", "diverges-early", "raises", "forgets", "halves"]
        planned = tiny(folder, adapters, head='pairs = ["bright -> pale"]', plugins=MISFITS)
    return planned, planned.run(folder / "out", "inline", SweepCallbacks(events.append)), RunStore(folder / "out"), events


Faulty = tuple[Tiny, SweepOutcome, RunStore, list[Event]]


SOUND = [
    *("halves_bright_pale_s0", "source-only_bright_s0", "source-only_pale_s0"),
    *("supervised_bright_s0", "supervised_pale_s0"),
]


def test_the_outcome_counts_what_was_done_and_what_was_not(sweep: Faulty) -> None:
    # Done: two pretrainings, their source-only continuations, and halves. Not: diverges, diverges-early and what would have
    # started from it, raises, forgets.
    assert (sweep[1].completed, sweep[1].failed, sweep[1].interrupted) == (5, 5, False)


def test_the_runs_that_are_sound_stand(sweep: Faulty) -> None:
    planned, _, store, _ = sweep
    assert planned.standing(store.folder) == SOUND


def test_the_runs_that_failed_leave_nothing_half_made(sweep: Faulty) -> None:
    assert sorted(p.name.rsplit("-", 1)[0] for p in sweep[2].runs.iterdir()) == SOUND


def test_a_worker_that_outlives_its_node_leaves_nothing_half_made(tmp_path: Path) -> None:
    planned, made = tiny(tmp_path, ["none"], head='pairs = ["bright -> pale"]'), []

    def leave(event: Event) -> None:  # what a worker of a killed node writes after the sweep has begun, before it dies, too
        if not made:
            made.append(tmp_path / "out" / "runs" / ".supervised_bright_s0-0123abcd-4567cdef")
            made[0].mkdir()

    assert planned.run(tmp_path / "out", "inline", SweepCallbacks(leave)).failed == 0
    assert [path for path in (tmp_path / "out" / "runs").iterdir() if path.name.startswith(".")] == []
    assert made


def test_a_diverged_run_names_itself_its_step_and_what_to_try(sweep: Faulty) -> None:
    reason = sweep[2].failures()["diverges_bright_pale_s0"]
    assert reason.startswith("diverges_bright_pale_s0: while adapting, the loss became nan at step 3; try a smaller train.lr")


def test_a_diverged_run_says_so_in_one_line(sweep: Faulty) -> None:
    assert sweep[2].failures()["diverges_bright_pale_s0"].count("\n") == 1


def test_a_diverged_pretraining_says_that_it_was_training(sweep: Faulty) -> None:
    assert "while training, the loss became nan at step 1" in sweep[2].failures()["diverges-early_bright_s0"]


def test_what_would_have_started_from_a_failed_pretraining_is_skipped(sweep: Faulty) -> None:
    skipped = [(e.run.name, e.reason) for e in sweep[3] if e.what == "skipped"]
    assert skipped == [("diverges-early_bright_pale_s0", "its pretraining diverges-early_bright_s0 failed")]


def test_a_bug_in_an_adapter_is_kept_with_its_traceback(sweep: Faulty) -> None:
    reason = sweep[2].failures()["raises_bright_pale_s0"]
    assert reason.startswith("ZeroDivisionError: no luck with pale\n")
    assert "misfits.py" in reason


def test_an_adapter_that_returns_no_network_is_told_what_to_return(sweep: Faulty) -> None:
    reason = sweep[2].failures()["forgets_bright_pale_s0"]
    assert reason == "adapter 'forgets' returned NoneType; pretrain() and adapt() must return a Network\n"


def test_running_again_tries_what_failed_and_nothing_else(sweep: Faulty) -> None:
    planned, _, store, _ = sweep
    started: list[str] = []
    outcome = planned.run(
        store.folder, told=SweepCallbacks(lambda e: started.append(e.run.name) if e.what == "started" else None)
    )
    assert (outcome.already_complete, sorted(started)) == (
        5,
        ["diverges-early_bright_s0", "diverges_bright_pale_s0", "forgets_bright_pale_s0", "raises_bright_pale_s0"],
    )


def test_a_rate_that_is_too_high_fails_every_run_that_uses_it_and_raises_nothing(tmp_path: Path) -> None:
    planned = tiny(tmp_path, ["none"], overrides=["train.lr=1e12", 'train.schedule="constant"', "train.steps=20"])
    outcome = planned.run(tmp_path / "out")
    assert (outcome.completed, outcome.failed) == (0, 2)
    assert "try a smaller train.lr" in RunStore(tmp_path / "out").failures()["supervised_bright_s0"]


@pytest.fixture(scope="module")
def with_dead_worker(
    tmp_path_factory: pytest.TempPathFactory, _cache: Path, running_ray: None
) -> tuple[Tiny, SweepOutcome, RunStore]:
    """A sweep by Ray in which one adapter ends its worker's process, and one diverges."""
    folder = tmp_path_factory.mktemp("dead")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        planned = tiny(folder, ["none", "exits", "halves", "diverges-early", "adabn"], plugins=MISFITS)
    return planned, planned.run(folder / "out", "ray"), RunStore(folder / "out")


@pytest.mark.slow
def test_a_dead_worker_fails_its_own_run_alone(with_dead_worker: tuple[Tiny, SweepOutcome, RunStore]) -> None:
    planned, _, store = with_dead_worker
    missing = sorted({run.name for run in planned.plan.runs} - set(planned.standing(store.folder)))
    assert [name for name in missing if "diverges" not in name] == ["exits_bright_pale_s0", "exits_pale_bright_s0"]


@pytest.mark.slow
def test_a_dead_worker_is_recorded_as_such(with_dead_worker: tuple[Tiny, SweepOutcome, RunStore]) -> None:
    assert (
        with_dead_worker[2].failures()["exits_bright_pale_s0"].startswith("its worker process ended (killed, or out of memory)")
    )


@pytest.mark.slow
def test_ray_counts_dead_diverged_and_skipped_runs_as_failed(with_dead_worker: tuple[Tiny, SweepOutcome, RunStore]) -> None:
    planned, outcome, _ = with_dead_worker
    assert (outcome.completed, outcome.failed, outcome.interrupted) == (len(planned.plan.runs) - 6, 6, False)


@pytest.mark.slow
def test_a_diverged_run_says_the_same_under_ray(with_dead_worker: tuple[Tiny, SweepOutcome, RunStore]) -> None:
    reason = with_dead_worker[2].failures()["diverges-early_pale_s0"]
    assert reason.startswith("diverges-early_pale_s0: while training, the loss became nan at step 1; try a smaller train.lr")


# A driver that is killed

KILLED = """
import os, signal, sys
from pathlib import Path
from dabench.execution.sweep import SweepCallbacks
from tiny_sweeps import tiny

folder, moment = Path(sys.argv[1]), sys.argv[2]
done = 0

def listen(event):
    global done
    done += event.what == "done"
    if moment == "between two runs" and done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

def rename(source, to):
    if moment == "while writing a run" and done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    os.replace(source, to)

os.rename = rename
tiny(folder, ["none", "fine-tune", "adabn"]).run(folder / "out", "inline", SweepCallbacks(listen))
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, Path]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        planned = tiny(folder, ["none", "fine-tune", "adabn"])
    planned.run(folder / "out")
    return planned, folder / "out"


@pytest.mark.parametrize(("moment", "standing"), [("between two runs", 3), ("while writing a run", 2)])
def test_a_killed_sweep_goes_on_to_the_same_logits(
    undisturbed: tuple[Tiny, Path], tmp_path: Path, moment: str, standing: int
) -> None:
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), moment], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    planned, folder = undisturbed
    outcome = planned.run(tmp_path / "out")
    assert (outcome.already_complete, outcome.completed) == (standing, len(planned.plan.runs) - standing)
    assert identical(stored_logits(planned, tmp_path / "out"), stored_logits(planned, folder))


def test_an_interrupted_sweep_keeps_what_is_finished_and_says_so(undisturbed: tuple[Tiny, Path], tmp_path: Path) -> None:
    planned, _ = undisturbed

    def stop(event: Event) -> None:
        if event.what == "done":
            raise KeyboardInterrupt

    outcome = planned.run(tmp_path / "out", told=SweepCallbacks(stop))
    assert (outcome.interrupted, outcome.completed) == (True, 1)
    assert len(stored_logits(planned, tmp_path / "out")) == 2  # one pretraining, tested on both sets
