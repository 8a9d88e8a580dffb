"""What a search is made for: an adapter, its sources, its target. Each such task is searched by itself."""

from __future__ import annotations

from dataclasses import dataclass

from dabench.job import Probe
from dabench.plan import Plan, Run, adaptation, pretraining
from dabench.settings import Settings


@dataclass(frozen=True)
class Task:
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


def tasks_of(plan: Plan) -> list[Task]:
    """Return the tasks of a sweep: one for each cell of `none`, and one for each adapter and pair."""
    sweep, found = plan.sweep, []
    begun = dict.fromkeys(sources for sources, _ in sweep.tasks)
    rows = dict.fromkeys([(d,) for d in sweep.datasets]) | begun
    for name, adapter in plan.adapters.items():
        if adapter.adapts():
            found += [Task(name, sources, target) for sources, target in sweep.tasks]
        else:
            alone = rows if adapter.shares_pretraining() else begun
            found += [Task(name, sources, target) for sources in alone for target in sweep.datasets]
    return found


def runs_of(plan: Plan, task: Task, seed: int, settings: Settings, probe: Probe | None = None) -> tuple[Run, ...]:
    """Return the runs that a task needs of one seed, in their order; the last is what is tested.

    Args:
        probe: what they do beside as a trial. A pretraining, which other tasks start from, is never ended early.
    """
    kept = Probe(validates=True) if probe and probe.validates else None
    first = pretraining(plan, task.adapter, task.sources, seed, settings, kept)
    if not plan.adapters[task.adapter].adapts():
        return (first,)
    return first, adaptation(plan, task.adapter, first, task.target, settings, probe)
