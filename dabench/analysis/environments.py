"""Settings, versions and devices of runs, and in what of these the runs differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dabench.experiment.overrides import PATHS, WEIGHTS
from dabench.storage.reader import StoredRun, flat
from dabench.storage.schema import SweepRecord, to_json

Mixed = Mapping[str, Mapping[str, int]]
"""Property in which runs differ -> value -> number of runs. Empty if all runs are alike."""

_NAMES = ("name", "title", "plugins", "dataset", "options", "classes", "seeds")
"""Keys of a sweep that are names or paths, or that its record has in another form."""


def settings_of(record: SweepRecord) -> dict[str, Any]:
    """Return the settings of a sweep from its record (sweep.json), as "train.lr" -> 0.05, including defaults."""
    sweep = record.sweep
    found = {key: value for key, value in sorted(to_json(sweep).items()) if key not in _NAMES}
    found |= {"seeds": record.seeds, "classes": record.classes, "input": dict(sorted((to_json(record.input) or {}).items()))}
    found["dataset"] = {n: {k: v for k, v in table.items() if k not in PATHS} for n, table in sweep.dataset.items()}
    options = {key: value for key, value in sweep.options.get(sweep.backbone, {}).items() if key != WEIGHTS}
    found |= {sweep.backbone: options | ({WEIGHTS: record.backbone.weights} if record.backbone.weights else {})}
    found |= {name: facts.options for name, facts in record.adapters.items()}
    return flat(found)


def versions_of(environments: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return versions, such as "torch" -> "2.15.0"; several in one text if runs differ."""
    rows = [{key: str(value) for key, value in e.items()} for e in environments]
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: ", ".join(sorted({row[key] for row in rows if key in row})) for key in keys}


def environments_of(records: Iterable[StoredRun]) -> list[Mapping[str, Any]]:
    """Return the distinct environments of complete runs."""
    found = {tuple(sorted(r.facts.environment.items())): r.facts.environment for r in records}
    return [found[key] for key in sorted(found)]


def mixed(environments: Iterable[Mapping[str, Any]], now: Mapping[str, str] = {}) -> Mixed:
    """Return in which properties that can change results the runs differ: precision, device class, version of torch.

    Args:
        environments: environment of each run, as in its record.
        now: environment of runs computed now, with the same names; a value that no run has counts 0 runs.
    """
    counts: dict[str, Counter[str]] = {fact: Counter() for fact in ("precision", "device class", "torch")}
    for environment in environments:
        facts = {**environment, "device class": _class_of(str(environment.get("device", "")))}
        for fact, counted in counts.items():
            if facts.get(fact):
                counted[str(facts[fact])] += 1
    found = {fact: {now[fact]: 0, **counted} if counted and fact in now else counted for fact, counted in counts.items()}
    return {fact: dict(sorted(values.items())) for fact, values in found.items() if len(values) > 1}


def _class_of(device: str) -> str:
    """Return the class of a device from its name in a record: "cpu (x86_64)", "mps (arm64)", or the name of a GPU."""
    name = device.partition(" (")[0]
    return name if name in ("cpu", "mps", "") else "cuda"


def mixed_text(differences: Mixed) -> str:
    """Return the differences as text: "torch 2.14.0 (2 runs), 2.15.0 (8 runs)"; "" if the runs are alike."""

    def count(runs: int) -> str:
        return f"{runs} run{'s' if runs != 1 else ''}" if runs else "now"

    texts = {fact: ", ".join(f"{value} ({count(n)})" for value, n in values.items()) for fact, values in differences.items()}
    return "; ".join(f"{fact} {text}" for fact, text in texts.items())
