"""Find the published numbers that belong beside a measured table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dabench.analysis.baselines import Baseline, Published, published_tables
from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix


def with_published(matrix: Matrix) -> Matrix:
    """Return the matrix with the published numbers of its datasets, classes and metric from the committed tables.

    Those of the same network stand beside the measured ones. Those of another network are kept apart, in the order of the
    measured cells, and only for these.
    """
    found = [_published(matrix, table, cell) for table in _tables(matrix) for cell in table["cells"] if _known(matrix, cell)]
    same = [p for p in found if p.backbone == matrix.record.backbone.name or p.adapter == HUMAN]
    order = {(c.adapter, tuple(c.sources), c.target, c.test): number for number, c in enumerate(matrix.cells)}
    others = [(order.get((p.adapter, tuple(p.sources), p.target, p.test)), p) for p in found if p not in same]
    measured = sorted(((number, p) for number, p in others if number is not None), key=lambda other: other[0])
    return replace(matrix, published=same, other_networks=[p for _, p in measured])


def _tables(matrix: Matrix) -> Iterator[Baseline]:
    for table in published_tables(matrix.datasets.keys()):
        if table["metric"] == matrix.metric and {*table.get("classes", ())} == {*matrix.classes}:
            yield table


def _known(matrix: Matrix, cell: Mapping[str, Any]) -> bool:
    """Whether the sweep has the datasets and the method of a cell; people need a dataset alone."""
    used = {*cell["sources"], cell["test"], cell.get("target") or cell["test"]}
    return used <= matrix.datasets.keys() and (cell["adapter"] in matrix.record.methods or cell["adapter"] == HUMAN)


def _published(matrix: Matrix, table: Baseline, cell: Mapping[str, Any]) -> Published:
    """Return a cell of a published table, with its sources in the order of the measured cells."""
    orders = {frozenset(c.sources): c.sources for c in matrix.cells}
    return Published(
        cell["name"], cell["adapter"], cell["backbone"],
        list(orders.get(frozenset(cell["sources"]), cell["sources"])), cell.get("target"), cell["test"], table["metric"],
        cell["mean"], cell.get("low"), cell.get("high"), table["name"], table["source"],
        " ".join(table.get("protocol", "").split()), cell.get("spread"), cell.get("printed", ""),
    )  # fmt: skip
