"""Execute a sweep: find its complete runs, do the others, and keep them in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from dabench.execution.event_lines import EventWriter
from dabench.execution.options import ExecutionOptions
from dabench.execution.queue import Event, Execution
from dabench.execution.recorder import SweepOutcome, SweepRecorder, left_out, remove_runs
from dabench.execution.signals import interruptible
from dabench.experiment.plan import Plan
from dabench.experiment.schedule import schedule_of
from dabench.experiment.sweep_file import SweepFile
from dabench.plugins.registry import Registry
from dabench.storage.events import WriteLine, event_log
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run


@dataclass(frozen=True)
class SweepCallbacks:
    """Callbacks of a sweep.

    Attributes:
        listen: called with each event of a run.
        expect: called with the pending runs, at the start and whenever a search changes them.
        notify: called with each message, one line per call.
        write: each is called with every event as a line of JSON.
    """

    listen: Callable[[Event], None] = lambda event: None
    expect: Callable[[Sequence[Run]], None] = lambda left: None
    notify: Callable[[str], None] = lambda line: None
    write: Sequence[WriteLine] = ()


def execute_sweep(
    file: SweepFile,
    plan: Plan,
    store: RunStore,
    registry: Registry,
    options: ExecutionOptions,
    *,
    callbacks: SweepCallbacks = SweepCallbacks(),
    resume_command: str = "",
) -> SweepOutcome:
    """Do the missing runs of a plan and keep them in `store`, which the caller has locked (`RunStore.exclusive`).

    Args:
        resume_command: the command that continues the sweep, shown by `dabench status`.

    Raises:
        StoreError: the store belongs to another sweep or cannot be written.
        StoppedError: the sweep was ended because no further run could succeed.
    """
    schedule = schedule_of(plan, store)
    runs = schedule.begin()
    if options.redo or runs:
        from dabench.execution.resources import fit_to_machine, resource_needs  # imports torch

        options = fit_to_machine(plan, resource_needs(plan, callbacks.notify), options, callbacks.notify)
    if options.redo:
        remove_runs(store, schedule.expected())
        schedule = schedule_of(plan, store)
        runs = schedule.begin()
    if left := left_out(store, plan):
        callbacks.notify(left)
    keep = SweepRecorder(file, plan, store, schedule)
    keep.claim_store()
    stopped = _do(runs, keep, registry, options, callbacks, resume_command)
    store.remove_abandoned()
    return keep.outcome(stopped)


def _do(
    runs: Sequence[Run],
    keep: SweepRecorder,
    registry: Registry,
    options: ExecutionOptions,
    callbacks: SweepCallbacks,
    resume_command: str,
) -> bool:
    """Do `runs` and their follow-up runs; return whether the user stopped the sweep."""
    plan, store = keep.plan, keep.store
    pending = keep.left()
    if pending:
        callbacks.notify(_beginning(plan, store, len(keep.schedule.complete), len(pending)))
        callbacks.expect(pending)
    listed = store.listed()
    for run in runs:
        if problem := store.damage(run.digest, among=listed):
            callbacks.notify(f"{run.name}: its folder is damaged ({problem}); it is run again")
    with ExitStack() as stack:
        kept = [stack.enter_context(event_log(store.folder / "events"))] if runs else []
        lines = EventWriter([*kept, *callbacks.write], plan.sweep.name, len(keep.schedule.complete), len(pending), resume_command)
        stack.enter_context(lines)
        keep.expect += [lines.expect, callbacks.expect]

        def tell(event: Event) -> None:
            keep(event)
            lines(event)
            callbacks.listen(event)

        try:
            if runs:
                with interruptible(store.sweep_lock.stop, callbacks.notify):
                    _engine(options)(runs, Execution(plan, store, registry, options, tell, keep.grow))
        except KeyboardInterrupt:
            lines.outcome = "stopped"
        keep.write_now()
    return lines.outcome == "stopped"


def _beginning(plan: Plan, store: RunStore, complete: int, pending: int) -> str:
    about = "about " if plan.sweep.search.trials else ""  # before a search, the number of its runs is an estimate
    return f"{plan.sweep.name}: {about}{complete + pending} runs, {complete} complete, {about}{pending} to do -> {store.folder}"


def _engine(options: ExecutionOptions) -> Callable[[Sequence[Run], Execution], None]:
    if options.engine == "inline":
        from dabench.execution import inline

        return inline.run_all
    from dabench.execution.ray import engine

    return engine.run_all
