"""The trials of a sweep's search as its store keeps them: what each task tried, what came of it, what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dabench.analysis.environments import Mixed, mixed
from dabench.errors import SpecError, StoreError
from dabench.experiment.config import SearchConfig
from dabench.storage.reader import ResultsReader
from dabench.storage.schema import SearchTable, TrialRecord
from dabench.training.selection import ORACLE


@dataclass(frozen=True)
class Trial:
    """A setting that a task tried on the seed of the search.

    Attributes:
        settings: what was tried, such as {"train.lr": 0.01}.
        rule: the rule that chose; by 'oracle', the score is accuracy on the target's validation labels.
        state: "done", "stopped" (early), "failed", or "waiting".
        score: where it ended; the higher the better. None where there is none.
        steps: those done.
        run: the name of the run that was scored.
        accuracy_by_test_labels: there, on the target's test split, in %; None where nobody asked.
    """

    adapter: str
    sources: list[str]
    target: str
    number: int
    settings: Mapping[str, Any]
    rule: str
    state: str
    score: float | None
    steps: int | None
    chosen: bool
    run: str
    accuracy_by_test_labels: float | None = None

    @property
    def task(self) -> str:
        """The task in words; trials of different tasks are not compared."""
        return f"{self.adapter}: {'+'.join(self.sources)} -> {self.target}"

    @property
    def setting(self) -> str:
        """The settings in words."""
        return ", ".join(f"{key} = {value}" for key, value in self.settings.items())


def read_trials(store: ResultsReader, *, test_accuracy: bool = False) -> list[Trial]:
    """Return all trials, task by task.

    Args:
        test_accuracy: look at the test labels, too, to see what choosing by them would have made of it.

    Raises:
        SpecError: the sweep searches nothing.
        StoreError: the runs of the trials are not there, as in a pack.
    """
    record = store.read_sweep()
    search = record.sweep.search
    if search is None:
        raise SpecError(f"{store.place}: its sweep searches nothing; write [search] with trials = 8, or --set search.trials=8")
    found = []
    for task in record.search:
        labels = store.dataset(task.target).labels if test_accuracy else None
        for trial in task.trials:
            state = "stopped" if trial.stopped else trial.state
            right = None if labels is None or trial.score is None else _right(store, task.target, trial, labels)
            found.append(
                Trial(
                    task.adapter, list(task.sources), task.target, trial.number, trial.settings, search.select, state,
                    trial.score, trial.steps, trial.number == task.chosen, trial.name, right,
                )
            )  # fmt: skip
    return found


def mixed_trials(store: ResultsReader) -> Mixed:
    """Return in what the runs of the trials differ that may change their scores."""
    trials = [trial for task in store.read_sweep().search for trial in task.trials]
    return mixed(store.environment(where) for trial in trials for where in store.places(trial.run))


def _right(store: ResultsReader, target: str, trial: TrialRecord, labels: Any) -> float:
    record = store.find(trial.run, network=False)
    if record is None:
        raise StoreError(f"{store.place}: the trial {trial.name} is not there (a pack has none); ask the sweep's own folder")
    return round(100 * float(np.mean(record.logits(target)[-1].argmax(1) == labels)), 4)


def searched_by(search: SearchTable | SearchConfig | None) -> str:
    """Say how the hyper-parameters of a sweep were chosen, of the oracle that it looked at labels; nothing without a search."""
    if not search:
        return ""
    by_labels = " ON TARGET LABELS of the validation split (a bound, no result)" if search.select == ORACLE else ""
    return f"hyper-parameters chosen by '{search.select}'{by_labels} over {search.trials} trials per task"
