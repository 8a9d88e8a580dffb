"""Make the plugins that a sweep names, with the options that it gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dabench.errors import PluginError, SpecError, nearest
from dabench.experiment.adapter_names import own_options, parts_of, plugin_of
from dabench.experiment.config import DatasetTable, Sweep
from dabench.experiment.overrides import absolute, put
from dabench.plugins.contract import Adapter, Backbone, Correction, Dataset
from dabench.plugins.options import KeyProblem, build
from dabench.plugins.registry import Registry

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def make_dataset(sweep: Sweep, name: str, registry: Registry) -> Dataset:
    """Return the dataset `name`: a plugin with the options of [dataset.NAME], or a dataset that this table declares.

    The table declares a dataset if no plugin has its name. Such a dataset uses the plugin of the key `plugin` (default:
    parquet-images if the table has the key `parquet`, else image-folder) and reads the raw files of that plugin. The key `drop`
    names a list of images to leave out, and `store` how prepared images are stored.

    Raises:
        KeyProblem: a key of the table is wrong.
        PluginError: there is no such dataset.
    """
    options = dict(sweep.dataset.get(name, {}))
    keys = [f.name for f in fields(DatasetTable)]
    own = build(DatasetTable, {key: options.pop(key) for key in keys if key in options}, f"dataset.{name}")
    plugin = own.plugin
    if name in sweep.dataset:
        known = {member for e in registry.entries("dataset") for member in registry.members("dataset", e.name)}
        if name not in known and not NAME.fullmatch(name):
            family = "; for a family, write one table per member" if name.endswith("/*") else ""
            raise KeyProblem(
                f"dataset.{name}", f"[dataset.{name}]: the name of a dataset is letters, digits, '.', '_' and '-'{family}"
            )
        plugin = plugin or (name if name in known else "parquet-images" if "parquet" in options else "image-folder")
        try:
            registry.find("dataset", plugin)
        except PluginError as e:
            raise KeyProblem(f"dataset.{name}.plugin", f"[dataset.{name}] {e}") from e
    try:
        dataset: Dataset = registry.make("dataset", plugin or name, options)
    except KeyProblem as e:
        key = e.path.removeprefix(plugin or name)
        raise KeyProblem(f"dataset.{name}{key}", f"[dataset.{name}] {e}") from e
    facts: dict[str, Any] = {"drop": own.drop or dataset.drop, "store": own.store, "store_quality": own.store_quality}
    if dataset.name != name:
        facts |= {"plugin": dataset.name, "name": name}
        if dataset.short_name in (dataset.name.upper(), type(dataset).short_name):
            facts["short_name"] = name.upper()
    return dataset.with_facts(**facts)


def with_members(table: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return the table of a sweep with each family in `datasets`, such as "office-31/*", replaced by its members.

    Raises:
        KeyProblem: the family is unknown, or it has no fixed list of members.
    """
    named = table.get("datasets")
    if not isinstance(named, (list, tuple)):
        return dict(table)
    found: list[Any] = []
    for i, name in enumerate(named):
        if not isinstance(name, str) or not name.endswith("/*"):
            found.append(name)
            continue
        try:
            members = registry.members("dataset", name)
        except PluginError as e:
            raise KeyProblem("datasets", f"datasets[{i}] = {name!r}: {e}") from e
        if members == [name]:
            raise KeyProblem(
                "datasets",
                f"datasets[{i}] = {name!r}: this family has no fixed list of members; name each dataset, for example "
                f"{name[:-1] + 'NAME'!r} (see: dabench show dataset {name})",
            )
        found += members
    return {**table, "datasets": found}


def declared(datasets: Mapping[str, Mapping[str, Any]], folder: Path | None) -> dict[str, dict[str, Any]]:
    """Return the tables [dataset.NAME] with absolute paths."""
    for name, options in datasets.items():
        if not isinstance(options, Mapping):
            raise KeyProblem(f"dataset.{name}", f"[dataset.{name}] must be a table, not {options!r}")
    found: dict[str, dict[str, Any]] = absolute({"dataset": datasets}, folder or Path())["dataset"]
    return found


