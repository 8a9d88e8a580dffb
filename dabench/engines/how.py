"""How a sweep is run here: settings of the command that change no number, so they are no part of a run's digest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class How:
    """How the runs of a sweep are done on this machine.

    Attributes:
        time_limit: seconds after which a run is stopped and counts as failed; None: no limit.
        retries: how often a run is tried again whose worker process died, or that ran out of memory. What raises, diverges
            or takes too long would do so again: it is tried anew by the next command only.
        save_every: seconds of training after which a run keeps, at its next checkpoint, what it needs to go on from there.
        cpus_per_run: cores that are set aside for a run; None: as many as it has threads ([train] threads).
        gpus_per_run: GPUs that are set aside for a run, 0.25 for four runs on each; None: found from the machine.
        address: of the running Ray cluster to join, as --address takes it; None: a Ray of this machine alone.
        at_most: runs side by side at the most; None: as many as there are cores, GPUs and memory for.
    """

    time_limit: float | None = None
    retries: int = 1
    save_every: float = 60.0
    cpus_per_run: float | None = None
    gpus_per_run: float | None = None
    at_most: int | None = None
    address: str | None = None
