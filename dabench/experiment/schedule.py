"""What a sweep has to do: all of it known when it begins, or, of a sweep with a search, more as results come."""

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
        complete: digests of the runs that stood when they became known.
    """

    complete: set[str]

    def begin(self) -> list[Run]:
        """Return the runs to do first."""

    def grow(self, run: Run, done: bool) -> Iterable[Run]:
        """Return the runs to do because a run came to its end, done or not."""

    def expected(self) -> Sequence[Run]:
        """Return all runs, those that stand too, as far as they are known; the others have stand-ins."""

    @property
    def table_runs(self) -> Sequence[Run]:
        """The runs that make the table, as far as they are known."""

    def searched(self) -> Sequence[SearchRecord]:
        """Return what sweep.json holds of a search, task by task; nothing where there is none."""

    @property
    def trials(self) -> Sequence[Run]:
        """The runs of the trials of a search so far."""

    def failed_tasks(self) -> list[str]:
        """Return the names of the tasks of a search that came to nothing, since every trial failed."""


class FixedSchedule:
    """All runs of a plan without a search."""

    def __init__(self, plan: Plan, store: RunStore) -> None:
        self.plan, self.store = plan, store
        self.complete: set[str] = set()

    def begin(self) -> list[Run]:
        """Return what is missing."""
        self.complete = complete_runs(self.plan, self.store)
        return pending_runs(self.plan, self.complete)

    def grow(self, run: Run, done: bool) -> Iterable[Run]:
        """Return nothing: all was known."""
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
        """None: there is no search."""
        return ()

    def failed_tasks(self) -> list[str]:
        """Return nothing: there is no search."""
        return []


def schedule_of(plan: Plan, store: RunStore) -> RunSchedule:
    """Return what a plan has to do, where `store` holds what is done."""
    return HyperparameterSearch(plan, store) if plan.sweep.search.trials else FixedSchedule(plan, store)


def complete_runs(plan: Plan, store: RunStore) -> set[str]:
    """Return the digests of the plan's runs that stand in the store, whole."""
    listed = store.listed()
    return {r.digest for r in plan.runs if store.find(r.digest, plan.test_digests(r), among=listed)}


def pending_runs(plan: Plan, complete: set[str]) -> list[Run]:
    """Return the runs to do: what is missing, in order."""
    return launch_order([r for r in plan.runs if r.digest not in complete])


def launch_order(runs: Sequence[Run]) -> list[Run]:
    """Return runs in the order in which they are best begun: the longest chains first."""
    chains = {r.parent for r in runs if r.parent}
    # A method's own pretraining is the longest single piece of work: begun last, it would end alone.
    return sorted(runs, key=lambda r: (r.digest not in chains, r.method == SUPERVISED))
