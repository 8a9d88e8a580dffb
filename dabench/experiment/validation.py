"""Validate the table of a sweep (from TOML or Python) and return it as a Sweep. Unknown keys and wrong values are errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dabench.errors import PluginError, SpecError, nearest
from dabench.experiment.adapter_names import plugins_of, without_spaces
from dabench.experiment.config import Sweep, pair_of
from dabench.experiment.overrides import absolute
from dabench.experiment.resolve import NAME, declared, make_adapter, make_backbone, make_dataset, with_members
from dabench.experiment.search_validation import with_space
from dabench.plugins.contract import Augment
from dabench.plugins.options import KeyProblem, build
from dabench.plugins.registry import Registry


def sweep_from(table: Mapping[str, Any], registry: Registry, folder: Path | None = None) -> Sweep:
    """Make a Sweep from a table (from TOML or Python) and check it against the known plugins.

    Args:
        folder: the folder that its paths are relative to.

    Raises:
        KeyProblem: a key or value is wrong.
    """
    table = dict(table)
    if "class_map" in table:  # the internal name
        raise KeyProblem("class_map", "unknown key 'class_map'; rename classes under [classes.map]")
    for plugin in table.get("plugins", []) if isinstance(table.get("plugins", []), (list, tuple)) else []:
        registry.load_file((folder or Path()) / str(plugin))
    table = with_members(table, registry)
    table["options"] = _options(table, registry)
    if isinstance(table.get("classes"), Mapping):
        table |= _classes(table["classes"])
    sweep = build(Sweep, table | {"options": absolute(table["options"], folder or Path())})
    sweep = replace(sweep, adapters=tuple(map(without_spaces, sweep.adapters)), dataset=declared(sweep.dataset, folder))
    _check(sweep, registry)
    if "search" in table and "trials" not in table["search"]:
        raise KeyProblem(
            "search", "search.trials is missing; write for example trials = 8 under [search]; trials = 0 means no search"
        )
    if sweep.folds is not None and sweep.search.trials:
        raise KeyProblem(
            "folds",
            f"folds = {sweep.folds!r}: a sweep with folds cannot search, because each fold would choose its own settings; search "
            "without folds, and write the chosen settings into the sweep with folds",
        )
    if sweep.folds is not None and sweep.transductive:
        raise KeyProblem(
            "protocol", 'protocol = "transductive" tests all images of each dataset already; leave folds out, or the protocol'
        )
    return with_space(sweep, registry)


def _options(table: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """Remove the tables named after adapters and backbones from `table` and return them as the options of these plugins."""
    own = {f.name for f in fields(Sweep)}
    if not isinstance(table.get("options", {}), Mapping):
        raise KeyProblem("options", f"options = {table['options']!r}: must be a table")
    options: dict[str, Any] = dict(table.get("options", {}))
    known = {e.name for kind in ("adapter", "backbone") for e in registry.entries(kind)}
    for key in [k for k in table if k not in own]:
        if (key in known or key == table.get("backbone")) and not isinstance(table[key], Mapping):
            raise KeyProblem(key, f"{key} = {table[key]!r}: must be the table of its options, [{key}]")
        if not (key in known or key == table.get("backbone")):
            near = nearest(key, own | known)
            raise KeyProblem(
                key,
                f"unknown key '{key}'{near}; known: {', '.join(sorted(own - {'options', 'class_map'}))}, and a table per adapter",
            )
        options[key] = table.pop(key)
    return options


def _classes(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return `classes` and `class_map` of the table [classes], which holds `keep` and `map`."""
    for key in table:
        if key not in ("keep", "map"):
            near = nearest(key, ("keep", "map"))
            raise KeyProblem(f"classes.{key}", f"unknown key 'classes.{key}'{near}; known: keep = [...], [classes.map]")
    keep, renamed = table.get("keep", []), table.get("map", {})
    if not isinstance(keep, (list, tuple)) or not all(isinstance(c, str) for c in keep):
        raise KeyProblem("classes.keep", f"classes.keep = {keep!r}: must be a list of class names")
    if not isinstance(renamed, Mapping):
        raise KeyProblem("classes.map", f'classes.map = {renamed!r}: must be a table of old = "new"')
    for old, new in renamed.items():
        rows = {f"map.{old}.{o}": n for o, n in new.items()} if isinstance(new, Mapping) else {f"map.{old}": new}
        for key, name in rows.items():
            if not isinstance(name, str) or not name:
                raise KeyProblem(f"classes.{key}", f"classes.{key} = {name!r}: must be the new name of a class")
    return {"classes": keep, "class_map": renamed}


