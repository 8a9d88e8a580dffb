"""A sweep as the caller gives it, by name, by path or as a table of its keys, read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dabench.drive import load
from dabench.errors import SpecError
from dabench.registry import REGISTRY
from dabench.scratch import scratch_folder, temporary
from dabench.spec import SweepFile, absolute

Overrides = Mapping[str, Any] | Sequence[str]
"""Keys with new values, {"train.epochs": 2} or ["train.epochs=2"]."""


def sweep_file(sweep: str | Path | Mapping[str, Any], overrides: Overrides, plugins: Sequence[str | Path]) -> SweepFile:
    """Return a sweep given by shelf name, path, or table of keys, after the plugin files that it may need.

    Raises:
        SpecError, PluginError: it asks for something that cannot be.
    """
    from dabench.toml import toml_text

    pairs = as_pairs(overrides)
    if not isinstance(sweep, Mapping):
        return load(sweep, pairs, plugins, REGISTRY)

    with scratch_folder(temporary()) as folder:
        # Written and read again, so that a table in Python and a file go the same way. Paths in it are of this folder.
        path = folder / "sweep.toml"
        try:
            path.write_text(toml_text(absolute(sweep)), encoding="utf-8")
            return replace(load(path, pairs, plugins, REGISTRY), path=None)
        except SpecError as e:
            # The file is gone when the message is read; it is the key that counts.
            raise SpecError(re.sub(rf"^{re.escape(str(path))}(, line \d+)?: ", "", str(e))) from e


def as_pairs(overrides: Overrides) -> list[str]:
    """Return overrides as text, ["train.epochs=2"]."""
    from dabench.toml import toml_value

    return [f"{k}={toml_value(v, k)}" for k, v in overrides.items()] if isinstance(overrides, Mapping) else list(overrides)
