"""Execution options: how a sweep is executed here. They change no number, so they are no part of a run's digest."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from typing import Any, Literal

_UNITS = {"s": 1, "m": 60, "h": 3600}
"""What a time on the command line may end with, in seconds."""


def _seconds(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write seconds, or minutes or hours as 10m or 2h")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of times; write 0, 1, 2, ...")
    return int(text)


def option(default: Any, help: str, **flag: Any) -> Any:
    """Declare a field that is a flag of `dabench sweep`, too: `flag` is what argparse takes beside its default."""
    return field(default=default, metadata={"help": help, **flag})


@dataclass(frozen=True)
class ExecutionOptions:
    """How the runs of a sweep are executed on this machine. Each field is a keyword of `dabench.sweep` and a flag of the command.

    Attributes:
        engine: "ray" executes runs side by side on Ray Tune, "inline" one after another in this process.
        redo: execute every run again, complete or not.
        cpus_per_run: cores that are set aside for a run; None: as many as it has threads ([train] threads).
        gpus_per_run: GPUs that are set aside for a run, 0.25 for four runs on each; None: found from the machine.
        time_limit: seconds after which a run is stopped and counts as failed; None: no limit.
        retries: how often a run is tried again whose worker process died, or that ran out of memory. What raises, diverges
            or takes too long would do so again: it is tried anew by the next command only.
        save_every: seconds of training after which a run keeps, at its next checkpoint, what it needs to go on from there.
        address: of the running Ray cluster to join, as --address takes it; None: a Ray of this machine alone.
        max_parallel: runs side by side at the most; None: as many as there are cores, GPUs and memory for.
    """

    engine: Literal["ray", "inline"] = option("ray", "side by side on Ray Tune, or in this process", choices=("ray", "inline"))
    redo: bool = option(False, "run again what is finished", action="store_true")
    cpus_per_run: float | None = option(None, "cores set aside for a run; default: train.threads", type=float, metavar="N")
    gpus_per_run: float | None = option(None, "GPUs set aside for a run, 0.25 for four runs on each", type=float, metavar="N")
    time_limit: float | None = option(None, "stop a run that takes longer: 90 (seconds), 10m, 2h", type=_seconds, metavar="TIME")
    retries: int = option(1, "try a run again whose worker died or had no memory; default: 1", type=_count, metavar="N")
    save_every: float = option(
        60.0, "how often a long run keeps where it stands, at its checkpoints; default: 60", type=_seconds, metavar="TIME"
    )
    address: str | None = option(
        None, "do the runs on the Ray cluster with this head; auto: that this machine is part of", metavar="HOST:PORT"
    )
    max_parallel: int | None = option(None, "runs side by side at the most; memory is then not checked", type=int, metavar="N")
