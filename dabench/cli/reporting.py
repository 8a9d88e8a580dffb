"""report, compare, baseline, cite: what finished sweeps and committed tables say."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from dabench.cli.command import DONE, Verb, console
from dabench.errors import SpecError
from dabench.selection import RULES


def add(verb: Verb) -> None:
    """Add the verbs of this module."""
    sub = verb("report", _report, "matrix and gains of a sweep's output folder; trains nothing")
    sub.add_argument("runs", help="the folder that dabench sweep wrote, such as runs/quick")
    sub.add_argument("--format", choices=("json", "md", "csv", "tex"), help="print this to standard output, and nothing else")
    sub.add_argument("--metric", default="accuracy", help="accuracy, balanced-accuracy, macro-f1, recall:CLASS")
    sub.add_argument("--select", default="last", metavar="RULE", help=f"which checkpoint of each run counts: {', '.join(RULES)}")

    sub = verb("compare", _compare, "a sweep's numbers beside a committed table")
    sub.add_argument("runs", help="the folder that dabench sweep wrote")
    sub.add_argument("baseline", help="a committed table (see: dabench list baselines), or a .json or .toml file")

    sub = verb("baseline", _baseline, "print a committed table; or make one from a finished sweep")
    sub.add_argument("name", nargs="?", help="a committed table; all are listed if none is named")
    sub.add_argument("--json", action="store_true", help="as JSON")
    sub.add_argument("--from", dest="runs", metavar="RUNS", help="make the table NAME from this finished sweep")
    sub.add_argument(
        "--to", metavar="DIR", help="with --from: the folder to write NAME.json and NAME.md into", default="baselines"
    )

    sub = verb("cite", _cite, "BibTeX of all that a sweep, an output folder or a baseline rests on", plugins=True)
    sub.add_argument("what", help="a sweep, an output folder, or a baseline")


def _report(a: argparse.Namespace) -> int:
    from dabench import api

    matrix = api.report(a.runs, metric=a.metric, select=a.select, write=a.format is None)
    if a.format:
        from dabench.reporting.formats import one_text

        sys.stdout.write(one_text(matrix, a.format))
        return DONE
    from dabench.reporting.terminal import print_matrix

    print_matrix(matrix, console(), rules=True)
    print(f"\nReport: {Path(a.runs) / 'report'}/")
    return DONE


def _compare(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.committed import baseline_notes, read_baseline
    from dabench.reporting.terminal import print_table

    print_table(api.compare(a.runs, a.baseline), console())
    print("\n".join(["", *baseline_notes(read_baseline(a.baseline))]))
    return DONE


def _baseline(a: argparse.Namespace) -> int:
    from dabench.committed import baseline_notes, baseline_tables, read_baseline, shelf, write_baseline
    from dabench.reporting.terminal import print_table

    if a.runs and not a.name:
        raise SpecError(f"--from {a.runs}: name the table to make, as in: dabench baseline NAME --from {a.runs}")
    if not a.name:
        for name in shelf():
            value = read_baseline(name)
            print(f"{name}  {value['title']} ({value['kind']}; {value['source']})")
        return DONE
    if a.runs:
        for file in write_baseline(a.name, Path(a.runs), Path(a.to)):
            print(file)
        return DONE
    value = read_baseline(a.name)
    if a.json:
        print(json.dumps(value, indent=1))
        return DONE
    for table in baseline_tables(value):
        print_table(table, console())
        print()
    print("\n".join(baseline_notes(value)))
    return DONE


def _cite(a: argparse.Namespace) -> int:
    from dabench import api

    sys.stdout.write(api.cite(a.what, plugins=a.plugin))
    return DONE
