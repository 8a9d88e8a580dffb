"""How a sweep is run here: settings of the command that change no number, so they are no part of a run's digest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class How:
    """How the runs of a sweep are done on this machine.

    Attributes:
        time_limit: seconds after which a run is stopped and counts as failed; None: no limit.
        retries: how often a run is tried again whose worker process died.
    """

    time_limit: float | None = None
    retries: int = 1
