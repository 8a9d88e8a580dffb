"""Hyperparameter search: propose trials, collect their scores, and schedule the final runs of each task.

All results are in the store, so a restarted search finds its complete trials there and continues after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dabench.experiment.plan import Plan
from dabench.experiment.samplers import Sampler, is_sequential, random_sampler, sampler_of
from dabench.experiment.search_tasks import SearchTask, runs_of, tasks_of
from dabench.experiment.trial_scores import LabelArray, ScoredTrial, bar, best_trials, scored
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run, SearchRecord, Settings, TrialConfig, TrialRecord
from dabench.training.selection import ORACLE


@dataclass
class TaskTrial:
    """A trial of a task: its settings, its runs (the last one is scored), and its result once it is settled."""

    settings: Settings
    runs: tuple[Run, ...]
    settled: bool = False
    found: ScoredTrial | None = None


@dataclass
class TaskSearch:
    """A task with its trials, the number of the chosen trial, and the final runs of each seed of the sweep.

    Attributes:
        tied: the number of other trials with the best score; the first of them is chosen.
    """

    task: SearchTask
    proposals: Sampler
    trials: list[TaskTrial] = field(default_factory=list)
    chosen: int | None = None
    tied: int = 0
    finals: dict[int, tuple[Run, ...]] = field(default_factory=dict)
    over: bool = False


class HyperparameterSearch:
    """The search of a sweep.

    Attributes:
        studies: the searches of the tasks.
        runs: every run known so far, including trials, by digest.
        complete: digests of the runs that were already complete in the store when they were scheduled.
    """

    def __init__(self, plan: Plan, store: RunStore) -> None:
        self.plan, self.store, self.search = plan, store, plan.sweep.search
        self.studies = [TaskSearch(task, sampler_of(self.search, task.adapter)) for task in tasks_of(plan)]
        self.runs: dict[str, Run] = {}
        self.complete: set[str] = set()
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._waiting: dict[str, list[tuple[TaskSearch, int]]] = {}
        self._new: list[Run] = []
        self._labels: dict[str, LabelArray] = {}

    def begin(self) -> list[Run]:
        """Return the runs that are known at the start."""
        for study in self.studies:
            self._go_on(study)
        return self._taken()

    def grow(self, run: Run, done: bool) -> list[Run]:
        """Record the end of a run, successful (`done`) or not, and return the runs that follow from it."""
        (self._done if done else self._failed).add(run.digest)
        for study, number in self._waiting.pop(run.digest, ()):
            self._settle(study, number, done)
            self._go_on(study)
        return self._taken()

    def expected(self) -> list[Run]:
        """Return all known runs, and placeholders of the same kind and number for the others."""
        found = dict(self.runs)
        for at, study in enumerate(self.studies):
            stand_ins = random_sampler(self.search, study.task.adapter)
            tried = [trial.settings for trial in study.trials]
            tried += [stand_ins.ask(n) for n in range(len(tried), self.search.trials)]
            of = [(self.search.seed, settings) for settings in tried[len(study.trials) :]]
            if study.chosen is None:  # another setting per task, so that no pretraining is shared
                of += [(seed, tried[at % len(tried)]) for seed in self.plan.sweep.seed_list]
            found |= {run.digest: run for seed, settings in of for run in runs_of(self.plan, study.task, seed, settings)}
        return list(found.values())

    def failed_tasks(self) -> list[str]:
        """Return the names of the tasks of which every trial failed."""
        return [study.task.name for study in self.studies if study.over and study.chosen is None]

    @property
    def table_runs(self) -> list[Run]:
        """The runs of the tables, for the tasks with a chosen trial, each once."""
        return _each_once(run for study in self.studies for runs in study.finals.values() for run in runs)

    def _go_on(self, study: TaskSearch) -> None:
        """Start as many trials as possible now. When all are settled, choose one."""
        ahead = 1 if is_sequential(self.search) else self.search.trials
        while not study.over:
            open_ = sum(not t.settled for t in study.trials)
            if len(study.trials) < self.search.trials:
                if open_ >= ahead:
                    return
                self._try(study)
            elif open_:
                return
            else:
                self._choose(study)

    def _try(self, study: TaskSearch) -> None:
        number = len(study.trials)
        settings = study.proposals.ask(number)
        runs = runs_of(self.plan, study.task, self.search.seed, settings, self._probe(study))
        study.trials.append(TaskTrial(settings, runs))
        self._want(runs)
        last = runs[-1].digest
        if last in self.complete or last in self._done:
            self._settle(study, number, True)
        elif self._failed & {run.digest for run in runs}:
            self._settle(study, number, False)
        else:
            self._waiting.setdefault(last, []).append((study, number))

    def _probe(self, study: TaskSearch) -> TrialConfig | None:
        if self.search.select == ORACLE:
            return TrialConfig(validates=True)
        if not self.search.early_stopping:
            return None
        earlier = [trial.found.scores for trial in study.trials if trial.found]
        found = bar(earlier, self.plan.sweep.train.checkpoints)
        return TrialConfig(rule=self.search.select, bar=found) if found else None

    def _settle(self, study: TaskSearch, number: int, done: bool) -> None:
        trial, task = study.trials[number], study.task
        trial.settled = True
        record = self.store.find(trial.runs[-1].digest, network=False) if done else None
        if record:
            trial.found = scored(record, task.target, self.search.select, self._validation(task.target))
        study.proposals.tell(number, trial.found.score if trial.found else None)

    def _validation(self, target: str) -> LabelArray | None:
        """Return the labels of the target's validation split if the search uses the oracle. Test labels are never used."""
        if self.search.select != ORACLE:
            return None
        if target not in self._labels:
            self._labels[target] = self.plan.prepared[target].labels("val")
        return self._labels[target]

    def _choose(self, study: TaskSearch) -> None:
        study.over = True
        best = best_trials({n: trial.found for n, trial in enumerate(study.trials)})
        if best:
            study.chosen, study.tied = best[0], len(best) - 1
            settings = study.trials[study.chosen].settings
            for seed in self.plan.sweep.seed_list:
                study.finals[seed] = runs_of(self.plan, study.task, seed, settings)
                self._want(study.finals[seed])

    def _want(self, runs: Iterable[Run]) -> None:
        for run in runs:
            if run.digest not in self.runs:
                self.runs[run.digest] = run
                if self.store.find(run.digest, self.plan.test_digests(run)):
                    self.complete.add(run.digest)
                else:
                    self._new.append(run)

    def _taken(self) -> list[Run]:
        taken, self._new = self._new, []
        return taken

    def searched(self) -> tuple[SearchRecord, ...]:
        """Return the search records of sweep.json: the trials of every task and the chosen one."""
        return tuple(
            SearchRecord(
                study.task.adapter,
                study.task.sources,
                study.task.target,
                study.chosen,
                {seed: runs[-1].digest for seed, runs in study.finals.items()},
                tuple(_trials(study)),
                study.tied,
            )
            for study in self.studies
        )

    @property
    def trials(self) -> list[Run]:
        """The runs of all trials so far, each once."""
        return _each_once(run for study in self.studies for trial in study.trials for run in trial.runs)


def _each_once(runs: Iterable[Run]) -> list[Run]:
    return list({run.digest: run for run in runs}.values())


def _trials(study: TaskSearch) -> Iterator[TrialRecord]:
    for number, trial in enumerate(study.trials):
        found, run = trial.found, trial.runs[-1]
        state = "waiting" if not trial.settled else "done" if found else "failed"
        yield TrialRecord(
            number,
            run.digest,
            run.name,
            dict(trial.settings),
            state,
            found.score if found else None,
            found.steps if found else None,
            found.stopped if found else False,
        )
