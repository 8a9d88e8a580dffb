"""What a sweep was run with: its settings as one flat table, and the versions of what ran it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dabench.spec import PATHS
from dabench.store import flat
from dabench.stored import Record

_NAMES = ("name", "title", "plugins", "dataset", "options", "classes", "seeds")
"""Keys of a sweep that say what it is called or where its files lie, or that its record says in full."""


def settings_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a sweep from its record (sweep.json), as "train.lr" -> 0.05; defaults are among them."""
    sweep = record["sweep"]
    found = {key: value for key, value in sweep.items() if key not in _NAMES}
    found |= {"seeds": record["seeds"], "classes": record["classes"], "input": record.get("input", {})}
    found["dataset"] = {n: {k: v for k, v in table.items() if k not in PATHS} for n, table in sweep["dataset"].items()}
    found |= {sweep["backbone"]: sweep["options"].get(sweep["backbone"], {})}
    found |= {name: facts["options"] for name, facts in record["adapters"].items()}
    return flat(found)


def versions_of(environments: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what ran it: "torch" -> "2.15.0", or several where runs differ."""
    rows = [{key: str(value) for key, value in e.items()} for e in environments]
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: ", ".join(sorted({row[key] for row in rows if key in row})) for key in keys}


def environments_of(records: Iterable[Record]) -> list[Mapping[str, Any]]:
    """Return the different environments of finished runs."""
    found = {tuple(sorted(r.facts["environment"].items())): r.facts["environment"] for r in records}
    return [found[key] for key in sorted(found)]
