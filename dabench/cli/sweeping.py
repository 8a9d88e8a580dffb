"""sweep: planned, or run and reported."""

from __future__ import annotations

import argparse
import math
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from dabench.cli.command import DONE, FAILED, Verb, console, takes_data, takes_set
from dabench.engines.how import How
from dabench.errors import StoppedError, UnwritableError
from dabench.far import keyless
from dabench.times import clock

_UNITS = {"s": 1, "m": 60, "h": 3600}
"""What a time may end with, in seconds."""

if TYPE_CHECKING:
    from dabench.estimate import Cost
    from dabench.keeping import Outcome


def add(verb: Verb) -> None:
    """Add the verbs of this module."""
    sub = verb("sweep", _sweep, "run what is missing of a sweep and report it", plugins=True)
    sub.add_argument("sweep", help="a shelf name (see: dabench list sweeps) or the path of a .toml file")
    sub.add_argument("--plan", action="store_true", help="say what would run and how long it may take; train nothing")
    sub.add_argument("--out", metavar="DIR", help="output folder, or its address elsewhere (s3://...); default: runs/NAME")
    takes_set(sub, "override a key, as --set train.epochs=2")
    takes_data(sub)
    sub.add_argument("--engine", choices=("ray", "inline"), default="ray", help="side by side on Ray Tune, or in this process")
    sub.add_argument(
        "--log-json",
        metavar="FILE",
        help="append a line of JSON for each event; -: to standard output, and tables to standard error",
    )
    sub.add_argument("--tensorboard", action="store_true", help="write TensorBoard logs of every run into DIR/tensorboard")
    _takes_how(sub)
    sub.add_argument("--redo", action="store_true", help="run again what is finished")


def _seconds(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write seconds, or minutes or hours as 10m or 2h")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of times; write 0, 1, 2, ...")
    return int(text)


def _takes_how(sub: argparse.ArgumentParser) -> None:
    group = sub.add_argument_group("how it is run here", "changes no number; what is not given is found from the machine")
    group.add_argument("--cpus-per-run", type=float, metavar="N", help="cores set aside for a run; default: train.threads")
    group.add_argument("--gpus-per-run", type=float, metavar="N", help="GPUs set aside for a run, 0.25 for four runs on each")
    group.add_argument("--time-limit", metavar="TIME", type=_seconds, help="stop a run that takes longer: 90 (seconds), 10m, 2h")
    group.add_argument(
        "--retries",
        metavar="N",
        type=_count,
        default=How.retries,
        help=f"try a run again whose worker died or had no memory; default: {How.retries}",
    )
    group.add_argument(
        "--save-every", metavar="TIME", type=_seconds, default=How.save_every,
        help="how often a long run keeps where it stands, at its checkpoints; default: 60",
    )  # fmt: skip
    group.add_argument(
        "--address", metavar="HOST:PORT", help="do the runs on the Ray cluster with this head; auto: that this machine is part of"
    )
    group.add_argument("--at-most", type=int, metavar="N", help="runs side by side at the most; memory is then not checked")


def _how(a: argparse.Namespace) -> How:
    return How(**{field.name: getattr(a, field.name) for field in fields(How)})


def _sweep(a: argparse.Namespace) -> int:
    from dabench import api

    if a.plan:
        return _plan(a)
    from dabench.reporting.terminal import print_matrix

    try:
        outcome, matrix = api.run_sweep(
            a.sweep, out=a.out, set=a.set, plugins=a.plugin, data=a.data, engine=a.engine, redo=a.redo, quiet=False,
            how=_how(a), log_json=a.log_json, tensorboard=a.tensorboard, again=_again(a),
        )  # fmt: skip
    except KeyboardInterrupt:
        print(f"dabench: stopped; finished runs are kept. Go on with: {_again(a)}", file=sys.stderr)
        return FAILED
    except (StoppedError, UnwritableError) as e:
        print(f"dabench: error: {e}\ndabench: stopped; finished runs are kept. Go on with: {_again(a)}", file=sys.stderr)
        return e.exit_code
    with redirect_stdout(sys.stderr if a.log_json == "-" else sys.stdout):
        print_matrix(matrix, console())
        _print_end(outcome, a)
    return FAILED if outcome.failed else DONE


def _print_end(outcome: Outcome, a: argparse.Namespace) -> None:
    folder = outcome.store.folder
    print(f"\n{outcome.done} runs done now, {outcome.there} stood already, {outcome.failed} failed.")
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
    words += ["--engine", a.engine] if a.engine != "ray" else []
    words += ["--tensorboard"] if a.tensorboard else []
    words += ["--log-json", a.log_json] if a.log_json else []
    usual = asdict(How())
    for name, value in asdict(_how(a)).items():
        if value != usual[name]:
            words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else f"{value:g}"]
    return shlex.join(words)


def _plan(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.tables import dropped_text

    planned = api.plan_sweep(a.sweep, out=a.out, set=a.set, plugins=a.plugin, data=a.data, engine=a.engine, how=_how(a))
    plan = planned.plan
    for name, prepared in plan.prepared.items():
        print(f"{name}: " + ", ".join(f"{s} {prepared.count(s):,}" for s in prepared.splits) + f"; digest {prepared.digest[:12]}")
        if prepared.dropped:
            print(f"  {dropped_text(prepared.dropped)}")
    print(f"network {plan.backbone.name} on {plan.channels}x{plan.input_size}x{plan.input_size}, {len(plan.classes)} classes")
    for run in plan.runs:
        state = "stands" if run.digest in planned.there else f"to do, about {clock(planned.cost.seconds[run.digest])}"
        print(f"  {run.name:<60} {state}")
    print(f"{len(plan.runs)} runs: {len(planned.there)} stand, {len(planned.left)} to do", end="")
    print(f"; about {clock(planned.cost.wall)} here, {planned.how.at_most} side by side" if planned.left else "")
    if planned.left and plan.sweep.search.trials:
        print("Which settings a search chooses, and so the runs after its trials, is known then; their number is a guess.")
    if planned.left:
        print(_price(planned.how, planned.cost))
    return DONE


def _price(how: How, cost: Cost) -> str:
    from dabench.engines.room import size

    words = [f"about {clock(cost.cpu)} of a core ({how.cpus_per_run:g} set aside for each run)"]
    words += [f"{clock(cost.gpu)} of a GPU ({how.gpus_per_run:g} set aside for each run)"] if cost.gpu else []
    words += [] if cost.memory is None else [f"{size(cost.memory)} of memory for each run"]
    words += [] if cost.disk is None else [f"{size(cost.disk)} on disk"]
    return ", ".join(words)
