"""Plugins, and what else there is: registered, listed, shown, made, checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench.experiment.sweep_file import shelf
from dabench.plugins.contract import KINDS, Kind, Plugin
from dabench.plugins.registry import REGISTRY
from dabench.storage.paths import cache_folder, data_folder

if TYPE_CHECKING:
    from dabench.checks.rules import Finding


def register(plugin: type[Plugin] | Plugin) -> type[Plugin] | Plugin:
    """Add a dataset, backbone or adapter class (or instance) to this process and to its sweeps; serves as a decorator.

    Raises:
        PluginError: its facts are incomplete or wrong, or its name is taken.
    """
    return REGISTRY.register(plugin)


def load_plugins(files: Sequence[str | Path]) -> None:
    """Add the plugins of Python files to this process and to its sweeps."""
    for file in files:
        REGISTRY.load_file(Path(file))


def listing() -> dict[str, list[dict[str, Any]]]:
    """Return every plugin, sweep and baseline that there is, by kind; loads neither torch nor ray."""
    from dabench.analysis.baselines import shelf as baseline_shelf

    found: dict[str, list[dict[str, Any]]] = {f"{kind}s": [_facts(e) for e in REGISTRY.entries(kind)] for kind in KINDS}
    found["sweeps"] = [{"name": name, "title": _title(path)} for name, path in shelf().items()]
    found["baselines"] = [{"name": name, "title": _title(path)} for name, path in baseline_shelf().items()]
    return found


def _facts(entry: Any) -> dict[str, Any]:
    plugin = entry.plugin
    facts = {"name": entry.name, "title": getattr(plugin, "title", ""), "origin": entry.origin}
    if entry.kind == "adapter" and plugin is not None:
        facts["access"] = plugin.access
    return facts | ({"error": entry.error} if entry.error else {})


def _title(path: Path) -> str:
    import tomllib

    text = path.read_text(encoding="utf-8")
    return str((tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)).get("title", ""))


def show(kind: Kind, name: str, *, data: str | Path | None = None, plugins: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Return all facts of one plugin, its options with their defaults among them; prepares and builds nothing that is kept.

    Args:
        data: the folder of all raw datasets, in which a dataset's files are looked for; default DABENCH_DATA.

    Raises:
        PluginError: it is unknown or broken.
    """
    from dabench.checks.facts import facts_of

    load_plugins(plugins)
    plugin, origin = REGISTRY.make(kind, name), REGISTRY.find(kind, name).origin
    members = REGISTRY.members(kind, name) if plugin.variants and not plugin.variant else []
    return facts_of(plugin, origin, members, data_folder(data), cache_folder())


def new(kind: Kind, name: str, to: str | Path | None = None) -> list[Path]:
    """Write the package of a new plugin into the folder `to` (default: NAME), which must not be there; return its files.

    Raises:
        PluginError, StoreError: the name or the folder cannot be.
    """
    from dabench.checks.scaffold import scaffold

    return scaffold(kind, name, Path(to).expanduser() if to else Path(name))


def check(
    *names: str, raw: str | Path | None = None, data: str | Path | None = None, plugins: Sequence[str | Path] = ()
) -> list[Finding]:
    """Hold plugins to the contract of their kind, all that there are if none is named; return what came of every rule.

    Args:
        raw: the folder with the raw files of the dataset named; default DATA/NAME. Without raw files, the rules about
            samples are not done.

    Raises:
        PluginError: there is no plugin of a name, or a plugin file is broken.
    """
    from dabench.checks.check import check_plugins

    load_plugins(plugins)
    return check_plugins(names, REGISTRY, data_folder(data), Path(raw).expanduser().resolve() if raw else None)
