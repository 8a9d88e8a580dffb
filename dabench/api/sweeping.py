"""Sweeps: planned, run, and reported when they are done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench.analysis.environments import Mixed, mixed
from dabench.api.saying import console, note
from dabench.execution.options import How
from dabench.execution.output import Output
from dabench.execution.queue import Event
from dabench.execution.recorder import Outcome
from dabench.execution.sweep import Told, carry_out
from dabench.experiment.plan import Plan
from dabench.experiment.planner import make_plan
from dabench.experiment.schedule import agenda_of, in_order
from dabench.experiment.sweep_file import Overrides, SweepFile, sweep_file
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import REGISTRY
from dabench.storage.paths import data_folder
from dabench.storage.reader import SHORT
from dabench.storage.run_store import Store
from dabench.storage.schema import Run

if TYPE_CHECKING:
    from dabench.analysis.matrix import Matrix
    from dabench.execution.estimate import Cost
    from dabench.execution.tensorboard import Board


@dataclass(frozen=True)
class Planned:
    """What a sweep would do: the plan, what stands already, what is left, how it would be done here and what it may cost.

    Attributes:
        plan: with all runs; where a search is not over, some are stand-ins for runs that are not known yet.
        mixed: in what the runs in the store differ from each other, or from what would be computed now.
    """

    plan: Plan
    there: set[str]
    left: list[Run]
    how: How
    cost: Cost
    mixed: Mixed


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it is asked for: the arguments of `sweep`.

    Attributes:
        how: the execution options.
        again: the command that goes on with it, for who asks how far it is.
    """

    sweep: str | Path | Mapping[str, Any]
    out: str | Path | None = None
    set: Overrides = ()
    plugins: Sequence[str | Path] = ()
    data: str | Path | None = None
    how: How = How()
    quiet: bool = False
    log_json: str | Path | None = None
    tensorboard: bool = False
    again: str = ""

    @property
    def file(self) -> SweepFile:
        """The sweep file, read anew."""
        return sweep_file(self.sweep, self.set, self.plugins)


def plan_sweep(request: SweepRequest) -> Planned:
    """Return what `run_sweep` would do. Prepares the data and trains nothing that is kept."""
    from dabench.execution.estimate import cost
    from dabench.execution.resources import fitted, need

    file = request.file
    store = Output(request.out, file.sweep.name, note).store
    store.check(file.sweep.recipe)
    plan = plan_of(file, request.data, note, request.how)
    agenda = agenda_of(plan, store)
    agenda.begin()
    plan, there = replace(plan, runs=tuple(agenda.expected())), agenda.stood
    left = in_order([run for run in plan.runs if run.digest not in there])
    wants = need(plan)
    how = fitted(plan, wants, replace(request.how, address=None), note)  # what it would take on this machine
    price = cost(plan, left, store, REGISTRY, how, wants)
    return Planned(plan, there, left, how, price, _mixed(plan, there, store))


def _mixed(plan: Plan, there: Collection[str], store: Store) -> Mixed:
    """Return in what the runs of a plan differ that are in the store, complete or out of date, and would be computed now."""
    import torch

    listed = store.listed()
    by_name: dict[str, list[str]] = {}
    for where in chain.from_iterable(listed.values()):
        by_name.setdefault(where.removeprefix("runs/").rpartition("-")[0], []).append(where)
    places = [listed.get(run.digest[:SHORT], []) if run.digest in there else by_name.get(run.name, []) for run in plan.runs]
    now = {"precision": plan.train(()).precision, "device class": plan.device, "torch": str(torch.__version__)}
    return mixed((store.environment(where) for where in chain.from_iterable(places)), now)


def sweep(
    sweep: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    set: Overrides = (),
    plugins: Sequence[str | Path] = (),
    data: str | Path | None = None,
    quiet: bool = False,
    log_json: str | Path | None = None,
    tensorboard: bool = False,
    **execution: Any,
) -> Matrix:
    """Run what is missing of a sweep, write its report, and return its matrix.

    Args:
        sweep: a shelf name such as "quick", the path of a sweep file, or a table of its keys.
        out: output folder, or the address of one elsewhere (s3://bucket/runs/NAME, see dabench.storage.mirror); default runs/NAME.
        set: overrides of keys, {"train.epochs": 2} or ["train.epochs=2"].
        plugins: Python files with plugins.
        data: folder of raw datasets; default DABENCH_DATA.
        quiet: print nothing.
        log_json: append each event to this file as a line of JSON; "-" prints them to standard output.
        tensorboard: write TensorBoard logs of every run into OUT/tensorboard.
        execution: execution options, which change no number: engine="inline", redo=True, at_most=2 and the other flags of
            `dabench sweep`, as fields of dabench.execution.options.How.

    Raises:
        DabenchError: the request is wrong, or the sweep ended before its runs did (StoppedError). Runs that fail raise
            nothing: they are in Matrix.failed.
        KeyboardInterrupt: it was stopped; finished runs are kept and the same call goes on with the rest.
    """
    request = SweepRequest(sweep, out, set, plugins, data, How(**execution), quiet, log_json, tensorboard)
    return run_sweep(request)[1]


def run_sweep(request: SweepRequest) -> tuple[Outcome, Matrix]:
    """Do what `sweep` does and return what came of the runs, too."""
    from dabench.execution.tensorboard import Board

    say: Callable[[str], None] = (lambda line: None) if request.quiet else note
    file = request.file
    place = Output(request.out, file.sweep.name, say)
    store = place.store
    with store.alone(file.sweep.recipe):
        plan = plan_of(file, request.data, say, request.how)
        board = Board(store) if request.tensorboard else None
        with _watched(place, board, request) as told:
            outcome = carry_out(file, plan, store, REGISTRY, request.how, told=told, again=request.again)
        if outcome.interrupted:
            raise KeyboardInterrupt
        if board:
            board.write(outcome.runs)  # those of before, too
        matrix = _reported(store)
        place.close()
    return outcome, matrix


@contextmanager
def _watched(place: Output, board: Board | None, request: SweepRequest) -> Iterator[Told]:
    """Give who is told of a sweep as it goes on; when it ends, all of its output is where it belongs."""
    from dabench.execution.event_lines import lines_to
    from dabench.execution.logs import lasting_stderr
    from dabench.execution.progress import Watch

    with ExitStack() as stack:
        stack.callback(place.close)
        write = [stack.enter_context(lines_to(request.log_json))] if request.log_json else []
        stream = stack.enter_context(lasting_stderr())
        watch = stack.enter_context(Watch(console(request.quiet, stream), place.store.log))

        def listen(event: Event) -> None:
            watch(event)
            if board:
                board(event)

        yield Told(place.listening(listen), watch.expect, watch.say, write)


def _reported(store: Store) -> Matrix:
    from dabench.analysis.baselines import with_published
    from dabench.analysis.matrix import read_matrix
    from dabench.report.write import write_report

    matrix = with_published(read_matrix(store))
    write_report(matrix, store.report)
    return matrix


def plan_of(file: SweepFile, data: str | Path | None, say: Callable[[str], None], how: How = How()) -> Plan:
    """Return the plan of a sweep; prepares its datasets. Raise SpecError with the line that is wrong."""
    gpus, cluster = how.gpus_per_run, how.address is not None
    try:
        return make_plan(file.sweep, REGISTRY, data_folder(data), say, gpus=gpus, cluster=cluster)
    except KeyProblem as e:
        raise file.located(e) from e
