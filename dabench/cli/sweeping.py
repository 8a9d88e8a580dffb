"""sweep: planned, or run and reported."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from dabench.cli.command import DONE, FAILED, Verb, console, takes_data, takes_set

if TYPE_CHECKING:
    from dabench.drive import Outcome


def add(verb: Verb) -> None:
    """Add the verbs of this module."""
    sub = verb("sweep", _sweep, "run what is missing of a sweep and report it", plugins=True)
    sub.add_argument("sweep", help="a shelf name (see: dabench list sweeps) or the path of a .toml file")
    sub.add_argument("--plan", action="store_true", help="say what would run and how long it may take; train nothing")
    sub.add_argument("--out", metavar="DIR", help="output folder; default: runs/NAME")
    takes_set(sub, "override a key, as --set train.epochs=2")
    takes_data(sub)
    sub.add_argument("--engine", choices=("ray", "inline"), default="ray", help="side by side on Ray Tune, or in this process")
    sub.add_argument(
        "--log-json",
        metavar="FILE",
        help="append a line of JSON for each event; -: to standard output, and tables to standard error",
    )
    sub.add_argument("--redo", action="store_true", help="run again what is finished")


def _sweep(a: argparse.Namespace) -> int:
    from dabench import api

    if a.plan:
        return _plan(a)
    from dabench.reporting.terminal import print_matrix

    try:
        outcome, matrix = api.run_sweep(
            a.sweep, out=a.out, set=a.set, plugins=a.plugin, data=a.data, engine=a.engine, redo=a.redo, quiet=False,
            log_json=a.log_json, again=_again(a),
        )  # fmt: skip
    except KeyboardInterrupt:
        print(f"dabench: stopped; finished runs are kept. Go on with: {_again(a)}", file=sys.stderr)
        return FAILED
    with redirect_stdout(sys.stderr if a.log_json == "-" else sys.stdout):
        print_matrix(matrix, console())
        _print_end(outcome, a)
    return FAILED if outcome.failed else DONE


def _print_end(outcome: Outcome, a: argparse.Namespace) -> None:
    folder = outcome.store.folder
    print(f"\n{outcome.done} runs done now, {outcome.there} stood already, {outcome.failed} failed.")
    if outcome.failed:
        print(f"Reasons: {folder}/failed/, and what the runs said: {folder}/logs/ (dabench status {folder} shows both).")
        print(f"Try the failed runs again with: {_again(a)}")
    else:
        print(f"Next: dabench report {folder} --metric balanced-accuracy, or dabench cite {folder}")
    print(f"Report: {folder}/report/index.html")


def _again(a: argparse.Namespace) -> str:
    import shlex

    words = ["dabench", "sweep", a.sweep]
    words += [w for f in a.plugin for w in ("--plugin", f)] + [w for s in a.set for w in ("--set", s)]
    words += ["--out", a.out] if a.out else []
    words += ["--data", a.data] if a.data else []
    return shlex.join(words + (["--engine", a.engine] if a.engine != "ray" else []))


def _plan(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.tables import dropped_text
    from dabench.times import clock

    planned = api.plan_sweep(a.sweep, out=a.out, set=a.set, plugins=a.plugin, data=a.data, engine=a.engine)
    plan = planned.plan
    for name, prepared in plan.prepared.items():
        print(f"{name}: " + ", ".join(f"{s} {prepared.count(s):,}" for s in prepared.splits) + f"; digest {prepared.digest[:12]}")
        if prepared.dropped:
            print(f"  {dropped_text(prepared.dropped)}")
    print(f"network {plan.backbone.name} on {plan.channels}x{plan.input_size}x{plan.input_size}, {len(plan.classes)} classes")
    for run in plan.runs:
        state = "stands" if run.digest in planned.there else f"to do, about {clock(planned.seconds[run.digest])}"
        print(f"  {run.name:<60} {state}")
    print(f"{len(plan.runs)} runs: {len(planned.there)} stand, {len(planned.left)} to do", end="")
    print(f"; about {clock(planned.wall_seconds)} here, {planned.at_once} side by side" if planned.left else "")
    return DONE
