"""Read committed tables: published numbers (TOML, written by hand) and measured ones (JSON, written from a finished sweep).

Listing them does not import numpy.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from dabench.analysis.printed import with_cells
from dabench.errors import SpecError, StoreError, nearest
from dabench.storage.text_files import decoded, lines_alike

BASELINE_METRICS = ("accuracy", "balanced-accuracy")
"""The metrics of a measured table; they differ if classes are imbalanced. The table names one of them first."""

Baseline = Mapping[str, Any]
"""name, kind ("published" or "measured"), title, source, metric, note, citations, datasets (name -> label), cells, gains.

Optional, written by hand: note (a sentence, such as that a table was measured with an earlier version of its sweep file), and
notes (adapter -> a warning about its rows, such as a setting that was chosen by target labels).
"""


@dataclass(frozen=True)
class Published:
    """A published number in %, with the same datasets, classes, adapter and metric, but another protocol.

    Attributes:
        low, high: the interval, None if none was published.
        baseline: the committed table with this number; source: authors and publication.
        spread: what the source prints after "±", None if nothing; its protocol says what it is.
        printed: the number and its spread with the digits of the source; empty: two digits.
    """

    name: str
    adapter: str
    backbone: str
    sources: list[str]
    target: str | None
    test: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    baseline: str
    source: str
    protocol: str
    spread: float | None = None
    printed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of results.json; without spread and digits if the source gives none."""
        return {key: value for key, value in asdict(self).items() if value or key not in ("spread", "printed")}


def _folder() -> Path:
    return Path(next(iter(import_module("dabench.baselines").__path__)))


def contributed_tables() -> dict[str, Path]:
    """Return the measured tables of others in baselines/contributed: name -> file."""
    return {p.stem: p for p in sorted((_folder() / "contributed").glob("*.json"))}


def known_tables() -> dict[str, Path]:
    """Return the committed and the contributed tables: name -> file. A committed table keeps its name."""
    committed = committed_tables()
    return committed | {name: path for name, path in contributed_tables().items() if name not in committed}


def measured_tables() -> dict[str, Path]:
    """Return the measured tables, contributed ones last: name -> file. Measured tables are the .json files."""
    return {name: path for name, path in known_tables().items() if path.suffix == ".json"}


def committed_tables() -> dict[str, Path]:
    """Return the committed tables: name -> file."""
    folder = _folder()
    return {p.stem: p for p in sorted(folder.iterdir(), key=lambda p: p.stem) if p.suffix in (".toml", ".json")}


def published_tables(datasets: Collection[str]) -> list[Baseline]:
    """Return the published tables that name one of these datasets. Other tables are not parsed."""
    files = {name: path for name, path in committed_tables().items() if path.suffix == ".toml"}
    near = [name for name, path in files.items() if any(d in path.read_text(encoding="utf-8") for d in datasets)]
    return [table for table in map(read_baseline, near) if table["kind"] == "published"]


def records_of(name: str | Path) -> Path | None:
    """Return the pack with the runs of a committed table, by name or path, or None if there is none."""
    path = known_tables().get(str(name), Path(name)).with_suffix(".zip")
    return path if path.is_file() else None


def read_baseline(name: str | Path) -> Baseline:
    """Return a committed table by name or path; raise SpecError if it does not exist, StoreError if it cannot be read."""
    known = known_tables()
    path = Path(name) if Path(name).suffix in (".toml", ".json") else known.get(str(name))
    if path is None or not path.is_file():
        raise SpecError(
            f"unknown baseline '{name}'{nearest(str(name), known)}; known: {', '.join(known)}, or a .json or .toml file"
        )
    try:
        text = lines_alike(decoded(path.read_bytes()))
        value: Baseline = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("the file must contain a table")
        value = with_cells(value)
        missing = [key for key in ("name", "kind", "title", "source", "metric", "cells") if key not in value]
        if missing:
            raise ValueError(f"missing keys: {', '.join(missing)}; make a table with dabench baseline NAME --from RUNS")
        if not isinstance(value["cells"], list):
            raise ValueError("cells must be a list")
    except (OSError, ValueError) as e:
        raise StoreError(f"baseline {path}: cannot be read ({e})") from e
    return value


def short_names_of(baseline: Baseline) -> dict[str, str]:
    """Return dataset -> short name."""
    return dict(baseline.get("short_names") or baseline["datasets"])
