"""Schedule the runs of a sweep. All runs are known at the start, unless a search adds runs as results arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from dabench.experiment.plan import Plan
from dabench.experiment.search import HyperparameterSearch
from dabench.plugins.contract import SUPERVISED
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run, SearchRecord


class RunSchedule(Protocol):
    """The runs of a sweep.

    Attributes:
        complete: digests of the runs that were already complete in the store when they were scheduled.
    """

    complete: set[str]

    def begin(self) -> list[Run]:
        """Return the runs to execute first."""

    def grow(self, run: Run, done: bool) -> Iterable[Run]:
        """Return the runs that become possible after a run has ended, successfully (`done`) or not."""

    def expected(self) -> Sequence[Run]:
        """Return all runs, including complete ones. Runs that are not yet known are replaced by placeholders."""

    @property
    def table_runs(self) -> Sequence[Run]:
        """The known runs of the tables."""

    def searched(self) -> Sequence[SearchRecord]:
        """Return the search records of sweep.json, one per task; empty without a search."""

    @property
    def trials(self) -> Sequence[Run]:
        """The runs of the trials so far."""

    def failed_tasks(self) -> list[str]:
        """Return the names of the tasks of a search of which every trial failed."""


class FixedSchedule:
    """All runs of a plan without a search."""

    def __init__(self, plan: Plan, store: RunStore) -> None:
        self.plan, self.store = plan, store
        self.complete: set[str] = set()

    def begin(self) -> list[Run]:
        """Return the runs that are not complete."""
        self.complete = complete_runs(self.plan, self.store)
        return pending_runs(self.plan, self.complete)

    def grow(self, run: Run, done: bool) -> Iterable[Run]:
        """Return no runs: all were known at the start."""
        return ()

    def expected(self) -> Sequence[Run]:
        """Return the runs of the plan."""
        return self.plan.runs

    @property
    def table_runs(self) -> Sequence[Run]:
        """The runs of the plan."""
        return self.plan.runs

    def searched(self) -> Sequence[SearchRecord]:
        """Return nothing: there is no search."""
        return ()

    @property
    def trials(self) -> Sequence[Run]:
        """Empty: there is no search."""
        return ()

    def failed_tasks(self) -> list[str]:
        """Return nothing: there is no search."""
        return []


def schedule_of(plan: Plan, store: RunStore) -> RunSchedule:
    """Return the schedule of a plan; `store` holds its complete runs."""
    return HyperparameterSearch(plan, store) if plan.sweep.search.trials else FixedSchedule(plan, store)


def complete_runs(plan: Plan, store: RunStore) -> set[str]:
    """Return the digests of the plan's runs that are complete in the store."""
    listed = store.listed()
    return {r.digest for r in plan.runs if store.find(r.digest, plan.test_digests(r), among=listed)}


def pending_runs(plan: Plan, complete: set[str]) -> list[Run]:
    """Return the runs that are not complete, in launch order."""
    return launch_order([r for r in plan.runs if r.digest not in complete])


def launch_order(runs: Sequence[Run]) -> list[Run]:
    """Return runs in launch order: the longest chains first."""
    chains = {r.parent for r in runs if r.parent}
    # A method's own pretraining takes longest. Started last, it would run alone at the end.
    return sorted(runs, key=lambda r: (r.digest not in chains, r.method == SUPERVISED))
