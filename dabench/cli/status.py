"""The command status: print the progress of a sweep from another terminal."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from dabench.cli.common import DONE, CommandAdder
from dabench.storage.clock import clock

if TYPE_CHECKING:
    from dabench.execution.status import Status

_SHOWN = 10
"""Most failed runs whose logs are printed; --json has all."""


def add(verb: CommandAdder) -> None:
    """Add the command of this module."""
    sub = verb(
        "status", _status, "print the progress of a sweep: complete, running, failed and pending runs, and the next command"
    )
    sub.add_argument("runs", help="output folder of dabench sweep, such as runs/quick")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _status(a: argparse.Namespace) -> int:
    from dabench import api

    found = api.status(a.runs)
    if a.json:
        json.dump(asdict(found), sys.stdout, indent=1)
        print()
        return DONE
    print(f"{found.sweep}: {_state(found)}")
    print(
        f"{found.runs} runs: {found.complete} complete, {found.running} running, {found.failed} failed, {found.pending} "
        f"pending{_rest(found)}"
    )
    for run in found.active:
        progress = f": {run.progress}" if run.progress else ""
        print(f"  running: {run.run}, for {clock(run.seconds)}, since {run.since}{progress}")
    for failure in found.failures[:_SHOWN]:
        print(f"  failed: {failure.run}: {failure.reason}")
        for line in failure.tail:
            print(f"    | {line}")
        if failure.log:
            print(f"    full log: {failure.log}")
    if len(found.failures) > _SHOWN:
        print(f"  and {len(found.failures) - _SHOWN} more failed runs, see {found.folder}/failed/")
    print(f"Next: {_next(found)}")
    return DONE


def _state(found: Status) -> str:
    words = {
        "running": f"running in process {', '.join(map(str, found.processes))}",
        "complete": "complete",
        "ended": "ended; not all runs are complete",
        "stopped": "stopped by the user",
        "error": "ended by an error",
        "dead": "its process has died, was killed, or was lost with its machine",
        "not begun": "not begun",
    }
    return words[found.state] + (f"; last event {found.last}" if found.last else "")


def _rest(found: Status) -> str:
    return "" if found.seconds_left is None else f"; about {clock(found.seconds_left)} left"


def _next(found: Status) -> str:
    folder = shlex.quote(found.folder)
    if found.state == "running":
        return f"dabench status {folder} again, or dabench report {folder} for the results so far"
    if found.state == "complete":
        return f"dabench report {folder}"
    return found.resume_command or f"run the same dabench sweep command again, with --out {folder}; complete runs are kept"
