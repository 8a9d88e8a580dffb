"""Published numbers for what a sweep measures: they stand beside the measured ones, and are never averaged with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dabench.committed import Baseline, read_baseline, shelf
from dabench.matrix import Matrix


@dataclass(frozen=True)
class Published:
    """A number in % that others published: the same datasets, classes, backbone, adapter and metric, by another protocol.

    Attributes:
        low, high: its interval, None where none was published.
        baseline: the committed table that lists it; source: who published it, and where.
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


def with_published(matrix: Matrix) -> Matrix:
    """Return the matrix with what the committed tables have of published numbers for it."""
    tables = [t for t in map(read_baseline, shelf()) if t["kind"] == "published"]
    return replace(matrix, published=[number for table in tables for number in _of_table(matrix, table)])


def _of_table(matrix: Matrix, table: Baseline) -> list[Published]:
    if table["metric"] != matrix.metric or {*table.get("classes", ())} != {*matrix.classes}:
        return []
    return [
        Published(
            c["name"], c["adapter"], c["backbone"], list(c["sources"]), c.get("target"), c["test"], table["metric"],
            c["mean"], c.get("low"), c.get("high"), table["name"], table["source"], " ".join(table.get("protocol", "").split()),
        )
        for c in table["cells"]
        if _same(matrix, c)
    ]  # fmt: skip


def _same(matrix: Matrix, cell: Mapping[str, Any]) -> bool:
    """Whether a published cell is of what the sweep measures: a human one where the dataset is there."""
    used = {*cell["sources"], cell["test"], *([cell["target"]] if cell.get("target") else [])}
    human = cell["adapter"] == "human"
    known = cell["adapter"] in matrix.record.methods and cell["backbone"] == matrix.record.backbone.name
    return used <= matrix.datasets.keys() and (human or known)