def _check(sweep: Sweep, registry: Registry) -> None:
    if not NAME.fullmatch(sweep.name):
        raise KeyProblem("name", f"name = {sweep.name!r}: must be letters, digits, '.', '_' and '-' (it names the output folder)")
    for key, example in (("datasets", '["font-digits", "uci-digits"]'), ("adapters", '["none", "dann"]')):
        values = getattr(sweep, key)
        if not values:
            raise KeyProblem(key, f"{key} is missing; write for example {key} = {example}")
    for key in ("datasets", "adapters", "classes"):
        values = getattr(sweep, key)
        if len(set(values)) < len(values):
            raise KeyProblem("classes.keep" if key == "classes" else key, f"{key} = {list(values)}: duplicate name")
    if not sweep.backbone:
        raise KeyProblem("backbone", 'backbone is missing; write for example backbone = "conv4"')
    if not sweep.seed_list or len(set(sweep.seed_list)) < len(sweep.seed_list) or min(sweep.seed_list) < 0:
        raise KeyProblem(
            "seeds", f"seeds = {sweep.seeds!r}: must be a number of seeds (1 or more), or a list of different seeds (0 or more)"
        )
    for name, new in sweep.class_map.items():
        if isinstance(new, Mapping) and name not in sweep.datasets:
            near = nearest(name, sweep.datasets)
            raise KeyProblem(f"classes.map.{name}", f"[classes.map.{name}]: '{name}' is not in datasets{near}")
    _check_plugins(sweep, registry)
    _check_adapters(sweep, registry)
    _check_pairs(sweep)
    build(Augment, sweep.augment, "augment")
    if sweep.network.problem:
        key = "network.mean" if sweep.network.mean else "network.std"
        raise KeyProblem(key, f"{key}: {sweep.network.problem}")
    if sweep.test.crops == 10 and not sweep.augment.get("crop", True):
        raise KeyProblem(
            "test.crops",
            "test.crops = 10 needs augment.crop (ten crops of the whole image are equal)",
        )


def _check_pairs(sweep: Sweep) -> None:
    if isinstance(sweep.pairs, str):
        return
    for i, text in enumerate(sweep.pairs):
        try:
            pair_of(text, sweep.datasets)
        except SpecError as e:
            raise KeyProblem("pairs", f"pairs[{i}] = {text!r}: {e}") from e
    if len({(frozenset(sources), target) for sources, target in sweep.tasks}) < len(sweep.tasks):
        raise KeyProblem("pairs", f"pairs = {list(sweep.pairs)}: duplicate pair")


def _check_plugins(sweep: Sweep, registry: Registry) -> None:
    """Make every plugin of the sweep, to find unknown names and wrong options early."""
    used = {plugin for name in sweep.adapters for plugin in plugins_of(name)} | {sweep.backbone}
    unused = [name for name in sweep.options if name not in used]
    adapters = {entry.name for entry in registry.entries("adapter")}
    asked: list[tuple[str, Callable[[], object]]] = [
        ("datasets", lambda: [make_dataset(sweep, n, registry) for n in (*sweep.datasets, *sweep.dataset)]),
        ("adapters", lambda: [make_adapter(sweep, n, registry) for n in sweep.adapters]),
        ("backbone", lambda: make_backbone(sweep, registry)),
        ("options", lambda: [registry.make("adapter" if n in adapters else "backbone", n, sweep.options[n]) for n in unused]),
    ]
    for key, make in asked:
        try:
            make()
        except PluginError as e:
            raise KeyProblem(key, str(e)) from e


def _check_adapters(sweep: Sweep, registry: Registry) -> None:
    made: dict[str, str] = {}
    for name in sweep.adapters:
        adapter = make_adapter(sweep, name, registry)
        if sweep.transductive and adapter.adapts() and adapter.access in ("few-shot", "full"):
            raise KeyProblem(
                "protocol",
                f"protocol = \"transductive\": adapter '{name}' learns target labels (access {adapter.access}), and every image "
                'of a target is tested; leave the adapter out, or set protocol = "inductive"',
            )
        methods = [adapter] if adapter.correction is None else [adapter, adapter.correction]
        other = made.setdefault(" + ".join(f"{method.name} {method.options}" for method in methods), name)
        if other != name:
            raise KeyProblem("adapters", f"adapters: '{other}' and '{name}' are the same method with the same options; keep one")
