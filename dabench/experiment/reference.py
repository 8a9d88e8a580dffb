"""List the keys of a sweep file: all that there are, with their defaults, or those of one sweep, with their values."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from dabench.experiment.adapter_names import own_options
from dabench.experiment.config import ClassesTable, DatasetTable, SearchConfig, Sweep
from dabench.experiment.resolve import make_adapter, make_backbone, make_dataset
from dabench.experiment.sweep_file import SweepFile, line_of
from dabench.plugins.contract import Augment, Plugin, PluginKind
from dabench.plugins.options import describe
from dabench.plugins.registry import Registry
from dabench.plugins.weights import options_of
from dabench.training.settings import EvalConfig, NetworkConfig, TrainConfig

Rows = list[dict[str, Any]]
"""One dict per key: key, type, default, range and doc; "required" where there is no default; of a sweep, also value and from."""

_TABLES: Mapping[str, type] = {
    "train": TrainConfig, "augment": Augment, "network": NetworkConfig, "test": EvalConfig, "search": SearchConfig,
}  # fmt: skip

_REQUIRED = {"name", "datasets", "adapters", "backbone"}

TOP = "top level"
"""The heading of the keys that stand in no table."""


def all_keys() -> dict[str, Rows]:
    """Return every key of a sweep file but the options of plugins: heading -> rows."""
    nested = {*_TABLES, "class_map", "dataset", "options"}
    rows = [row for row in describe(Sweep) if row["key"] not in nested]
    tables = {TOP: [row | {"required": True} if row["key"] in _REQUIRED else row for row in rows]}
    tables |= {f"[{name}]": describe(cls) for name, cls in _TABLES.items()}
    tables["[augment]"] = [row | {"default": None} for row in tables["[augment]"]]  # what is not set comes from the datasets
    return tables | {"[classes]": describe(ClassesTable), "[dataset.NAME]": describe(DatasetTable)}


def plugin_keys(registry: Registry, kind: PluginKind) -> dict[str, Rows]:
    """Return the options of every working plugin of a kind that has any: plugin name -> rows."""
    found = {e.name: describe(options_of(e.plugin)) for e in registry.entries(kind) if e.plugin is not None}
    return {name: rows for name, rows in found.items() if rows}


def keys_of(file: SweepFile, registry: Registry) -> dict[str, Rows]:
    """Return every key of a sweep with its value and where the value comes from: heading -> rows.

    "from" is "line N" of the file, "--set", "datasets" (the augmentation of the datasets), "adapters" (an option in the name of
    an adapter) or "default".
    """
    sweep, tables, written = file.sweep, all_keys(), tomllib.loads(file.text)
    datasets = {name: make_dataset(sweep, name, registry) for name in sweep.datasets}
    found = {TOP: _filled(tables[TOP], (), vars(sweep), file, written)}
    for name in _TABLES:
        values = vars(getattr(sweep, name)) if name != "augment" else _augment(sweep, [d.augment for d in datasets.values()])
        found[f"[{name}]"] = _filled(tables[f"[{name}]"], (name,), values, file, written)
    for row in found["[augment]"]:
        row["from"] = "datasets" if row["key"] not in sweep.augment else row["from"]
    renaming = [row for row in tables["[classes]"] if row["key"] == "map"]  # `keep` is the key `classes` of the top level
    found["[classes]"] = _filled(renaming, ("classes",), {"map": sweep.class_map}, file, written)
    for name, dataset in datasets.items():
        rows = describe(DatasetTable) + describe(type(dataset).Options)
        own = {f.name: getattr(dataset, f.name) for f in dataclasses.fields(DatasetTable)}
        own |= {"plugin": dataset.plugin or dataset.name}
        found[f"[dataset.{name}]"] = _filled(rows, ("dataset", name), own | vars(dataset.options), file, written)
    plugins: dict[str, Plugin] = {sweep.backbone: make_backbone(sweep, registry)}
    adapters = {name: make_adapter(sweep, name, registry) for name in sweep.adapters}
    corrections = {a.correction.name: a.correction for a in adapters.values() if a.correction}
    for name, plugin in (plugins | adapters | corrections).items():
        rows = _filled(describe(type(plugin.options)), (plugin.name,), vars(plugin.options), file, written)
        own = own_options(name)  # "dann@weight=1" is no table of the file
        found[name if own else f"[{plugin.name}]"] = [row | {"from": "adapters"} if row["key"] in own else row for row in rows]
    return {heading: rows for heading, rows in found.items() if rows}


def _augment(sweep: Sweep, wanted: Sequence[Augment]) -> dict[str, Any]:
    """Return the augmentation of a sweep; a text for what its datasets do not agree on."""
    values = {f.name: {getattr(augment, f.name) for augment in wanted} for f in dataclasses.fields(Augment)}
    agreed = {key: found.pop() if len(found) == 1 else "the datasets differ: set it" for key, found in values.items()}
    return agreed | dict(sweep.augment)


def _filled(rows: Rows, path: tuple[str, ...], values: Mapping[str, Any], file: SweepFile, written: Mapping[str, Any]) -> Rows:
    """Return the rows of one table with the keys "value" and "from"."""
    return [row | {"value": values[row["key"]], "from": _origin(file, written, (*path, row["key"]))} for row in rows]


def _origin(file: SweepFile, written: Mapping[str, Any], path: tuple[str, ...]) -> str:
    """Return where a sweep takes the value of a key from; `written` is the parsed text of its file."""
    dotted = ".".join(path)
    given = [override.partition("=")[0].replace('"', "").strip() for override in file.overrides]
    if any(f"{dotted}.".startswith(f"{key}.") or key.startswith(f"{dotted}.") for key in given):
        return "--set"
    at: Any = written
    for key in path:
        if not isinstance(at, Mapping) or key not in at:
            return "default"
        at = at[key]
    line = line_of(file.text, dotted)
    return f"line {line}" if file.path and line else "file"
