"""How far a sweep is, read from its folder by any process: nothing is asked of the one that runs it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from dabench.execution.progress import OVER, TimeEstimator
from dabench.storage.events import EventLog, event_logs
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run
from dabench.training.progress_line import last_progress

TAIL = 8
"""Lines of a failed run's log that are shown."""

SweepState = Literal["running", "complete", "ended", "stopped", "error", "dead", "not begun"]


@dataclass(frozen=True)
class Running:
    """A run at work: since when (ISO 8601, UTC), for how many seconds, and what its training said last of how far it is ("")."""

    run: str
    since: str
    seconds: float
    progress: str


@dataclass(frozen=True)
class Failure:
    """A run that failed: the first line of its reason, and its log with the last lines of it ("" and none if there is none)."""

    run: str
    reason: str
    log: str
    tail: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """How far a sweep is.

    Attributes:
        state: "running"; "complete": every run stands; "ended": some failed; "stopped": by the user; "error": the sweep's
            own; "dead": its process ended without a word; "not begun": no run was begun.
        processes: the numbers of the processes that run it.
        last: when it was last heard of, ISO 8601 in UTC, or "".
        runs, complete, running, failed, pending: counts; done are those whose folder stands, its checksums not looked at.
        active: what runs.
        seconds_left: seconds that the rest takes, about; None where that is not known.
        resume_command: the command that goes on with it, or "".
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
    """Return how far the sweep in `folder` is.

    Raises:
        StoreError: it is no sweep's output.
    """
    store = RunStore(folder)
    record = store.read_sweep()
    # Of a search, what is to do after its trials is known only when they are done.
    runs = {run.name: run for run in (*record.runs, *record.trials)}
    standing = set(store.names("runs"))
    done = {name for name, r in runs.items() if r.folder in standing}
    found = event_logs(folder / "events")
    alive = [s for s in found if s.alive]
    now = {e["run"]: e for s in alive for e in _open(s)}
    failed = {n for n in (name.removesuffix(".txt") for name in store.names("failed")) if n in runs} - done - now.keys()
    if alive:  # what failed before and is to be tried anew is left, not failed
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
    """Return the last event of each run that began and is not over."""
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
            pace.running.pop(e["run"], None)  # it is tried again, or waits: in `left`
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
    """Return the lines of a log; None where there is none."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
