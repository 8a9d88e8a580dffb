"""A sweep as the caller gives it, by name, by path or as a table of its keys, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.drive import load
from dabench.plugins.registry import REGISTRY
from dabench.spec.file import SweepFile, table_sweep, toml_value

Overrides = Mapping[str, Any] | Sequence[str]
"""Keys with new values, {"train.epochs": 2} or ["train.epochs=2"]."""


def sweep_file(sweep: str | Path | Mapping[str, Any], overrides: Overrides, plugins: Sequence[str | Path]) -> SweepFile:
    """Return a sweep given by shelf name, path, or table of keys, after the plugin files that it may need.

    Raises:
        SpecError, PluginError: it asks for something that cannot be.
    """
    pairs = as_pairs(overrides)
    if not isinstance(sweep, Mapping):
        return load(sweep, pairs, plugins, REGISTRY)
    for plugin in plugins:
        REGISTRY.load_file(Path(plugin))
    return table_sweep(sweep, pairs, REGISTRY)


def as_pairs(overrides: Overrides) -> list[str]:
    """Return overrides as text, ["train.epochs=2"]."""
    return [f"{k}={toml_value(v, k)}" for k, v in overrides.items()] if isinstance(overrides, Mapping) else list(overrides)
