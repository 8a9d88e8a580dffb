"""A dataset asked for by itself, outside of any sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dabench.errors import SpecError
from dabench.plugins.contract import Dataset
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import Registry
from dabench.spec.file import put
from dabench.spec.plugins import declared, make_dataset
from dabench.spec.sweep import Sweep


def make_alone(name: str, overrides: Sequence[str], registry: Registry) -> Dataset:
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
