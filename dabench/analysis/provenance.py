"""The settings that a sweep was run with, as one flat table."""

from __future__ import annotations

from typing import Any

from dabench.experiment.overrides import PATHS
from dabench.storage.reader import flat
from dabench.storage.schema import SweepRecord, to_json

_NAMES = ("name", "title", "plugins", "dataset", "options", "classes", "seeds")
"""Keys of a sweep that say what it is called or where its files lie, or that its record says in full."""


def settings_of(record: SweepRecord) -> dict[str, Any]:
    """Return the settings of a sweep from its record (sweep.json), as "train.lr" -> 0.05; defaults are among them."""
    sweep = record.sweep
    found = {key: value for key, value in sorted(to_json(sweep).items()) if key not in _NAMES}
    found |= {"seeds": record.seeds, "classes": record.classes, "input": dict(sorted((to_json(record.input) or {}).items()))}
    found["dataset"] = {n: {k: v for k, v in table.items() if k not in PATHS} for n, table in sweep.dataset.items()}
    found |= {sweep.backbone: sweep.options.get(sweep.backbone, {})}
    found |= {name: facts.options for name, facts in record.adapters.items()}
    return flat(found)
