"""The command sweep: plan a sweep, or run and report it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import fields
from typing import TYPE_CHECKING

from dabench.cli.common import DONE, FAILED, CommandAdder, stdout_console, takes_data, takes_set
from dabench.errors import SpecError, StoppedError, UnwritableError
from dabench.execution.options import ExecutionOptions
from dabench.plugins.contract import SOURCE_ONLY, SUPERVISED
from dabench.storage.clock import clock
from dabench.storage.remote_fs import keyless

if TYPE_CHECKING:
    from dabench.api import SweepRequest
    from dabench.execution.estimate import Cost
    from dabench.execution.recorder import SweepOutcome
    from dabench.experiment.plan import Plan
    from dabench.storage.schema import Run

_TRAININGS = {SUPERVISED: "trainings", SOURCE_ONLY: "longer trainings on the source, as long as the longest adaptation"}
"""What the runs of these methods are called."""


def add(verb: CommandAdder) -> None:
    """Add the command of this module."""
    sub = verb("sweep", _sweep, "run the missing runs of a sweep and write its report", plugins=True)
    sub.add_argument("sweep", help="a bundled sweep (see: dabench list sweeps) or the path of a .toml file")
    sub.add_argument("--plan", action="store_true", help="print what would run, with time, memory and disk; train nothing")
    sub.add_argument("-v", "--verbose", action="store_true", help="with --plan: also list every run")
    sub.add_argument("--out", metavar="DIR", help="output folder, or a remote address (s3://...); default: runs/NAME")
    takes_set(sub, "override a key of the sweep, for example --set train.epochs=2")
    takes_data(sub)
    sub.add_argument(
        "--log-json",
        metavar="FILE",
        help="append each event as a line of JSON; -: print events to standard output and tables to standard error",
    )
    sub.add_argument("--tensorboard", action="store_true", help="write TensorBoard logs of all runs into OUT/tensorboard")
    group = sub.add_argument_group(
        "execution options", "they do not affect results; options not given are chosen for this machine"
    )
    for option in fields(ExecutionOptions):
        group.add_argument(_flag(option.name), default=option.default, **option.metadata)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _request(a: argparse.Namespace) -> SweepRequest:
    from dabench.api import SweepRequest

    options = ExecutionOptions(**{option.name: getattr(a, option.name) for option in fields(ExecutionOptions)})
    return SweepRequest(a.sweep, a.out, a.set, a.plugin, a.data, options, False, a.log_json, a.tensorboard, _again(a))


def _sweep(a: argparse.Namespace) -> int:
    from dabench import api

    if a.plan:
        return _plan(a)
    if a.verbose:
        raise SpecError("--verbose: lists the runs of a plan; add --plan")
    from dabench.reporting.terminal import print_matrix

    try:
        outcome, matrix = api.run_sweep(_request(a))
    except KeyboardInterrupt:
        print(f"dabench: stopped; complete runs are kept. Continue with: {_again(a)}", file=sys.stderr)
        return FAILED
    except (StoppedError, UnwritableError) as e:
        print(f"dabench: error: {e}\ndabench: stopped; complete runs are kept. Continue with: {_again(a)}", file=sys.stderr)
        return e.exit_code
    with redirect_stdout(sys.stderr if a.log_json == "-" else sys.stdout):
        print_matrix(matrix, stdout_console())
        _print_end(outcome, a)
    return FAILED if outcome.failed else DONE


def _print_end(outcome: SweepOutcome, a: argparse.Namespace) -> None:
    folder = shlex.quote(str(outcome.store.folder))  # a path with blanks, for the commands below
    print(f"\n{outcome.completed} completed, {outcome.already_complete} already complete, {outcome.failed} failed.")
    if outcome.trials_failed:
        print(
            f"{outcome.trials_failed} runs of trials failed; their trials are not chosen. See: dabench report {folder} --trials"
        )
    if outcome.failed:
        print(f"Reasons: {folder}/failed/. Output of the runs: {folder}/logs/. dabench status {folder} shows both.")
        print(f"Run the failed runs again with: {_again(a)}")
    elif outcome.searched:
        print(f"Next: dabench report {folder} --trials, or dabench cite {folder}")
    else:
        print(f"Next: dabench report {folder} --metric balanced-accuracy, or dabench cite {folder}")
    print(f"Report: {folder}/report/index.html")
    if a.tensorboard:
        print(f"TensorBoard: tensorboard --logdir {folder}/tensorboard (needs: pip install tensorboard)")


def _again(a: argparse.Namespace) -> str:
    """Return the command that continues the sweep. It is printed and logged, so credentials in an address are left out."""
    words = ["dabench", "sweep", a.sweep]
    words += [w for f in a.plugin for w in ("--plugin", f)] + [w for s in a.set for w in ("--set", s)]
    words += ["--out", keyless(a.out)] if a.out else []
    words += ["--data", a.data] if a.data else []
    words += ["--tensorboard"] if a.tensorboard else []
    words += ["--log-json", a.log_json] if a.log_json else []
    for option in fields(ExecutionOptions):
        value = getattr(a, option.name)
        if value != option.default and option.name != "redo":
            words += [_flag(option.name), value if isinstance(value, str) else f"{value:g}"]
    return shlex.join(words)


def _plan(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.analysis.environments import mixed_text
    from dabench.reporting.intervals import planned_text
    from dabench.reporting.tables import dropped_text

    planned = api.plan_sweep(_request(a))
    plan = planned.plan
    for name, prepared in plan.prepared.items():
        print(f"{name}: {_splits(plan, name)}; digest {plan.digest_of(name)[:12]}")
        if prepared.dropped:
            print(f"  {dropped_text(prepared.dropped)}")
    if several := sum(len(sources) > 1 for sources, _ in plan.sweep.tasks):
        print(f"{len(plan.sweep.tasks)} tasks: {len(plan.sweep.tasks) - several} with one source, {several} with several")
    print(f"network {plan.backbone.name}, input {plan.channels}x{plan.input_size}x{plan.input_size}, {len(plan.classes)} classes")
    for run in plan.runs if a.verbose else ():
        took = f", about {clock(planned.cost.seconds[run.digest])}" if planned.cost and run.digest not in planned.complete else ""
        state = "complete" if run.digest in planned.complete else f"to do{took}"
        print(f"  {run.name:<60} {state}")
    print(f"{len(plan.runs)} runs: {len(planned.complete)} complete, {len(planned.pending)} to do")
    for kind, runs in _kinds(plan.runs).items():
        print(f"  {len(runs)} {kind}: {sum(r.digest in planned.complete for r in runs)} complete")
    if planned.pending and plan.sweep.search.trials:
        print("The final runs depend on the settings that the search chooses; their number is an estimate.")
    if planned.pending and planned.cost:
        print("\n".join(_cost(planned.options, planned.cost)))
    tests = {of.short_name: sum(data[name].count("test") for data in plan.divisions) for name, of in plan.datasets.items()}
    print(planned_text(len(plan.sweep.seed_list), tests))
    if planned.mixed:
        print(f"Mixed runs: {mixed_text(planned.mixed)}. To compute all runs again alike: --redo")
    return DONE


def _splits(plan: Plan, name: str) -> str:
    """Return the numbers of images of a dataset by split; with folds, their ranges over folds."""
    from dabench.reporting.tables import folds_text, size_range

    parts = [data[name] for data in plan.divisions]
    sizes = ", ".join(f"{split} {size_range([p.count(split) for p in parts])}" for split in parts[0].splits)
    folds = folds_text(plan.sweep.folds, len(plan.folds))
    return f"{folds}, each with {sizes}" if folds else sizes


def _kinds(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs by what they do: trainings, and adaptations by adapter."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        training = _TRAININGS.get(run.method, f"trainings of {run.method}")
        found.setdefault(f"adaptations by {run.method}" if run.target else training, []).append(run)
    return found


def _cost(options: ExecutionOptions, cost: Cost) -> list[str]:
    from dabench.execution.gpu import size

    gpu = f", {clock(cost.gpu)} of GPU time (GPUs per run: {options.gpus_per_run:g})" if cost.gpu else ""
    memory = [] if cost.memory is None else [f"memory: {size(cost.memory)} per run"]
    disk = [] if cost.disk is None else [f"disk: {size(cost.disk)}"]
    return [
        f"time: about {clock(cost.wall)} on this machine, runs in parallel: {options.max_parallel}; "
        f"{clock(cost.cpu)} of core time (cores per run: {options.cpus_per_run:g}){gpu}",
        *memory,
        *disk,
    ]
