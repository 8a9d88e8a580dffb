"""What a search is made for: an adapter, its sources, its target. Each such task is searched by itself."""

from __future__ import annotations

from dataclasses import dataclass

from dabench.experiment.plan import Plan, adaptation, pretraining
from dabench.storage.schema import Run, Settings, TrialConfig


@dataclass(frozen=True)
class SearchTask:
    """An adapter from its sources to a target.

    Of a method that does nothing with a target (`none`), the target is the dataset that it is tested on, its own source among
    them: it is chosen by what can be seen of that dataset, as every adapter is.
    """

    adapter: str
    sources: tuple[str, ...]
    target: str

    @property
    def name(self) -> str:
        """A name for people that can be a file's."""
        return f"{self.adapter}_{'+'.join(self.sources)}_{self.target}".replace("/", "-")


def tasks_of(plan: Plan) -> list[SearchTask]:
    """Return the tasks of a sweep: one for each cell of `none`, and one for each adapter and pair."""
    return [
        SearchTask(name, sources, test)
        for name, sources, target in plan.networks
        for test in ([target] if target else plan.sweep.datasets)
    ]


def runs_of(plan: Plan, task: SearchTask, seed: int, settings: Settings, probe: TrialConfig | None = None) -> tuple[Run, ...]:
    """Return the runs that a task needs of one seed, in their order; the last is what is tested.

    Args:
        probe: what they do beside as a trial. A pretraining, which other tasks start from, is never ended early.
    """
    kept = TrialConfig(validates=True) if probe and probe.validates else None
    first = pretraining(plan, task.adapter, task.sources, seed, settings, kept)
    if not plan.adapters[task.adapter].adapts():
        return (first,)
    return first, adaptation(plan, task.adapter, first, task.target, settings, probe)
