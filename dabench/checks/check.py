"""Check plugins against the rules of their kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dabench.checks.dataset_checks import dataset_rules
from dabench.checks.rules import Finding, Rule, common_rules, examine
from dabench.errors import PluginError, nearest
from dabench.plugins.contract import KINDS, Adapter, Backbone, Dataset, Plugin, PluginKind
from dabench.plugins.registry import Registry


def check_plugins(names: Sequence[str], registry: Registry, data: Path, raw: Path | None = None) -> list[Finding]:
    """Check plugins against their contract, or all plugins if no name is given.

    Args:
        names: names of plugins. A name of several kinds means all of them; a family means all its members.
        data: the folder of all raw datasets.
        raw: the raw folder of the named datasets; default: their folder in `data`.

    Raises:
        PluginError: a name is unknown.
    """
    wanted = [p for name in names for p in _of_name(name, registry)] or [
        (k, member) for k in KINDS for e in registry.entries(k) for member in registry.members(k, e.name)
    ]
    found = []
    for kind, name in wanted:
        try:
            plugin: Plugin = registry.make(kind, name)
        except PluginError as e:
            found.append(Finding(kind, name, "the plugin can be loaded", "failed", str(e)))
            continue
        found += examine(kind, name, [*common_rules(plugin), *_rules(plugin, data, raw)])
    return found


def _of_name(name: str, registry: Registry) -> list[tuple[PluginKind, str]]:
    family = f"{name.partition('/')[0]}/*"
    known = {kind: [e.name for e in registry.entries(kind)] for kind in KINDS}
    kinds = [k for k in KINDS if name in known[k] or ("/" in name and family in known[k])]
    if not kinds:
        every = sorted({n for names in known.values() for n in names})
        raise PluginError(f"unknown plugin '{name}'{nearest(name, every)}; see dabench list, or give its file with --plugin FILE")
    return [(k, member) for k in kinds for member in registry.members(k, name)]


def _rules(plugin: Plugin, data: Path, raw: Path | None) -> list[Rule]:
    if isinstance(plugin, Dataset):
        return dataset_rules(plugin, raw or plugin.raw_in(data))
    # Imported here, so that datasets are checked without torch.
    from dabench.checks.adapter_checks import adapter_rules
    from dabench.checks.backbone_checks import backbone_rules

    if isinstance(plugin, Backbone):
        return backbone_rules(plugin)
    assert isinstance(plugin, Adapter)
    return adapter_rules(plugin)
