"""What the JSON files of a sweep's output must be, checked when they are read: whoever sends a pack writes all of it.

A shape is a type, several types, a list [shape], `Each(shape)` of a table with any keys, or a table of keys with their shapes; a
key that ends with "?" may be missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any

from dabench.digests import digest

_FILE = re.compile(r"[^/\0]*[^/\0.][^/\0]*")
_LARGEST = 2**53
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Each:
    """A table with keys that users chose, every value of one shape."""

    shape: Any


_OPTIONS = Each(dict)
_CITED = {"name": str, "label": str, "citation": str}
_RUN = {"method": str, "sources": [str], "target": (str, NoneType), "seed": int, "tests": [str], "digest": str}
_TRIAL = {
    "number": int, "run": str, "name": str, "settings": dict, "state": str, "score": (float, int, NoneType),
    "steps": (int, NoneType), "stopped": bool,
}  # fmt: skip
CLAIM = {"sweep": {"name": str}, "recipe": dict}
"""sweep.json, as far as it says whose a folder is."""
SWEEP = {
    "sweep": {
        "name": str, "title": str, "datasets": [str], "adapters": [str], "backbone": str, "seeds": (int, list),
        "shots": (int, str), "pairs": [str], "classes": [str], "class_map?": Each((str, dict)), "size": (int, NoneType),
        "channels": (int, NoneType), "pretrained": bool, "train": dict, "test": dict, "augment": dict, "dataset": _OPTIONS,
        "options": _OPTIONS, "search?": {"trials": int, "select": str, "method": str, "seed": int, "space": dict},
    },
    "recipe": dict, "digest": str, "overrides": [str], "tasks": [list], "seeds": [int], "classes": [str],
    "input?": {"augment": dict}, "backbone": _CITED,
    "adapters": Each({"title": str, "citation": str, "access": str, "options": dict, "adapts": bool, "own_pretraining": bool}),
    "runs": [_RUN], "trials?": [_RUN],
    "search?": [
        {"adapter": str, "sources": [str], "target": str, "chosen": (int, NoneType), "runs": Each(str), "trials": [_TRIAL]},
    ],
}  # fmt: skip
"""sweep.json, as far as anything is read from it."""
RUN = {
    "name": str, "digest": str, "labels": str, "outputs?": int, "tests": Each(str), "files": Each(str),
    "losses?": [(float, int)], "checkpoints?": [int], "scores?": Each(Each([(float, int)])), "environment": dict,
    "seconds": {"train": (float, int), "test": (float, int), "total": (float, int)},
}  # fmt: skip
"""run.json."""
DATASET = {
    "name": str, "label": str, "title": str, "licence": str, "homepage": str, "citation": str, "digest": str,
    "counts": Each(int), "grouped": bool, "files": Each(str), "dropped?": dict, "sorted?": bool,
}  # fmt: skip
"""facts.json of a dataset."""


def from_json(text: str) -> Any:
    """Return the value of a JSON text; raise ValueError where it is none, or holds a number that is none (NaN, Infinity)."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    return json.loads(text, parse_constant=refuse)


def sealed(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with its own digest beside, as "check"."""
    return {**table, "check": digest(table)}


def intact(table: Mapping[str, Any]) -> bool:
    """Whether a table is what was written, by its own digest; one that was written without any is taken as it is."""
    return "check" not in table or table["check"] == digest({k: v for k, v in table.items() if k != "check"})


def fits(value: Any, shape: Any) -> bool:
    """Whether a JSON value is of that shape."""
    try:
        check(value, shape)
    except ValueError:
        return False
    return True


def check(value: Any, shape: Any, where: str = "") -> None:
    """Raise ValueError with the place of the first thing in a JSON value that is not of its shape."""
    if isinstance(shape, Each):
        _must(isinstance(value, dict), where, "a table")
        for key, inner in value.items():
            check(inner, shape.shape, f"{where}.{key}" if where else key)
    elif isinstance(shape, Mapping):
        _must(isinstance(value, dict), where, "a table")
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if name in value:
                check(value[name], inner, f"{where}.{name}" if where else name)
            elif name == key:
                raise ValueError(f"{where}.{name} is missing" if where else f"{name} is missing")
    elif isinstance(shape, list):
        _must(isinstance(value, list), where, "a list")
        for i, item in enumerate(value):
            check(item, shape[0], f"{where}[{i}]")
    else:
        kinds = shape if isinstance(shape, tuple) else (shape,)
        right = isinstance(value, shape) and (bool in kinds or not isinstance(value, bool))
        right = right and not (isinstance(value, int) and abs(value) > _LARGEST)
        _must(right, where, " or ".join("null" if k is NoneType else k.__name__ for k in kinds))


def _must(right: bool, where: str, what: str) -> None:
    if not right:
        raise ValueError(f"{where or 'it'} must be {what}")


def check_sweep(value: Any) -> None:
    """Raise ValueError if a sweep.json is not of its shape, or names what it does not have."""
    check(value, SWEEP)
    sweep, adapters = value["sweep"], value["adapters"]
    _must(_NAME.fullmatch(sweep["name"]) is not None, "sweep.name", "letters, digits, '.', '_' and '-'")
    for task in value["tasks"]:
        _must(len(task) == 2 and isinstance(task[0], list), "tasks", "lists of [sources, target]")
    named = [name for sources, target in value["tasks"] for name in (*sources, target)]
    searched = value.get("search", [])
    _must(not searched or "search" in sweep, "sweep.search", "there, since something was searched")
    named += [name for task in searched for name in (*task["sources"], task["target"])]
    for task in searched:
        _must(all(seed.isdecimal() for seed in task["runs"]), "search.runs", "a table by seed")
    runs = [*value["runs"], *value.get("trials", [])]
    named += [n for run in runs for n in (*run["sources"], *run["tests"], *([run["target"]] if run["target"] else []))]
    for name in named:
        _must(name in sweep["datasets"], f"dataset {name!r}", "in sweep.datasets")
    for name in (*sweep["adapters"], *(task["adapter"] for task in searched)):
        _must(name in adapters, f"adapter {name!r}", "in adapters")
    for key, names in (
        ("sweep.datasets", sweep["datasets"]),
        ("sweep.adapters", sweep["adapters"]),
        ("classes", value["classes"]),
    ):
        _must(0 < len(set(names)) == len(names), key, "names, each once")


def check_files(names: Mapping[str, str]) -> None:
    """Raise ValueError if one of these is no name of a file in the folder itself, but a path that leads elsewhere."""
    for name in names:
        _must(_FILE.fullmatch(name) is not None, f"file {name!r}", "a file in its folder")