def adapter_options(sweep: Sweep, name: str) -> dict[str, Any]:
    """Return the options that a sweep gives an adapter: those of its table, changed by those of its name."""
    return {**sweep.options.get(plugin_of(name), {}), **own_options(name)}


def make_adapter(sweep: Sweep, name: str, registry: Registry) -> Adapter:
    """Return the adapter `name`, such as "dann", "dann@weight=1" or "dann+em-prior", with its options and its correction.

    Raises:
        KeyProblem: an option or its value is wrong, or the method cannot have the correction.
        PluginError: there is no such adapter.
    """
    first, *others = parts_of(name)
    adapter = _make_method(sweep, first, registry)
    if not others:
        return adapter.with_facts(correction=adapter) if isinstance(adapter, Correction) else adapter
    correction = _make_method(sweep, others[0], registry)
    if problem := _uncorrectable(name, adapter, correction, others):
        raise KeyProblem("adapters", f"adapters: '{name}': {problem}")
    return adapter.with_facts(
        title=f"{adapter.title} + {correction.title}",
        citation="\n".join(dict.fromkeys(filter(None, (adapter.citation, correction.citation)))),
        access=correction.access if adapter.access == "none" else adapter.access,
        correction=correction,
    )


def _uncorrectable(name: str, adapter: Adapter, correction: Adapter, others: Sequence[str]) -> str:
    """Return why the adapter cannot have the correction, and what to write instead; "" if it can."""
    if len(others) > 1:
        return "an adapter has one correction; name each in a row of its own"
    if not isinstance(correction, Correction):
        return f"{others[0]} is a method, not a correction; after '+' a correction is allowed (see: dabench list adapters)"
    if isinstance(adapter, Correction) or (not adapter.adapts() and adapter.shares_pretraining()):
        return f"source-only training with {others[0]} is written '{others[0]}'"
    if not adapter.adapts():
        return f"{adapter.name} does not adapt to a target, so there is no target to correct it for"
    if adapter.access == "test":
        return f"{adapter.name} predicts at test time from the test stream, and a correction needs a network that stays the same"
    if adapter.access in ("few-shot", "full"):
        return f"{adapter.name} learns from labels of the target, so class shares of the sources are not those of its training"
    if not adapter.uses_sources:
        return f"{adapter.name} is source-free, and a correction needs the validation images of the sources"
    return ""


def _make_method(sweep: Sweep, name: str, registry: Registry) -> Adapter:
    """Return the adapter of a name without correction. Options of the name are in its title."""
    plugin, own = plugin_of(name), own_options(name)
    adapter: Adapter = registry.make("adapter", plugin, sweep.options.get(plugin))
    if plugin == name:
        return adapter
    if not adapter.adapts() and adapter.shares_pretraining():
        raise KeyProblem(
            "adapters", f"adapters: '{name}': {plugin} changes nothing, gains are measured against it; write '{plugin}'"
        )
    known = [f.name for f in fields(type(adapter).Options)]
    try:
        for option in own:
            if option not in known:
                raise SpecError(f"{plugin} has no option '{option}'{nearest(option, known)}")
        adapter = registry.make("adapter", plugin, adapter_options(sweep, name))
    except SpecError as e:
        advice = f"options of {plugin}: {', '.join(known) or '(no options)'} (see: dabench show adapter {plugin})"
        raise KeyProblem("adapters", f"adapters: '{name}': {e}; {advice}") from e
    return adapter.with_facts(title=", ".join(filter(None, (adapter.title, name.partition("@")[2]))))


def make_backbone(sweep: Sweep, registry: Registry) -> Backbone:
    """Return the backbone with the options of its table."""
    backbone: Backbone = registry.make("backbone", sweep.backbone, sweep.options.get(sweep.backbone))
    return backbone


def make_standalone_dataset(name: str, overrides: Sequence[str], registry: Registry) -> Dataset:
    """Return the dataset `name` with `overrides` ("face=true") as the keys of its table [dataset.NAME].

    Raises:
        SpecError: an option or a value is wrong.
        PluginError: there is no such dataset.
    """
    table: dict[str, Any] = {}
    for override in overrides:
        put(table, override)
    try:
        return make_dataset(Sweep(dataset=declared({name: table}, None) if table else {}), name, registry)
    except KeyProblem as e:
        raise SpecError(f"--set: {e}") from e
