"""What another process reads of a sweep: how far it is, whether it lives, what failed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fabricated import two_sets

from dabench.cli import main
from dabench.errors import StoreError
from dabench.execution.event_lines import EventWriter
from dabench.execution.queue import Event
from dabench.execution.status import read_status
from dabench.storage.events import event_log, event_logs
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

RUNS = two_sets(seeds=1).runs()
PLAIN, ADAPTED = RUNS[0], next(r for r in RUNS if r.target)


def store(folder: Path, done: Callable[[Run], bool] = lambda run: False) -> RunStore:
    """A store of six runs, of which those stand for which `done` holds."""
    return two_sets(seeds=1, leave_out=lambda run: not done(run)).write(folder / "out")


def happened(at: RunStore, *events: Event, outcome: str = "finished") -> None:
    """A sweep that is over: these were its events."""
    with (
        event_log(at.folder / "events") as write,
        EventWriter([write], "made", 0, 6, "dabench sweep made.toml --out out") as lines,
    ):
        for event in events:
            lines(event)
        lines.outcome = outcome


def test_a_sweep_of_which_nothing_was_begun(tmp_path: Path) -> None:
    found = read_status(store(tmp_path).folder)
    assert (found.sweep, found.state, found.runs, found.complete, found.pending, found.last) == ("made", "not begun", 6, 0, 6, "")


def test_what_stands_is_done_whoever_did_it(tmp_path: Path) -> None:
    found = read_status(store(tmp_path, lambda run: run.target is None).folder)
    assert (found.complete, found.pending) == (2, 4)


@pytest.mark.parametrize("file", ["run.json", "network.safetensors", "logits-*.npy"])
def test_a_run_that_lacks_a_file_is_to_do(tmp_path: Path, file: str) -> None:
    at = store(tmp_path, lambda run: True)
    happened(at)
    next((at.folder / "runs").glob(f"*/{file}")).unlink()
    found = read_status(at.folder)
    assert (found.state, found.complete, found.pending, found.resume_command[:14]) == ("ended", 5, 1, "dabench sweep ")


def test_a_sweep_whose_runs_all_stand_is_complete(tmp_path: Path) -> None:
    at = store(tmp_path, lambda run: True)
    happened(at)
    assert read_status(at.folder).state == "complete"


def test_a_living_sweep_is_running_with_what_runs_now(tmp_path: Path) -> None:
    at = store(tmp_path)
    with event_log(at.folder / "events") as write, EventWriter([write], "made", 0, 6, "") as lines:
        lines(Event("started", PLAIN))
        found = read_status(at.folder)
    assert (found.state, [r.run for r in found.active], found.running, found.pending) == ("running", [PLAIN.name], 1, 5)
    assert 0 <= found.active[0].seconds < 600
    assert found.active[0].since.endswith("Z")


def test_what_runs_now_says_how_far_its_training_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = store(tmp_path)
    at.log(PLAIN.name).parent.mkdir(exist_ok=True)
    at.log(PLAIN.name).write_text("-- begun\n-- step 60 of 5,000, 0.5 s a step, 41:10 min left\n", encoding="utf-8")
    with event_log(at.folder / "events") as write, EventWriter([write], "made", 0, 6, "") as lines:
        lines(Event("started", PLAIN))
        assert main(["status", str(at.folder)]) == 0
    assert re.search(rf"running: {PLAIN.name}, .*: step 60 of 5,000, 0\.5 s a step, 41:10 min left\n", capsys.readouterr().out)


def test_the_rest_is_told_once_each_sort_of_run_was_seen(tmp_path: Path) -> None:
    at = store(tmp_path, lambda run: run in (PLAIN, ADAPTED))
    rest = []
    with event_log(at.folder / "events") as write, EventWriter([write], "made", 0, 6, "") as lines:
        for run in RUNS:
            lines(Event("started", run))
            lines(Event("done", run, 10.0))
            rest.append(read_status(at.folder).seconds_left)
    assert rest[0] is None
    assert rest[-1] == 40.0  # four of the six do not stand


def test_two_sweeps_in_one_folder_are_both_seen(tmp_path: Path) -> None:
    at = store(tmp_path)
    events = at.folder / "events"
    with event_log(events) as one, event_log(events) as other, EventWriter([one], "made", 0, 6, "") as first:
        first(Event("started", PLAIN))
        with EventWriter([other], "made", 0, 6, "") as second:
            second(Event("started", ADAPTED))
            found = read_status(at.folder)
    assert sorted(r.run for r in found.active) == sorted([PLAIN.name, ADAPTED.name])
    assert len(found.processes) == 2


@pytest.mark.parametrize(("outcome", "state"), [("finished", "ended"), ("stopped", "stopped"), ("error", "error")])
def test_a_sweep_that_ended_says_how(tmp_path: Path, outcome: str, state: str) -> None:
    at = store(tmp_path)
    happened(at, outcome=outcome)
    found = read_status(at.folder)
    assert (found.state, found.processes, found.active, found.resume_command) == (
        state,
        (),
        (),
        "dabench sweep made.toml --out out",
    )


def test_a_sweep_that_was_killed_is_dead_and_what_it_ran_is_left(tmp_path: Path) -> None:
    at = store(tmp_path)
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from fabricated import two_sets
from dabench.execution.queue import Event
from dabench.execution.event_lines import EventWriter
from dabench.storage.events import event_log
with event_log(Path({str(at.folder / "events")!r})) as write, EventWriter([write], "made", 0, 6, "") as lines:
    lines(Event("started", two_sets(seeds=1).runs()[0]))
    print("ready", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        living = read_status(at.folder)
        child.send_signal(signal.SIGKILL)
    dead = read_status(at.folder)
    assert (living.state, living.processes) == ("running", (child.pid,))
    assert (dead.state, dead.processes, dead.active, dead.pending) == ("dead", (), (), 6)


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    at = store(tmp_path)
    happened(at)
    with open(at.folder / "events" / "0001.jsonl", "a") as f:
        f.write('{"event": "sta')
    assert read_status(at.folder).state == "ended"


def test_a_failed_run_is_shown_with_its_reason_and_the_end_of_its_log(tmp_path: Path) -> None:
    at = store(tmp_path)
    at.fail(PLAIN.name, f"{PLAIN.name}: while training, the loss became nan\nmore")
    at.log(PLAIN.name).parent.mkdir()
    at.log(PLAIN.name).write_text("".join(f"line {i}\n" for i in range(50)))
    happened(at, Event("failed", PLAIN, reason="no"))
    found = read_status(at.folder)
    assert (found.failed, found.pending) == (1, 5)
    failure = found.failures[0]
    assert (failure.run, failure.reason) == (PLAIN.name, "while training, the loss became nan")
    assert (failure.log, failure.tail[-1], len(failure.tail)) == (str(at.log(PLAIN.name)), "line 49", 8)


def test_what_failed_before_and_is_to_be_tried_anew_is_left(tmp_path: Path) -> None:
    at = store(tmp_path)
    at.fail(PLAIN.name, "no")
    with event_log(at.folder / "events") as write, EventWriter([write], "made", 0, 6, ""):
        found = read_status(at.folder)
    assert (found.failed, found.pending) == (0, 6)


def test_sweeps_that_are_over_are_not_all_read(tmp_path: Path) -> None:
    at = store(tmp_path)
    for _ in range(3):
        happened(at)
    assert len(event_logs(at.folder / "events")) == 1


def test_where_events_cannot_be_written_the_sweep_goes_on(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("in the way")
    with event_log(tmp_path / "events") as write:
        write("lost\n")


def test_another_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a results folder"):
        read_status(tmp_path)


# The command


def test_the_command_says_what_is_done_what_failed_and_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = store(tmp_path, lambda run: run.target is None)
    at.fail(ADAPTED.name, "no luck")
    happened(at, Event("failed", ADAPTED, reason="no luck"))
    assert main(["status", str(at.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("made: ended; not all runs are complete; last event 20")
    assert lines[1:] == [
        "6 runs: 2 complete, 0 running, 1 failed, 3 pending",
        f"  failed: {ADAPTED.name}: no luck",
        "Next: dabench sweep made.toml --out out",
    ]


def test_for_machines_it_is_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = store(tmp_path)
    happened(at)
    assert main(["status", str(at.folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["runs"], found["complete"], found["failures"]) == ("ended", 6, 0, [])


def test_status_loads_neither_torch_nor_ray(tmp_path: Path) -> None:
    at = store(tmp_path)
    happened(at)
    code = f"import sys, dabench; dabench.status({str(at.folder)!r}); print([m for m in ('torch', 'ray') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_an_address_is_refused_with_what_can_be_asked_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"file://{tmp_path}/runs"
    assert main(["status", address]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"dabench report {address}, or run on the machine of the sweep: dabench status " in line
