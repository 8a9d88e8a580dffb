"""Read the trials of a search from a store: settings, scores and choices of each task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dabench.analysis.environments import Mixed, mixed
from dabench.errors import SpecError, StoreError
from dabench.experiment.config import SearchConfig
from dabench.storage.reader import ResultsReader
from dabench.storage.schema import SearchTable, SweepRecord, TrialRecord
from dabench.training.selection import ORACLE

_NAMED = 3
"""Most tasks with ties that are named."""

TIE_BREAK = "the lowest trial number"
"""Which of several trials with the best score is chosen."""


@dataclass(frozen=True)
class Trial:
    """A setting that was tried for a task, on the seed of the search.

    Attributes:
        settings: the settings tried, such as {"train.lr": 0.01}.
        rule: the selection rule; for 'oracle', the score is accuracy on the validation labels of the target.
        state: "done", "stopped" (early), "failed", or "waiting".
        score: score at its end; higher is better. None if there is none.
        steps: steps done.
        run: name of the scored run.
        accuracy_by_test_labels: accuracy on the test split of the target, in %; None if not requested.
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
        """The task as text; scores of different tasks cannot be compared."""
        return f"{self.adapter}: {'+'.join(self.sources)} -> {self.target}"

    @property
    def setting(self) -> str:
        """The settings as text."""
        return ", ".join(f"{key} = {value}" for key, value in self.settings.items())


def read_trials(store: ResultsReader, *, test_accuracy: bool = False) -> list[Trial]:
    """Return all trials, task by task.

    Args:
        test_accuracy: also compute accuracy from test labels, to see the cost of the choice.

    Raises:
        SpecError: the sweep has no search.
        StoreError: the runs of the trials are missing, as in a pack.
    """
    record = store.read_sweep()
    search = record.sweep.search
    if search is None:
        raise SpecError(f"{store.place}: its sweep has no search; add [search] with trials = 8, or --set search.trials=8")
    found = []
    for task in record.search:
        labels = store.dataset(task.target).labels if test_accuracy and task.target not in record.unlabelled else None
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


def tied_text(record: SweepRecord) -> str:
    """Return in how many tasks the best score is that of several trials, and what broke the tie; "" if in none."""
    tied = [f"{t.adapter}: {'+'.join(t.sources)} -> {t.target} ({t.tied + 1} trials)" for t in record.search if t.tied]
    more = f" and {len(tied) - _NAMED} more" if len(tied) > _NAMED else ""
    of = f"{len(tied)} of {len(record.search)} tasks: {'; '.join(tied[:_NAMED])}{more}"
    return f"Several trials tie for the best score in {of}. {TIE_BREAK.capitalize()} was chosen." if tied else ""


def mixed_trials(store: ResultsReader) -> Mixed:
    """Return in which properties that can change scores the runs of the trials differ."""
    trials = [trial for task in store.read_sweep().search for trial in task.trials]
    return mixed(store.environment(where) for trial in trials for where in store.places(trial.run))


def _right(store: ResultsReader, target: str, trial: TrialRecord, labels: Any) -> float:
    record = store.find(trial.run, network=False)
    if record is None:
        raise StoreError(
            f"{store.place}: the run {trial.name} of a trial is missing (a pack has none); use the output folder of the sweep"
        )
    return round(100 * float(np.mean(record.logits(target)[-1].argmax(1) == labels)), 4)


def searched_by(search: SearchTable | SearchConfig | None) -> str:
    """Return in words how hyperparameters were chosen, with a mark for the oracle; "" without a search."""
    if not search:
        return ""
    by_labels = " FROM TARGET LABELS of the validation split (a bound, not a result)" if search.select == ORACLE else ""
    return f"hyperparameters chosen by '{search.select}'{by_labels} over {search.trials} trials per task"
