"""Apply --set and resolve paths: paths in a sweep file are relative to it, paths of a caller to the working folder."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dabench.errors import SpecError


def put(table: dict[str, Any], text: str) -> None:
    """Put "a.b=value" into `table`; the value is read by `value_of`. Paths become absolute."""
    key, equals, value = text.partition("=")
    # Quotes hold the dots of a name together, as in "timm/resnet18.a1_in1k".weights=FILE.
    path = [part.strip() for part in next(csv.reader([key], delimiter=".", skipinitialspace=True), [])]
    if not equals or not path or not all(path):
        raise SpecError(f"--set {text!r}: write key=value, for example --set train.epochs=2")
    given: Any = value_of(value)
    for part in reversed(path):
        given = {part: given}
    given = absolute(given)
    for part in path[:-1]:
        given = given[part]
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise SpecError(f"--set {text!r}: '{part}' is a value, not a table")
    table[path[-1]] = given[path[-1]]


def value_of(text: str) -> Any:
    """Return a value as TOML reads it, or the text itself if it is not valid TOML."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


PATHS = ("path", "parquet", "drop")
"""The keys of a [dataset.NAME] table that are paths."""

WEIGHTS = "weights"
"""The key of the table of a backbone that is a path, if there is such a file: a plugin may have an own option of this name."""


def absolute(table: Mapping[str, Any], folder: Path = Path()) -> dict[str, Any]:
    """Return the table of a sweep, or a part of one, with its paths made absolute from `folder`.

    Values of a wrong type are kept; validation reports them.
    """
    result = dict(table)
    plugins, datasets = table.get("plugins"), table.get("dataset")
    for name, options in table.items():
        if isinstance(options, Mapping) and _is_file(file := options.get(WEIGHTS), folder):
            result[name] = {**options, WEIGHTS: _resolved(file, folder)}
    if isinstance(plugins, (list, tuple)):
        result["plugins"] = [_resolved(p, folder) for p in plugins]
    if isinstance(datasets, Mapping):
        result["dataset"] = {
            n: {k: _resolved(v, folder) if k in PATHS and v else v for k, v in o.items()} if isinstance(o, Mapping) else o
            for n, o in datasets.items()
        }
    return result


def _is_file(path: Any, folder: Path) -> bool:
    return isinstance(path, (str, Path)) and bool(str(path)) and (folder / Path(path).expanduser()).is_file()


def _resolved(path: Any, folder: Path) -> Any:
    return str((folder / Path(path).expanduser()).resolve()) if isinstance(path, (str, Path)) else path
