"""The plugins that a sweep names, made with the options that it gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.errors import PluginError, SpecError
from dabench.experiment.config import Sweep
from dabench.experiment.overrides import absolute, put
from dabench.plugins.contract import Adapter, Backbone, Dataset
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import Registry

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def make_dataset(sweep: Sweep, name: str, registry: Registry) -> Dataset:
    """Return the dataset of that name: a plugin with the options of [dataset.NAME], or what that table declares.

    A table [dataset.NAME] for a name that no plugin has declares one: of the plugin that its key `plugin` names, which is
    image-folder if not set. It reads the raw files of that plugin. The key `drop` of any such table is the list of
    the pictures to leave out.
    """
    options = dict(sweep.dataset.get(name, {}))
    plugin, drop = options.pop("plugin", None), options.pop("drop", "")
    if not isinstance(drop, str):
        raise KeyProblem(f"dataset.{name}.drop", f"dataset.{name}.drop = {drop!r}: must be the path of a list")
    if name in sweep.dataset:
        known = {member for e in registry.entries("dataset") for member in registry.members("dataset", e.name)}
        if name not in known and not NAME.fullmatch(name):
            raise KeyProblem(f"dataset.{name}", f"[dataset.{name}]: a declared name is letters, digits, '.', '_' and '-'")
        plugin = (name if name in known else "image-folder") if plugin is None else plugin
        if not isinstance(plugin, str):
            raise KeyProblem(f"dataset.{name}.plugin", f"dataset.{name}.plugin = {plugin!r}: must be a text")
        try:
            registry.find("dataset", plugin)
        except PluginError as e:
            raise KeyProblem(f"dataset.{name}.plugin", f"[dataset.{name}] {e}") from e
    try:
        dataset: Dataset = registry.make("dataset", plugin or name, options)
    except KeyProblem as e:
        key = e.path.removeprefix(plugin or name)
        raise KeyProblem(f"dataset.{name}{key}", f"[dataset.{name}] {e}") from e
    facts = {"drop": drop or dataset.drop}
    if dataset.name != name:
        facts |= {"plugin": dataset.name, "name": name}
        if dataset.short_name in (dataset.name.upper(), type(dataset).short_name):
            facts["short_name"] = name.upper()
    return dataset.with_facts(**facts)


def declared(datasets: Mapping[str, Mapping[str, Any]], folder: Path | None) -> dict[str, dict[str, Any]]:
    """Return the [dataset.NAME] tables with their paths made absolute."""
    for name, options in datasets.items():
        if not isinstance(options, Mapping):
            raise KeyProblem(f"dataset.{name}", f"[dataset.{name}] must be a table, not {options!r}")
    found: dict[str, dict[str, Any]] = absolute({"dataset": datasets}, folder or Path())["dataset"]
    return found


def make_adapter(sweep: Sweep, name: str, registry: Registry) -> Adapter:
    """Return the adapter of that name with the options of its table."""
    adapter: Adapter = registry.make("adapter", name, sweep.options.get(name))
    return adapter


def make_backbone(sweep: Sweep, registry: Registry) -> Backbone:
    """Return the backbone with the options of its table."""
    backbone: Backbone = registry.make("backbone", sweep.backbone, sweep.options.get(sweep.backbone))
    return backbone


def make_standalone_dataset(name: str, overrides: Sequence[str], registry: Registry) -> Dataset:
    """Return the dataset of that name, with `overrides` ("face=true") as its table [dataset.NAME] would have them.

    Raises:
        SpecError, PluginError: there is no such dataset, option or value.
    """
    table: dict[str, Any] = {}
    for override in overrides:
        put(table, override)
    try:
        return make_dataset(Sweep(dataset=declared({name: table}, None) if table else {}), name, registry)
    except KeyProblem as e:
        raise SpecError(f"--set: {e}") from e
