"""The command line: verbs over dabench.api. Errors are one line and exit code 2; 1 means that work failed in part."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench import __version__
from dabench.errors import DabenchError, SpecError, StoreError
from dabench.protocols import KINDS
from dabench.selection import RULES

if TYPE_CHECKING:
    from dabench.data.cache import Prepared
    from dabench.dropping import Cleaned

_DONE, _FAILED, _WRONG = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 the work failed in part, 2 the request was wrong."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except DabenchError as e:
        if arguments.debug:
            raise
        print(f"dabench: error: {e}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        print("dabench: stopped", file=sys.stderr)
        return _FAILED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away, as `| head` does
        return _DONE
    except Exception as e:
        if arguments.debug:
            raise
        what = " ".join(f"{type(e).__name__}: {e}".split())
        print(f"dabench: unforeseen error: {what} (run again with --debug to see where)", file=sys.stderr)
        return _FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dabench", description="Domain-adaptation benchmark: cross matrix and adaptation gains."
    )
    parser.add_argument("--version", action="version", version=f"dabench {__version__}")
    parser.add_argument("--debug", action="store_true", default=False, help="show where an error came from")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    def verb(name: str, run: Callable[[argparse.Namespace], int], about: str, plugins: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=about, description=about)
        # Suppressed, so that --debug before the verb is not put back to false.
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show where an error came from")
        sub.set_defaults(run=run)
        if plugins:
            sub.add_argument(
                "--plugin", action="append", default=[], metavar="FILE", help="a Python file with plugins; may be repeated"
            )
        return sub

    sub = verb("list", _list, "what there is: datasets, backbones, adapters, sweeps, baselines", plugins=True)
    sub.add_argument("what", nargs="?", choices=[*(f"{k}s" for k in KINDS), "sweeps", "baselines"], help="only these")
    sub.add_argument("--json", action="store_true", help="as JSON")

    sub = verb("show", _show, "all facts of one plugin, its options with their defaults", plugins=True)
    sub.add_argument("kind", choices=KINDS)
    sub.add_argument("name")
    sub.add_argument("--data", metavar="DIR", help="the folder of all raw datasets; default: DABENCH_DATA")
    sub.add_argument("--json", action="store_true", help="as JSON")

    sub = verb("prepare", _prepare, "decode a dataset once into the cache and check it", plugins=True)
    sub.add_argument("name", metavar="DATASET|SWEEP", help="a dataset, or a sweep, which stands for its datasets")
    sub.add_argument("--raw", metavar="DIR", help="the folder with the raw files of the dataset named; default: DATA/DATASET")
    sub.add_argument("--data", metavar="DIR", help="the folder of all raw datasets; default: DABENCH_DATA")
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the dataset, or a key of the sweep"
    )
    sub.add_argument("--strict", action="store_true", help="what would be skipped is an error, where the dataset skips at all")
    sub.add_argument("--sheet", metavar="FILE", help="write pictures of each split and class to look at, as .png")
    sub.add_argument("--rebuild", action="store_true", help="decode again what is there already")

    sub = verb("audit", _audit, "copies, conflicting labels, shared subjects and class balance of datasets", plugins=True)
    sub.add_argument("names", nargs="+", metavar="DATASET|SWEEP", help="datasets, or sweeps, which stand for their datasets")
    sub.add_argument("--raw", metavar="DIR", help="the raw folder of the one dataset named; default: DATA/DATASET")
    sub.add_argument("--data", metavar="DIR", help="the folder of all raw datasets; default: DABENCH_DATA")
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the sweep, or an option of the dataset"
    )
    sub.add_argument(
        "--radius", type=int, metavar="BITS",
        help="bits of 64 in which hashes of near-identical pictures may differ (default 5); -1: identical pictures only",
    )  # fmt: skip
    sub.add_argument(
        "--drop", nargs="?", const="identical", choices=("identical", "near"),
        help="write lists of what to drop and make cleaned variants without it: copies, conflicting labels, constant pictures, "
        "subjects of the test split in training; near: near-identical pictures, too",
    )  # fmt: skip
    sub.add_argument("--out", metavar="DIR", help="folder for findings.csv, examples.png and the lists; default: audit/NAME")

    sub = verb("new", _new, "write the package of a new plugin: module, test, README, entry point")
    sub.add_argument("kind", choices=KINDS)
    sub.add_argument("name", help="the plugin's name, lower case with hyphens, as my-faces")
    sub.add_argument("--to", metavar="DIR", help="the folder to make; default: NAME")

    sub = verb("check", _check, "hold plugins to the contract of their kind, and explain each failure", plugins=True)
    sub.add_argument("names", nargs="*", metavar="NAME", help="plugins; all that there are if none is named")
    sub.add_argument("--raw", metavar="DIR", help="the folder with the raw files of the dataset named; default: DATA/NAME")
    sub.add_argument("--data", metavar="DIR", help="the folder of all raw datasets; default: DABENCH_DATA")
    sub.add_argument("--json", action="store_true", help="as JSON")

    sub = verb("sweep", _sweep, "run what is missing of a sweep and report it", plugins=True)
    sub.add_argument("sweep", help="a shelf name (see: dabench list sweeps) or the path of a .toml file")
    sub.add_argument("--plan", action="store_true", help="say what would run and how long it may take; train nothing")
    sub.add_argument("--out", metavar="DIR", help="output folder; default: runs/NAME")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, as --set train.epochs=2")
    sub.add_argument("--data", metavar="DIR", help="the folder of all raw datasets; default: DABENCH_DATA")
    sub.add_argument("--engine", choices=("ray", "inline"), default="ray", help="side by side on Ray Tune, or in this process")
    sub.add_argument("--redo", action="store_true", help="run again what is finished")

    sub = verb("report", _report, "matrix and gains of a sweep's output folder; trains nothing")
    sub.add_argument("runs", help="the folder that dabench sweep wrote, such as runs/quick")
    sub.add_argument(
        "--format", choices=("json", "md", "csv", "tex", "html"), help="print this to standard output, and nothing else"
    )
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

    verb("doctor", _doctor, "versions and devices found here, and what is missing")
    return parser


def _list(a: argparse.Namespace) -> int:
    from dabench import api

    api.load_plugins(a.plugin)
    found = api.listing()
    chosen = {a.what: found[a.what]} if a.what else found
    if a.json:
        print(json.dumps(chosen, indent=1))
        return _DONE
    for what, rows in chosen.items():
        print(what)
        width = max((len(r["name"]) for r in rows), default=0)
        for row in rows:
            text = f"BROKEN, from {row['origin']}: {row['error']}" if row.get("error") else row["title"]
            access = f" [{row['access']}]" if "access" in row else ""
            print(f"  {row['name']:<{width}}  {text}{access}")
    return _DONE


def _show(a: argparse.Namespace) -> int:
    from dabench import api

    facts = api.show(a.kind, a.name, data=a.data, plugins=a.plugin)
    if a.json:
        print(json.dumps(facts, indent=1))
        return _DONE
    for key, value in facts.items():
        if key == "options":
            print("options:" if value else "options: none")
            for o in value:
                print(f"  {o['key']} = {_plain(o['default'])}  ({o['type']}) {o['doc']}")
        elif value not in ("", {}, []):
            text = ", ".join(f"{k} {_plain(v)}" for k, v in value.items()) if isinstance(value, dict) else value
            print(f"{key}: {', '.join(text) if isinstance(text, list) else text}")
    return _DONE


def _plain(value: Any) -> str:
    """Return a value as a sweep file would write it."""
    return "not set" if value is None else json.dumps(value)


def _prepare(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.sheet import sheet_path, write_sheet

    sheet = sheet_path(a.sheet) if a.sheet else None
    api.load_plugins(a.plugin)
    how = {"data": a.data, "set": a.set, "strict": a.strict, "rebuild": a.rebuild}
    if not api.names_sweep(a.name):
        sets = [api.prepare(a.name, raw=a.raw, **how)]
    elif a.raw:
        raise SpecError(f"raw = {a.raw}: is the folder of one dataset, but a sweep is named; give --data instead")
    else:
        sets = api.prepare_sweep(a.name, **how)
    for prepared in sets:
        _print_prepared(prepared)
    if sheet:
        write_sheet(sets, sheet)
        print(f"Written: {sheet}")
    return _DONE


def _print_prepared(prepared: Prepared) -> None:
    from dabench.reporting.tables import dropped_text

    channels, height, width = prepared.shape
    counts = " / ".join(f"{prepared.count(split):,}" for split in prepared.splits)
    shape = f"{channels}x{height}x{width}, {len(prepared.classes)} classes"
    print(f"{prepared.name}: {counts} images ({' / '.join(prepared.splits)}), {shape}")
    for split, facts in prepared.splits.items():
        print(f"  {split:<5} " + ", ".join(f"{c} {n:,}" for c, n in facts["classes"].items()))
    if prepared.dropped:
        print(f"  {dropped_text(prepared.dropped)}")
    print(f"  digest {prepared.digest}\n  cache  {prepared.folder}")


def _audit(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.audit import audit_tables, write_audit
    from dabench.reporting.terminal import print_table

    found = api.audit(*a.names, data=a.data, raw=a.raw, plugins=a.plugin, set=a.set, radius=a.radius)
    name = "+".join(Path(n).stem if n.endswith(".toml") else n.replace("/", "-") for n in a.names)
    out = Path(a.out) if a.out else Path("audit") / name
    console = _console()
    for table in audit_tables(found):
        print_table(table, console)
        print()
    with _writing_into(out):
        files = write_audit(found, out)
    print(f"Written: {', '.join(map(str, files))}")
    if a.drop:
        with _writing_into(out):
            results = api.drop(found, out, near=a.drop == "near")
        for cleaned in results:
            _print_cleaned(cleaned)
    return _FAILED if found.unreadable else _DONE


@contextmanager
def _writing_into(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise StoreError(f"{out}: cannot be written ({e.strerror or e}); give another folder with --out") from e


def _print_cleaned(cleaned: Cleaned) -> None:
    print()
    if not cleaned.variant:
        print(f"{cleaned.whole.name}: nothing to drop")
        return
    _print_prepared(cleaned.variant)
    name = cleaned.whole.name
    key = json.dumps(name) if "/" in name else name  # as TOML wants it
    print(f"  list   {cleaned.path}\nIn a sweep file, with the path relative to it:\n[dataset.{key}]")
    print(f"drop = {json.dumps(str(cleaned.path))}")


def _new(a: argparse.Namespace) -> int:
    from dabench import api

    files = api.new(a.kind, a.name, a.to)
    print("\n".join(map(str, files)))
    print(f"Next: pip install -e {files[0].parent} | dabench check {a.name}; {files[1]} says what to fill in")
    return _DONE


def _check(a: argparse.Namespace) -> int:
    from dabench import api

    found = api.check(*a.names, raw=a.raw, data=a.data, plugins=a.plugin)
    failed = sum(f.state == "failed" for f in found)
    if a.json:
        print(json.dumps([vars(f) for f in found], indent=1))
        return _FAILED if failed else _DONE
    for kind, name in dict.fromkeys((f.kind, f.name) for f in found):
        print(f"{kind} {name}")
        for f in found:
            if (f.kind, f.name) == (kind, name):
                print(f"  {f.state:<8}  {f.rule}{': ' if f.advice else ''}{f.advice}")
    counts = [sum(f.state == s for f in found) for s in ("passed", "failed", "not done")]
    print("{} rules kept, {} broken, {} not done".format(*counts))
    return _FAILED if failed else _DONE


def _sweep(a: argparse.Namespace) -> int:
    from dabench import api

    if a.plan:
        return _plan(a)
    console = _console()
    from dabench.reporting.terminal import print_matrix

    try:
        outcome, matrix = api.run_sweep(
            a.sweep, out=a.out, set=a.set, plugins=a.plugin, data=a.data, engine=a.engine, redo=a.redo, quiet=False
        )
    except KeyboardInterrupt:
        print(f"dabench: stopped; finished runs are kept. Go on with: {_again(a)}", file=sys.stderr)
        return _FAILED
    print_matrix(matrix, console)
    folder = outcome.store.folder
    print(f"\n{outcome.done} runs done now, {outcome.there} stood already, {outcome.failed} failed.")
    if outcome.failed:
        print(f"Reasons: {folder}/failed/. Try the failed runs again with: {_again(a)}")
    else:
        print(f"Next: dabench report {folder} --metric balanced-accuracy, or dabench cite {folder}")
    print(f"Report: {folder}/report/index.html")
    return _FAILED if outcome.failed else _DONE


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
    from dabench.reporting.terminal import clock

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
    return _DONE


def _report(a: argparse.Namespace) -> int:
    from dabench import api

    matrix = api.report(a.runs, metric=a.metric, select=a.select, write=a.format is None)
    if a.format:
        from dabench.reporting.formats import one_text

        sys.stdout.write(one_text(matrix, a.format))
        return _DONE
    from dabench.reporting.terminal import print_matrix

    print_matrix(matrix, _console(), rules=True)
    from dabench.reporting.write import report_folder

    print(f"\nReport: {report_folder(matrix, matrix.predictions.store) / 'index.html'}")
    return _DONE


def _compare(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.committed import baseline_notes, read_baseline
    from dabench.reporting.terminal import print_table

    print_table(api.compare(a.runs, a.baseline), _console())
    print("\n".join(["", *baseline_notes(read_baseline(a.baseline))]))
    return _DONE


def _baseline(a: argparse.Namespace) -> int:
    from dabench.committed import baseline_notes, baseline_tables, read_baseline, shelf, write_baseline
    from dabench.reporting.terminal import print_table

    if a.runs and not a.name:
        raise SpecError(f"--from {a.runs}: name the table to make, as in: dabench baseline NAME --from {a.runs}")
    if not a.name:
        for name in shelf():
            value = read_baseline(name)
            print(f"{name}  {value['title']} ({value['kind']}; {value['source']})")
        return _DONE
    if a.runs:
        for file in write_baseline(a.name, Path(a.runs), Path(a.to)):
            print(file)
        return _DONE
    value = read_baseline(a.name)
    if a.json:
        print(json.dumps(value, indent=1))
        return _DONE
    for table in baseline_tables(value):
        print_table(table, _console())
        print()
    print("\n".join(baseline_notes(value)))
    return _DONE


def _cite(a: argparse.Namespace) -> int:
    from dabench import api

    sys.stdout.write(api.cite(a.what, plugins=a.plugin))
    return _DONE


def _doctor(a: argparse.Namespace) -> int:
    from dabench.doctor import findings

    good = True
    for name, state, fine in findings():
        print(f"{'ok     ' if fine else 'MISSING'} {name:<16} {state}")
        good &= fine
    return _DONE if good else _FAILED


def _console() -> Any:
    from rich.console import Console

    # A table cut to 80 columns in a pipe would lose numbers.
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


if __name__ == "__main__":
    sys.exit(main())
