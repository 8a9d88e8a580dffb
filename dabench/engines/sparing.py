"""Tune made to look at, and to keep, what is going on alone: a sweep of thousands of runs is as many trials."""

from __future__ import annotations

from typing import Any

from dabench.engines.cluster import tune

_HEAVY = ("config", "evaluated_params", "_Trial__unresolved_config", "run_metadata", "temporary_state", "_state_json")
"""What Tune keeps of a trial: its job, statistics over every number that it reported, and all of that as text."""


class Sparing(tune.schedulers.FIFOScheduler):  # type: ignore[misc]
    """Starts trials in their order, as Tune's own does, which looks through all of them ten times a second.

    What a trial held that is over is forgotten; Tune would keep 50 kB of each to the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._going: dict[str, Any] = {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._going[trial.trial_id] = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        over = [trial for trial in self._going.values() if trial.is_finished()]
        for trial in over:
            del self._going[trial.trial_id]
            tune_controller.get_trials().remove(trial)
            for name in _HEAVY:
                vars(trial).pop(name, None)
        return next((t for t in self._going.values() if t.status in (t.PENDING, t.PAUSED)), None)
