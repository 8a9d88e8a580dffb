"""A sweep from its file to its store: plan, find what is finished, do the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from dabench.execution.event_lines import Lines
from dabench.execution.options import How
from dabench.execution.queue import Event, Execution
from dabench.execution.recorder import Keeper, Outcome, forget
from dabench.execution.signals import interruptible
from dabench.experiment.plan import Plan
from dabench.experiment.schedule import agenda_of
from dabench.experiment.sweep_file import SweepFile
from dabench.plugins.registry import Registry
from dabench.storage.events import Write, session
from dabench.storage.run_store import Store
from dabench.storage.schema import Run


@dataclass(frozen=True)
class Told:
    """Who is told of a sweep as it goes on.

    Attributes:
        listen: is told of each run.
        expect: is told, at the start and as a search goes on, what is left to be begun.
        say: is told what else happens, one line a call.
        write: each is given all events as lines of JSON.
    """

    listen: Callable[[Event], None] = lambda event: None
    expect: Callable[[Sequence[Run]], None] = lambda left: None
    say: Callable[[str], None] = lambda line: None
    write: Sequence[Write] = ()


def carry_out(
    file: SweepFile,
    plan: Plan,
    store: Store,
    registry: Registry,
    how: How,
    *,
    told: Told = Told(),
    again: str = "",
) -> Outcome:
    """Do what is missing of a plan and keep it in `store`, which the caller holds (Store.alone).

    Args:
        again: the command that goes on with the sweep, for who asks how far it is.

    Raises:
        StoreError: the store is another sweep's or cannot be written.
        StoppedError: it ended before its runs did, since going on had no sense.
    """
    agenda = agenda_of(plan, store)
    runs = agenda.begin()
    if how.redo or runs:
        from dabench.execution.resources import fitted, need  # imports torch

        how = fitted(plan, need(plan), how, told.say)
    if how.redo:
        forget(store, agenda.expected())
        agenda = agenda_of(plan, store)
        runs = agenda.begin()
    keep = Keeper(file, plan, store, agenda)
    keep.take()
    return keep.outcome(_do(runs, keep, registry, how, told, again))


def _do(runs: Sequence[Run], keep: Keeper, registry: Registry, how: How, told: Told, again: str) -> bool:
    """Do `runs` and what comes of them; return whether the user stopped it."""
    plan, store = keep.plan, keep.store
    left = keep.left()
    if left:
        told.say(_beginning(plan, store, len(keep.agenda.stood), len(left)))
        told.expect(left)
    listed = store.listed()
    for run in runs:
        if problem := store.damage(run.digest, among=listed):
            told.say(f"{run.name}: its folder is damaged ({problem}); it is done again")
    with ExitStack() as stack:
        kept = [stack.enter_context(session(store.folder / "events"))] if runs else []
        lines = Lines([*kept, *told.write], plan.sweep.name, len(keep.agenda.stood), len(left), again)
        stack.enter_context(lines)
        keep.expect += [lines.expect, told.expect]

        def tell(event: Event) -> None:
            keep(event)
            lines(event)
            told.listen(event)

        try:
            if runs:
                with interruptible(store.ongoing.stop, told.say):
                    _engine(how)(runs, Execution(plan, store, registry, how, tell, keep.grow))
        except KeyboardInterrupt:
            lines.outcome = "stopped"
        keep.now()
    return lines.outcome == "stopped"


def _beginning(plan: Plan, store: Store, stand: int, left: int) -> str:
    about = "about " if plan.sweep.search.trials else ""  # how many a search does is a guess before
    return f"{plan.sweep.name}: {about}{stand + left} runs, {stand} stand, {about}{left} to do -> {store.folder}"


def _engine(how: How) -> Callable[[Sequence[Run], Execution], None]:
    if how.engine == "inline":
        from dabench.execution import inline

        return inline.run_all
    from dabench.execution.ray import engine as ray

    return ray.run_all
