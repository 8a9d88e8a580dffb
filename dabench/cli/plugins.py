"""The commands list, show, new, check and doctor: list, show, create and check plugins."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dabench.cli.common import DONE, FAILED, CommandAdder, stdout_console, takes_data, takes_set
from dabench.errors import SpecError
from dabench.plugins.contract import KINDS


def add(verb: CommandAdder) -> None:
    """Add the commands of this module."""
    sub = verb("list", _list, "list datasets, backbones, adapters, sweeps and baselines", plugins=True)
    sub.add_argument("what", nargs="?", choices=[*(f"{k}s" for k in KINDS), "sweeps", "baselines"], help="list only these")
    sub.add_argument("--json", action="store_true", help="as JSON")

    sub = verb("show", _show, "show a plugin with its options, or every key of a sweep with its value", plugins=True)
    sub.add_argument("kind", choices=[*KINDS, "sweep"])
    sub.add_argument("name", nargs="?", default="", help="the plugin or sweep; `dabench show sweep` alone lists all keys")
    takes_data(sub)
    takes_set(sub)
    sub.add_argument("--json", action="store_true", help="as JSON")

    sub = verb("new", _new, "write the package of a new plugin, or a sweep file about folders of images")
    sub.add_argument("kind", choices=[*KINDS, "sweep"])
    sub.add_argument(
        "name", nargs="+", help="the name of the plugin in lower case, for example my-faces; of a sweep: two folders or more"
    )
    sub.add_argument("--to", metavar="DIR", help="the folder to create; default: NAME; of a sweep: the file (default sweep.toml)")

    sub = verb("check", _check, "test plugins against the contract and explain each failure", plugins=True)
    sub.add_argument("names", nargs="*", metavar="NAME", help="plugins; default: all")
    sub.add_argument("--raw", metavar="DIR", help="the raw files of the dataset; default: DATA/NAME")
    takes_data(sub)
    sub.add_argument("--json", action="store_true", help="as JSON")

    verb("doctor", _doctor, "show versions and devices, and what is missing")


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
        for heading, part in _by_setting(rows):
            print(*([f"  {heading}"] if heading else []), *(_row(r, width, "    " if heading else "  ") for r in part), sep="\n")
    return DONE


def _by_setting(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Return adapters by what they are given, in the order of the tables, and by family; other rows as they are."""
    from dabench.storage.schema import SETTINGS

    if not any("setting" in row for row in rows):
        return [("", rows)]
    named = {name: [r for r in rows if r.get("setting") == name] for name in SETTINGS}
    rest = [r for r in rows if "setting" not in r]
    found = [(name, sorted(part, key=lambda r: (r["family"], r["name"]))) for name, part in named.items() if part]
    return [*found, *([("broken", rest)] if rest else [])]


def _row(row: Mapping[str, Any], width: int, indent: str) -> str:
    text = f"BROKEN, from {row['origin']}: {row['error']}" if row.get("error") else row["title"]
    family = f" [{row['family']}]" if row.get("family") else ""
    return f"{indent}{row['name']:<{width}}  {text}{family}"


def _show(a: argparse.Namespace) -> int:
    from dabench import api

    facts = api.show(a.kind, a.name, data=a.data, plugins=a.plugin, set=a.set)
    if a.json:
        print(json.dumps(facts, indent=1))
        return DONE
    if a.kind == "sweep":
        for heading, rows in facts["tables"].items():
            _print_keys(heading, rows)
        if not a.name:
            print("The options of adapters, backbones and datasets are in: dabench show adapter|backbone|dataset NAME")
        return DONE
    for key, value in facts.items():
        if key == "options":
            print("options:" if value else "options: none")
            for o in value:
                limits = f", {o['range']}" if o["range"] else ""
                print(f"  {o['key']} = {_plain(o['default'])}  ({o['type']}{limits}) {o['doc']}{_searched(o.get('search'))}")
                if o.get("origin"):
                    print(f"    origin of the default: {o['origin']}")
        elif value not in ("", {}, []):
            text = ", ".join(f"{k} {_plain(v)}" for k, v in value.items()) if isinstance(value, dict) else value
            print(f"{key}: {', '.join(text) if isinstance(text, list) else text}")
    return DONE


def _print_keys(heading: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the keys of one table of a sweep file."""
    from rich.table import Table
    from rich.text import Text

    columns = [c for c in ("key", "value", "from", "default", "type", "range", "doc") if c in rows[0]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column("meaning" if column == "doc" else column, header_style="dim", overflow="fold")
    for row in rows:
        cells = {**row, "default": "required" if row.get("required") else _written(row["default"])}
        cells |= {"value": _written(row["value"])} if "value" in row else {}
        table.add_row(*(Text(cells[c]) for c in columns))
    console = stdout_console()
    console.print(Text(heading, style="bold"), table, sep="\n")
    console.print()


def _written(value: Any) -> str:
    """Return the value of a key in words; nothing is set where it is empty."""
    return _plain(None if value in ("", (), {}) else value)


def _searched(search: Any) -> str:
    """Return the range of a search that names no range for an option, in words."""
    if search is None:
        return ""
    return (
        f"; searched in {_plain(search)}"
        if isinstance(search, (list, dict))
        else f"; searched from 1/{search} to {search} times it"
    )


def _plain(value: Any) -> str:
    """Return a value as a sweep file would write it."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _new(a: argparse.Namespace) -> int:
    from dabench import api

    if a.kind == "sweep":
        file = api.new_sweep(*a.name, to=a.to or "sweep.toml")
        print(f"{file}\nNext: read it, then dabench sweep {file} --plan")
        return DONE
    if len(a.name) > 1:
        raise SpecError(f"{' '.join(a.name)}: a new {a.kind} has one name, in lower case, with '-' between words")
    files = api.new(a.kind, a.name[0], a.to)
    print("\n".join(map(str, files)))
    print(f"Next: pip install -e {files[0].parent} | dabench check {a.name[0]}; {files[1]} says what to fill in")
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
    counts = [sum(f.state == s for f in found) for s in ("passed", "failed", "skipped", "warning")]
    print("{} passed, {} failed, {} skipped".format(*counts) + (f", {counts[3]} with a warning" if counts[3] else ""))
    return FAILED if failed else DONE


def _doctor(a: argparse.Namespace) -> int:
    from dabench.cli.doctor import findings

    good = True
    for name, state, fine in findings():
        print(f"{'ok     ' if fine else 'MISSING'} {name:<16} {state}")
        good &= fine
    return DONE if good else FAILED
