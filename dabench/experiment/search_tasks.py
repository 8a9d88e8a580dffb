"""The tasks of a search: an adapter, its sources and its target. Each task is searched separately."""

from __future__ import annotations

from dataclasses import dataclass

from dabench.experiment.plan import Plan, adaptation, pretraining, source_only
from dabench.storage.schema import Run, Settings, TrialConfig


@dataclass(frozen=True)
class SearchTask:
    """An adapter with its sources and its target.

    For a method that does not adapt (`none`), the target is the dataset that it is tested on, which may be its own source.
    Its trial is chosen by the scores for that dataset, as for every adapter.
    """

    adapter: str
    sources: tuple[str, ...]
    target: str

    @property
    def name(self) -> str:
        """A readable name that can name a file."""
        return f"{self.adapter}_{'+'.join(self.sources)}_{self.target}".replace("/", "-")


def tasks_of(plan: Plan) -> list[SearchTask]:
    """Return the tasks of a sweep: one for each cell of `none`, and one for each adapter and pair."""
    return [
        SearchTask(name, sources, test)
        for name, sources, target in plan.networks
        for test in ([target] if target else plan.sweep.datasets)
    ]


def runs_of(plan: Plan, task: SearchTask, seed: int, settings: Settings, probe: TrialConfig | None = None) -> tuple[Run, ...]:
    """Return the runs of a task for one seed, in order. The last run is tested.

    Args:
        probe: what they do in addition as a trial. A pretraining is never stopped early, because other tasks start from it.
    """
    kept = TrialConfig(validates=True) if probe and probe.validates else None
    adapter = plan.adapters[task.adapter]
    if not adapter.adapts() and adapter.shares_pretraining():
        return tuple(source_only(plan, task.sources, seed, settings, kept))
    first = pretraining(plan, task.adapter, task.sources, seed, settings, kept)
    if not adapter.adapts():
        return (first,)
    return first, adaptation(plan, task.adapter, first, task.target, settings, probe)
