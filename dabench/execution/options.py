"""Execution options. They do not affect results, so they are not part of the digest of a run."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from typing import Any, Literal

_UNITS = {"s": 1, "m": 60, "h": 3600}
"""Units of a time on the command line, in seconds."""


def _seconds(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write seconds (90), minutes (10m) or hours (2h)")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of retries; write 0, 1, 2, ...")
    return int(text)


def option(default: Any, help: str, **flag: Any) -> Any:
    """Declare a field that is also a flag of `dabench sweep`; `flag` holds further arguments of argparse."""
    return field(default=default, metadata={"help": help, **flag})


@dataclass(frozen=True)
class ExecutionOptions:
    """Execution options of a sweep. Each field is a keyword of `dabench.sweep` and a flag of `dabench sweep`.

    Attributes:
        engine: "ray" executes runs in parallel on Ray Tune, "inline" one after another in this process.
        redo: do complete runs again.
        cpus_per_run: cores reserved for a run; None: its number of threads ([train] threads).
        gpus_per_run: GPUs reserved for a run, 0.25 for four runs on each GPU; None: chosen for this machine.
        time_limit: seconds after which a run is stopped and counts as failed; None: no limit.
        retries: how often a run is started again whose worker process died or ran out of memory. A run that raises an error,
            diverges or exceeds the time limit would fail again: only the next command tries it again.
        save_every: seconds of training after which a run saves its state at the next checkpoint, to continue from there.
        address: address of a running Ray cluster; None: start Ray on this machine only.
        max_parallel: most runs in parallel; None: as many as cores, GPUs and memory allow.
    """

    engine: Literal["ray", "inline"] = option(
        "ray", "ray: runs in parallel on Ray Tune (default); inline: one after another in this process", choices=("ray", "inline")
    )
    redo: bool = option(False, "do complete runs again", action="store_true")
    cpus_per_run: float | None = option(None, "cores per run; default: train.threads", type=float, metavar="N")
    gpus_per_run: float | None = option(None, "GPUs per run; 0.25: four runs on each GPU", type=float, metavar="N")
    time_limit: float | None = option(
        None, "stop a run that takes longer, as failed: 90 (seconds), 10m, 2h", type=_seconds, metavar="TIME"
    )
    retries: int = option(1, "retries of a run whose worker died or ran out of memory; default: 1", type=_count, metavar="N")
    save_every: float = option(
        60.0, "how often a long run saves its state, at a checkpoint; default: 60", type=_seconds, metavar="TIME"
    )
    address: str | None = option(
        None, "run on the Ray cluster with this head; auto: the cluster of this machine", metavar="HOST:PORT"
    )
    max_parallel: int | None = option(None, "most runs in parallel; memory is then not checked", type=int, metavar="N")
