"""sweep: planned, or run and reported."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from dataclasses import fields
from typing import TYPE_CHECKING

from dabench.cli.common import DONE, FAILED, CommandAdder, stdout_console, takes_data, takes_set
from dabench.errors import StoppedError, UnwritableError
from dabench.execution.options import ExecutionOptions
from dabench.storage.clock import clock
from dabench.storage.remote_fs import keyless

if TYPE_CHECKING:
    from dabench.api import SweepRequest
    from dabench.execution.estimate import Cost
    from dabench.execution.recorder import SweepOutcome


def add(verb: CommandAdder) -> None:
    """Add the verbs of this module."""
    sub = verb("sweep", _sweep, "run what is missing of a sweep and report it", plugins=True)
    sub.add_argument("sweep", help="a shelf name (see: dabench list sweeps) or the path of a .toml file")
    sub.add_argument("--plan", action="store_true", help="say what would run and how long it may take; train nothing")
    sub.add_argument("--out", metavar="DIR", help="output folder, or its address elsewhere (s3://...); default: runs/NAME")
    takes_set(sub, "override a key, as --set train.epochs=2")
    takes_data(sub)
    sub.add_argument(
        "--log-json",
        metavar="FILE",
        help="append a line of JSON for each event; -: to standard output, and tables to standard error",
    )
    sub.add_argument("--tensorboard", action="store_true", help="write TensorBoard logs of every run into DIR/tensorboard")
    group = sub.add_argument_group("execution options", "change no number; what is not given is found from the machine")
    for option in fields(ExecutionOptions):
        group.add_argument(_flag(option.name), default=option.default, **option.metadata)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _request(a: argparse.Namespace) -> SweepRequest:
    from dabench.api import SweepRequest

    how = ExecutionOptions(**{option.name: getattr(a, option.name) for option in fields(ExecutionOptions)})
    return SweepRequest(a.sweep, a.out, a.set, a.plugin, a.data, how, False, a.log_json, a.tensorboard, _again(a))


def _sweep(a: argparse.Namespace) -> int:
    from dabench import api

    if a.plan:
        return _plan(a)
    from dabench.reporting.terminal import print_matrix

    try:
        outcome, matrix = api.run_sweep(_request(a))
    except KeyboardInterrupt:
        print(f"dabench: stopped; finished runs are kept. Go on with: {_again(a)}", file=sys.stderr)
        return FAILED
    except (StoppedError, UnwritableError) as e:
        print(f"dabench: error: {e}\ndabench: stopped; finished runs are kept. Go on with: {_again(a)}", file=sys.stderr)
        return e.exit_code
    with redirect_stdout(sys.stderr if a.log_json == "-" else sys.stdout):
        print_matrix(matrix, stdout_console())
        _print_end(outcome, a)
    return FAILED if outcome.failed else DONE


def _print_end(outcome: SweepOutcome, a: argparse.Namespace) -> None:
    folder = outcome.store.folder
    print(f"\n{outcome.completed} runs done now, {outcome.already_complete} stood already, {outcome.failed} failed.")
    if outcome.trials_failed:
        print(f"{outcome.trials_failed} runs of trials failed, and were not chosen: dabench report {folder} --trials")
    if outcome.failed:
        print(f"Reasons: {folder}/failed/, and what the runs said: {folder}/logs/ (dabench status {folder} shows both).")
        print(f"Try the failed runs again with: {_again(a)}")
    elif outcome.searched:
        print(f"Next: dabench report {folder} --trials, or dabench cite {folder}")
    else:
        print(f"Next: dabench report {folder} --metric balanced-accuracy, or dabench cite {folder}")
    print(f"Report: {folder}/report/index.html")
    if a.tensorboard:
        print(f"TensorBoard: tensorboard --logdir {folder}/tensorboard (pip install tensorboard, where it is not there)")


def _again(a: argparse.Namespace) -> str:
    """Return the command that goes on; it is told and logged, so keys in an address are left out."""
    import shlex

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
    from dabench.reporting.tables import dropped_text

    planned = api.plan_sweep(_request(a))
    plan = planned.plan
    for name, prepared in plan.prepared.items():
        print(f"{name}: " + ", ".join(f"{s} {prepared.count(s):,}" for s in prepared.splits) + f"; digest {prepared.digest[:12]}")
        if prepared.dropped:
            print(f"  {dropped_text(prepared.dropped)}")
    print(f"network {plan.backbone.name} on {plan.channels}x{plan.input_size}x{plan.input_size}, {len(plan.classes)} classes")
    for run in plan.runs:
        state = "stands" if run.digest in planned.complete else f"to do, about {clock(planned.cost.seconds[run.digest])}"
        print(f"  {run.name:<60} {state}")
    print(f"{len(plan.runs)} runs: {len(planned.complete)} stand, {len(planned.pending)} to do", end="")
    print(f"; about {clock(planned.cost.wall)} here, {planned.options.max_parallel} side by side" if planned.pending else "")
    if planned.pending and plan.sweep.search.trials:
        print("Which settings a search chooses, and so the runs after its trials, is known then; their number is a guess.")
    if planned.pending:
        print(_price(planned.options, planned.cost))
    if planned.mixed:
        print(f"Mixed runs: {mixed_text(planned.mixed)}. To compute all of them anew, alike: --redo")
    return DONE


def _price(options: ExecutionOptions, cost: Cost) -> str:
    from dabench.execution.resources import size

    words = [f"about {clock(cost.cpu)} of a core ({options.cpus_per_run:g} set aside for each run)"]
    words += [f"{clock(cost.gpu)} of a GPU ({options.gpus_per_run:g} set aside for each run)"] if cost.gpu else []
    words += [] if cost.memory is None else [f"{size(cost.memory)} of memory for each run"]
    words += [] if cost.disk is None else [f"{size(cost.disk)} on disk"]
    return ", ".join(words)
