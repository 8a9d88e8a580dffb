"""What may be compared: a sweep's results, from its output folder or a pack, or a committed table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dabench.analysis.baselines import Baseline, committed_tables, read_baseline, records_of, short_names_of
from dabench.analysis.environments import environments_of, mixed_text, versions_of
from dabench.analysis.export import open_results
from dabench.analysis.matrix import read_matrix
from dabench.analysis.predictions import Predictions
from dabench.analysis.provenance import settings_of
from dabench.errors import SpecError, nearest
from dabench.storage.reader import ResultsReader
from dabench.storage.remote_fs import is_remote
from dabench.storage.schema import CellKey
from dabench.training.selection import LAST


class TableKey(NamedTuple):
    """Which cell, across tables."""

    key: CellKey
    backbone: str
    labels: str


@dataclass(frozen=True)
class ComparisonSide:
    """One side of a comparison.

    Attributes:
        title: what was given, for a heading.
        kind: "measured" or "published".
        selection: the rule that chose checkpoints; empty where it is not known.
        cells: as in results.json, by place.
        short_names: dataset -> short name.
        settings: as `settings_of` gives them; empty where they are not known.
        datasets: dataset -> digest of its prepared data, where known.
        missing: names of the runs that are not there.
        mixed: what its runs differ in, as `mixed_text` says it.
        table: the committed table that it is, if it is one.
        runs: the predictions: of results, and of a committed table that has its records beside it.
    """

    title: str
    kind: str
    metric: str
    selection: str
    cells: Mapping[TableKey, Mapping[str, Any]]
    short_names: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    mixed: str = ""
    table: Baseline | None = None
    runs: Predictions | None = None


def sides(
    first: str | Path, second: str | Path, metric: str | None, selection: str | None
) -> tuple[ComparisonSide, ComparisonSide]:
    """Return both sides of a comparison, in one metric and, where predictions are there to choose, by one selection rule.

    Args:
        metric: None: that of the committed table, where one is named, else accuracy; selection: so, too, else last.

    Raises:
        StoreError: one of the two is damaged.
        SpecError: one of the two is nothing that can be compared, or a committed table is in another metric.
    """
    found = [_found(first), _found(second)]
    tables = [side for side in found if not isinstance(side, ResultsReader)]
    metric = metric or next((t["metric"] for t in tables), "accuracy")
    selection = selection or next((t["selection"] for t in tables if t.get("selection")), None) or LAST
    for table in tables:
        if table["metric"] != metric:
            raise SpecError(f"baseline '{table['name']}' is in {table['metric']}, not in {metric}; leave --metric out")
    one, other = (
        _of_results(s, metric, selection) if isinstance(s, ResultsReader) else _of_baseline(s, records_of(what))
        for what, s in zip((first, second), found, strict=True)
    )
    return one, other


def _found(what: str | Path) -> ResultsReader | Baseline:
    """Return what a name or path stands for: an output folder or pack that is there, else a committed table."""
    path = Path(what).expanduser()
    if is_remote(what):
        return open_results(what)
    if (path / "sweep.json").is_file() or path.suffix == ".zip":
        return open_results(path)
    if path.suffix in (".json", ".toml") or str(what) in committed_tables():
        return read_baseline(what)
    if path.is_dir():
        open_results(path).read_sweep()  # says that it is none
    known = committed_tables()
    raise SpecError(
        f"unknown baseline '{what}'{nearest(str(what), known)}; known: {', '.join(known)}, or a .json or .toml file; "
        "or give an output folder or a pack that is there"
    )


def _of_results(stored: ResultsReader, metric: str, selection: str) -> ComparisonSide:
    matrix = read_matrix(stored, metric, selection)
    runs = matrix.predictions
    return ComparisonSide(
        str(stored.place),
        "measured",
        metric,
        selection,
        {place(vars(c)): vars(c) for c in matrix.cells},
        {n: f.short_name for n, f in matrix.datasets.items()},
        settings_of(matrix.record),
        {n: f.digest for n, f in matrix.datasets.items()},
        versions_of(environments_of(runs.records.values())),
        matrix.missing,
        mixed_text(matrix.mixed),
        runs=runs,
    )


def _of_baseline(table: Baseline, records: Path | None) -> ComparisonSide:
    measured = table["kind"] == "measured"
    pack = open_results(records) if measured and records else None
    return ComparisonSide(
        f"baseline {table['name']}",
        table["kind"],
        table["metric"],
        table.get("selection", ""),
        {place(c): c for c in table["cells"]},
        short_names_of(table),
        table.get("settings", {}),
        {n: f["digest"] for n, f in table["datasets"].items()} if measured else {},
        versions_of(table["provenance"]["environments"]) if measured else {},
        table=table,
        runs=Predictions(pack, pack.read_sweep(), table["selection"]) if pack else None,
    )


def place(cell: Mapping[str, Any]) -> TableKey:
    """Return what identifies a cell across tables."""
    key = CellKey(cell["adapter"], tuple(cell["sources"]), cell.get("target"), cell["test"])
    return TableKey(key, cell["backbone"], cell.get("label_budget", "0"))
