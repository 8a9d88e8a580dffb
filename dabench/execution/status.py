"""Read the progress of a sweep from its folder, without contacting the process that runs it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from dabench.execution.progress import OVER, TimeEstimator
from dabench.storage.events import EventLog, event_logs
from dabench.storage.reader import NETWORK, logits_name
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run
from dabench.training.progress_line import last_progress

TAIL = 8
"""Lines shown of the log of a failed run."""

SweepState = Literal["running", "complete", "ended", "stopped", "error", "dead", "not begun"]


@dataclass(frozen=True)
class Running:
    """A running run: start (ISO 8601, UTC), seconds so far, and the last line of progress ("" if there is none)."""

    run: str
    since: str
    seconds: float
    progress: str


@dataclass(frozen=True)
class Failure:
    """A failed run: first line of the reason, path of the log ("" if there is none), and the last lines of the log."""

    run: str
    reason: str
    log: str
    tail: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """Progress of a sweep.

    Attributes:
        state: "running"; "complete": all runs are complete; "ended": some runs failed; "stopped": by the user; "error": the
            sweep itself failed; "dead": its process ended without an event; "not begun": no run has begun.
        processes: ids of the processes that run the sweep.
        last: time of the last event, ISO 8601 in UTC, or "".
        runs, complete, running, failed, pending: numbers of runs; complete: the folder exists with its files (checksums are not
            verified).
        active: the running runs.
        seconds_left: estimated seconds left; None if unknown.
        resume_command: command that continues the sweep, or "".
    """

    folder: str
    sweep: str
    state: SweepState
    processes: tuple[int, ...]
    last: str
    runs: int
    complete: int
    running: int
    failed: int
    pending: int
    active: tuple[Running, ...]
    seconds_left: float | None
    failures: tuple[Failure, ...]
    resume_command: str


def read_status(folder: Path) -> Status:
    """Return the progress of the sweep in `folder`.

    Raises:
        StoreError: the folder is not the output of a sweep.
    """
    store = RunStore(folder)
    record = store.read_sweep()
    # The runs after the trials of a search are known only when the trials are done.
    runs = {run.name: run for run in (*record.runs, *record.trials)}
    standing = set(store.names("runs"))
    done = {name for name, r in runs.items() if r.folder in standing and not _lacks_files(store, r)}
    found = event_logs(folder / "events")
    alive = [s for s in found if s.alive]
    now = {e["run"]: e for s in alive for e in _open(s)}
    failed = {n for n in (name.removesuffix(".txt") for name in store.names("failed")) if n in runs} - done - now.keys()
    if alive:  # a run that failed before and will be tried again is pending
        failed &= {e["run"] for s in alive for e in s.events if e["event"] in ("failed", "skipped")}
    left = [r for n, r in runs.items() if n not in done | failed | now.keys()]
    return Status(
        str(folder),
        record.sweep.name,
        _state(found, len(done) == len(runs)),
        tuple(int(s.events[0].get("process", 0)) for s in alive if s.events),
        found[-1].events[-1]["time"] if found and found[-1].events else "",
        len(runs),
        len(done),
        len(now),
        len(failed),
        len(left),
        tuple(_running(store, n, e["time"]) for n, e in now.items()),
        _rest(alive[-1], left) if alive else None,
        tuple(_failure(store, name) for name in sorted(failed)),
        str(found[-1].events[0].get("resume_command", "")) if found and found[-1].events else "",
    )


def _lacks_files(store: RunStore, run: Run) -> bool:
    """Whether a file of a complete run was deleted: its record, its network, or its predictions."""
    there = set(store.names(f"runs/{run.folder}"))
    logits = {logits_name(test) for test in run.tests}
    return not {"run.json", NETWORK} <= there or not (logits <= there)


def _state(found: Sequence[EventLog], complete: bool) -> SweepState:
    if any(s.alive for s in found):
        return "running"
    if complete:
        return "complete"
    if not found:
        return "not begun"
    ended = found[-1].ended
    outcomes: dict[str, SweepState] = {"finished": "ended", "stopped": "stopped", "error": "error"}
    return outcomes.get(ended.get("outcome", ""), "error") if ended else "dead"


def _open(session: EventLog) -> list[Mapping[str, Any]]:
    """Return the last event of each run that has started and not ended."""
    last: dict[str, Mapping[str, Any]] = {e["run"]: e for e in session.events if "run" in e}
    return [e for e in last.values() if e["event"] == "started"]


def _rest(session: EventLog, left: Sequence[Run]) -> float | None:
    events = [e for e in session.events if "run" in e]
    pace = TimeEstimator([*(r.kind for r in left), *(_sort(e) for e in events if e["event"] == "started")])
    for e in events:
        if e["event"] == "started":
            pace.started(e["run"], _sort(e), _seconds(e["time"]))
        elif e["event"] in OVER:
            pace.ended(e["run"], _sort(e), e.get("seconds"))
        else:
            pace.running.pop(e["run"], None)  # retried or stopped: it is in `left`
    seconds = pace.left(time.time())
    return None if seconds is None else round(seconds, 1)


def _sort(event: Mapping[str, Any]) -> tuple[str, bool]:
    return event["method"], event["target"] is not None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _running(store: RunStore, name: str, since: str) -> Running:
    seconds = round(max(0.0, time.time() - _seconds(since)), 1)
    return Running(name, since, seconds, last_progress(_lines(store.log(name)) or ()))


def _failure(store: RunStore, name: str) -> Failure:
    try:
        reason = next(iter(store.text(f"failed/{name}.txt").splitlines()), "").removeprefix(f"{name}: ")
    except (OSError, ValueError):
        reason = ""
    log = store.log(name)
    lines = _lines(log)
    return Failure(name, reason, "", ()) if lines is None else Failure(name, reason, str(log), tuple(lines[-TAIL:]))


def _lines(log: Path) -> list[str] | None:
    """Return the lines of a log; None if there is none."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
