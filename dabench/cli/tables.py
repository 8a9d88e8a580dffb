"""The commands compare, baseline, leaderboard and cite: compare tables, print, make or check committed tables, and cite."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.analysis.baselines import BASELINE_METRICS
from dabench.cli.common import DONE, FAILED, CommandAdder, stdout_console
from dabench.errors import SpecError, StoreError
from dabench.storage.clock import clock

if TYPE_CHECKING:
    from dabench.analysis.baselines import Baseline
    from dabench.analysis.compare import CellPair


def add(verb: CommandAdder) -> None:
    """Add the commands of this module."""
    sub = verb("compare", _compare, "compare two tables: output folders, packs, or committed tables")
    for side in ("a", "b"):
        sub.add_argument(
            side, metavar=side.upper(), help="an output folder, a pack, a committed table, or its .json or .toml file"
        )
    sub.add_argument("--metric", help="accuracy, ...; default: that of the committed table, else accuracy")
    sub.add_argument(
        "--select", metavar="RULE", help="selection rule for the checkpoint of each run; default: that of the committed table"
    )
    sub.add_argument(
        "--fail-below", nargs="?", type=float, const=0.0, metavar="POINTS",
        help="exit with 1 if a cell of A is worse than in B by more than POINTS (default 0) and the 95 %% interval of the "
        "difference excludes 0",
    )  # fmt: skip
    sub.add_argument(
        "--fail-outside", action="store_true",
        help="exit with 1 if a cell of A lies outside the 95 %% interval of the same cell of B",
    )  # fmt: skip
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = verb("baseline", _baseline, "print a committed table, make one from a finished sweep, or check one")
    sub.add_argument("name", nargs="?", help="a committed table, or its .json; without a name, all are listed")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub.add_argument("--from", dest="runs", metavar="RUNS", help="make the table NAME from this output folder")
    sub.add_argument(
        "--select", metavar="RULE", help="with --from: selection rule for the checkpoint of each run, as in dabench report"
    )
    sub.add_argument(
        "--metric",
        choices=BASELINE_METRICS,
        help="with --from: first metric of the table (default accuracy); the table has both",
    )
    sub.add_argument(
        "--counts", action="store_true",
        help="with --from: write NAME.zip without the labels of single images, as dabench export --counts",
    )  # fmt: skip
    sub.add_argument(
        "--to",
        metavar="DIR",
        help="with --from: folder for NAME.json, NAME.md and NAME.zip (default baselines)",
        default="baselines",
    )

    sub.add_argument(
        "--check",
        action="store_true",
        help="compute all numbers of the table again from the pack beside it, and exit with 1 if one differs; without a name: of "
        "all measured tables",
    )

    sub = verb("leaderboard", _leaderboard, "write a page with a row for each method on each task of several tables")
    sub.add_argument(
        "packs", nargs="*", metavar="PACK",
        help="a committed table, a pack, or an output folder; default: all measured tables that come with dabench",
    )  # fmt: skip
    sub.add_argument("--to", metavar="DIR", required=True, help="folder of the page; an earlier leaderboard in it is replaced")

    sub = verb("cite", _cite, "print BibTeX for everything that a sweep, its results or a committed table uses", plugins=True)
    sub.add_argument("what", help="an output folder, a pack, a sweep, or a committed table")
    sub.add_argument("--sentence", action="store_true", help="print only the sentence that cites it, with version and digest")


def _compare(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.baseline import compared_notes, compared_tables
    from dabench.reporting.terminal import print_table

    points = a.fail_below
    if points is not None and not 0 <= points < math.inf:
        raise SpecError(f"--fail-below {points}: must be 0 points or more")
    found = api.compare(a.a, a.b, metric=a.metric, select=a.select)
    for option, given in (("--fail-below", points is not None), ("--fail-outside", a.fail_outside)):
        if given and not found.common:
            raise SpecError(f"{option}: {a.a} and {a.b} have no cell in common, so the check cannot fail")
    if a.json:
        print(json.dumps(found.as_dict(), indent=1))
    else:
        for table in compared_tables(found):
            print_table(table, stdout_console())
            print()
        print("\n".join(compared_notes(found)))
    fallen = [] if points is None else found.fallen(points)
    outside = found.outside() if a.fail_outside else []
    if points is not None:
        _tell(fallen, found.common, f"are worse by more than {points:g} points")
    if a.fail_outside:
        _tell(outside, found.common, "lie outside the interval of B's")
    return FAILED if fallen or outside else DONE


def _tell(failed: list[CellPair], common: int, what: str) -> None:
    names = ", ".join(f"{p.first['adapter']} {p.first['name']}" for p in failed if p.first)
    print(f"{len(failed)} of {common} cells {what}{': ' if names else ''}{names}", file=sys.stderr)


def _listed(name: str, table: Baseline) -> str:
    """Return the lines of the list on a committed table: of a measured one with its command, extent, duration and digest."""
    line = f"{name}  {table['title']} ({table['kind']})"
    if table["kind"] != "measured":
        return line
    made = table["provenance"]
    took = f" in {clock(made['wall_seconds'])}" if made.get("wall_seconds") else ""
    seeds, runs = (
        f"{many} {what}{'s' if many > 1 else ''}" for many, what in ((len(table["seeds"]), "seed"), (made["runs"], "run"))
    )
    return f"{line}\n    {table['source']}\n    {seeds}, {runs}{took}, digest {table['digest'][:12]}"


def _baseline(a: argparse.Namespace) -> int:
    from dabench.analysis.baselines import known_tables, read_baseline
    from dabench.reporting.baseline import baseline_notes, baseline_tables, write_baseline
    from dabench.reporting.terminal import print_table

    if a.runs and not a.name:
        raise SpecError(f"--from {a.runs}: the table needs a name: dabench baseline NAME --from {a.runs}")
    given = {"--select": a.select, "--metric": a.metric, "--counts": a.counts}
    if not a.runs and any(given.values()):
        raise SpecError(f"{next(o for o in given if given[o])}: makes a table only together with --from RUNS")
    if a.check:
        return _check(a)
    if not a.name:
        for name in known_tables():
            print(_listed(name, read_baseline(name)))
        return DONE
    if a.runs:
        for file in write_baseline(a.name, Path(a.runs), Path(a.to), a.select, a.counts, a.metric or BASELINE_METRICS[0]):
            print(file)
        return DONE
    value = read_baseline(a.name)
    if a.json:
        print(json.dumps(value, indent=1))
        return DONE
    for table in baseline_tables(value):
        print_table(table, stdout_console())
        print()
    print("\n".join(baseline_notes(value)))
    return DONE


def _check(a: argparse.Namespace) -> int:
    from dabench.analysis.baselines import measured_tables
    from dabench.reporting.recomputed import check_table

    if a.runs:
        raise SpecError(f"--check: checks a table that exists; make it first: dabench baseline {a.name} --from {a.runs}")
    refused = 0
    for name in [a.name] if a.name else measured_tables():
        try:
            value = check_table(name)
        except StoreError as e:
            refused += 1
            print(f"dabench: error: {e}", file=sys.stderr)
        else:
            print(f"{name}: {len(value['cells'])} cells and {len(value['gains'])} gains follow from the predictions")
    return FAILED if refused else DONE


def _leaderboard(a: argparse.Namespace) -> int:
    from dabench import api

    for file in api.leaderboard(*a.packs, to=a.to):
        print(file)
    return DONE


def _cite(a: argparse.Namespace) -> int:
    from dabench import api

    if a.sentence:
        print(api.citations(a.what, plugins=a.plugin).sentence)
    else:
        sys.stdout.write(api.cite(a.what, plugins=a.plugin))
    return DONE
