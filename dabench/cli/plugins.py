"""list, show, new, check, doctor: what there is, and what it is worth."""

from __future__ import annotations

import argparse
import json
from typing import Any

from dabench.cli.common import DONE, FAILED, CommandAdder, takes_data
from dabench.plugins.contract import KINDS


def add(verb: CommandAdder) -> None:
    """Add the verbs of this module."""
    sub = verb("list", _list, "what there is: datasets, backbones, adapters, sweeps, baselines", plugins=True)
    sub.add_argument("what", nargs="?", choices=[*(f"{k}s" for k in KINDS), "sweeps", "baselines"], help="only these")
    sub.add_argument("--json", action="store_true", help="as JSON")

    sub = verb("show", _show, "all facts of one plugin, its options with their defaults", plugins=True)
    sub.add_argument("kind", choices=KINDS)
    sub.add_argument("name")
    takes_data(sub)
    sub.add_argument("--json", action="store_true", help="as JSON")

    sub = verb("new", _new, "write the package of a new plugin: module, test, README, entry point")
    sub.add_argument("kind", choices=KINDS)
    sub.add_argument("name", help="the plugin's name, lower case with hyphens, as my-faces")
    sub.add_argument("--to", metavar="DIR", help="the folder to make; default: NAME")

    sub = verb("check", _check, "hold plugins to the contract of their kind, and explain each failure", plugins=True)
    sub.add_argument("names", nargs="*", metavar="NAME", help="plugins; all that there are if none is named")
    sub.add_argument("--raw", metavar="DIR", help="the folder with the raw files of the dataset named; default: DATA/NAME")
    takes_data(sub)
    sub.add_argument("--json", action="store_true", help="as JSON")

    verb("doctor", _doctor, "versions and devices found here, and what is missing")


def _list(a: argparse.Namespace) -> int:
    from dabench import api

    api.load_plugins(a.plugin)
    found = api.listing()
    chosen = {a.what: found[a.what]} if a.what else found
    if a.json:
        print(json.dumps(chosen, indent=1))
        return DONE
    for what, rows in chosen.items():
        print(what)
        width = max((len(r["name"]) for r in rows), default=0)
        for row in rows:
            text = f"BROKEN, from {row['origin']}: {row['error']}" if row.get("error") else row["title"]
            access = f" [{row['access']}]" if "access" in row else ""
            print(f"  {row['name']:<{width}}  {text}{access}")
    return DONE


def _show(a: argparse.Namespace) -> int:
    from dabench import api

    facts = api.show(a.kind, a.name, data=a.data, plugins=a.plugin)
    if a.json:
        print(json.dumps(facts, indent=1))
        return DONE
    for key, value in facts.items():
        if key == "options":
            print("options:" if value else "options: none")
            for o in value:
                print(f"  {o['key']} = {_plain(o['default'])}  ({o['type']}) {o['doc']}{_searched(o.get('search'))}")
        elif value not in ("", {}, []):
            text = ", ".join(f"{k} {_plain(v)}" for k, v in value.items()) if isinstance(value, dict) else value
            print(f"{key}: {', '.join(text) if isinstance(text, list) else text}")
    return DONE


def _searched(search: Any) -> str:
    """Say where a search looks for an option if the sweep does not."""
    if search is None:
        return ""
    return (
        f"; searched in {_plain(search)}"
        if isinstance(search, (list, dict))
        else f"; searched from 1/{search} to {search} times it"
    )


def _plain(value: Any) -> str:
    """Return a value as a sweep file would write it."""
    return "not set" if value is None else json.dumps(value)


def _new(a: argparse.Namespace) -> int:
    from dabench import api

    files = api.new(a.kind, a.name, a.to)
    print("\n".join(map(str, files)))
    print(f"Next: pip install -e {files[0].parent} | dabench check {a.name}; {files[1]} says what to fill in")
    return DONE


def _check(a: argparse.Namespace) -> int:
    from dabench import api

    found = api.check(*a.names, raw=a.raw, data=a.data, plugins=a.plugin)
    failed = sum(f.state == "failed" for f in found)
    if a.json:
        print(json.dumps([vars(f) for f in found], indent=1))
        return FAILED if failed else DONE
    for kind, name in dict.fromkeys((f.kind, f.name) for f in found):
        print(f"{kind} {name}")
        reasons: set[str] = set()
        for f in found:
            if (f.kind, f.name) == (kind, name):
                advice = "(same reason)" if f.state == "skipped" and f.advice in reasons else f.advice
                print(f"  {f.state:<8}  {f.rule}{': ' if advice else ''}{advice}")
                reasons.add(f.advice)
    counts = [sum(f.state == s for f in found) for s in ("passed", "failed", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*counts))
    return FAILED if failed else DONE


def _doctor(a: argparse.Namespace) -> int:
    from dabench.cli.doctor import findings

    good = True
    for name, state, fine in findings():
        print(f"{'ok     ' if fine else 'MISSING'} {name:<16} {state}")
        good &= fine
    return DONE if good else FAILED
