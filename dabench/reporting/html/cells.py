"""Heatmaps of the cross matrix, and confusion matrices (for large sweeps, of the most important cells)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix
from dabench.analysis.provided_model import provided_name
from dabench.analysis.results import Cell
from dabench.reporting.conditions import conditions_text
from dabench.reporting.html.colors import shade
from dabench.reporting.intervals import interval_text
from dabench.reporting.provided import of_images
from dabench.reporting.tables import PUBLISHED, foremost, not_adapted, published_mark, shown_in, trained, with_interval
from dabench.storage.schema import CellKey

MOST_COUNTS = 12_000
"""Most counts of confusion matrices on a page: about 400 kB."""


@dataclass(frozen=True)
class HeatmapCell:
    """One cell of a heatmap: mean and interval, step of the colour scale, and key of its confusion matrix.

    Attributes:
        borrowed: a source-only result, shown for comparison.
    """

    mean: str
    interval: str
    shade: int
    key: CellKey | None
    borrowed: bool = False


@dataclass(frozen=True)
class Heatmap:
    """Rows are training sets, columns test sets; None where there is no result."""

    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatmapCell | None, ...]], ...]

    @property
    def borrows(self) -> bool:
        """Whether it has a source-only result."""
        return any(f and f.borrowed for _, fields in self.rows for f in fields)


def maps_of(matrix: Matrix, adapter: str) -> list[Heatmap]:
    """Return the heatmaps of one adapter: train x test; if it adapts, one of results on targets and one of results on sources."""
    cells = [c for c in matrix.cells if c.adapter == adapter]
    if not matrix.record.adapters[adapter].adapts:
        known = {(tuple(c.sources), c.test): _field(c) for c in cells}
        rows = list(dict.fromkeys(tuple(c.sources) for c in cells))
        maps = _map(matrix, "tested on", rows, list(matrix.datasets), known)
        return [replace(m, rows=(*m.rows, *_beside(matrix, adapter))) for m in maps]
    tasks = matrix.record.tasks
    targets = [n for n in matrix.datasets if n in {t for _, t in tasks}]
    sources: list[tuple[str, ...]] = [(n,) for n in matrix.datasets if (n,) in {s for s, _ in tasks}]
    sources += list(dict.fromkeys(s for s, _ in tasks if len(s) > 1))
    there = {(tuple(c.sources), str(c.target)): _field(c) for c in cells if c.test == c.target}
    home = {((c.test,), c.test): _field(c, borrowed=True) for c in not_adapted(matrix) if c.sources == [c.test]} if there else {}
    back = {(tuple(c.sources), str(c.target)): _field(c) for c in cells if c.sources == [c.test]}
    return [
        *_map(matrix, "adapted to and tested on", sources, targets, home | there),
        *_map(matrix, "adapted to; tested on the source", [s for s in sources if len(s) == 1], targets, back),
    ]


def _beside(matrix: Matrix, adapter: str) -> Iterator[tuple[str, tuple[HeatmapCell | None, ...]]]:
    """Yield the rows of human, of provided and of published results."""
    shown = shown_in(matrix, adapter)
    people = {c.test: _field(c) for c in matrix.cells if c.adapter == HUMAN and HUMAN in shown}
    if people:
        yield trained(matrix, [], None), tuple(people.get(test) for test in matrix.datasets)
    for model in matrix.provided if HUMAN in shown else ():
        here = {
            c.test: HeatmapCell(f"{c.mean:.1f}{of_images(model, c)}", interval_text(vars(c)), shade(c.mean), None)
            for c in model.cells
        }
        yield provided_name(model.name, model.conditions.trained_on), tuple(here.get(test) for test in matrix.datasets)
    numbers = [p for p in matrix.published if p.adapter in shown]
    for sources, mark in dict.fromkeys((tuple(p.sources), published_mark(matrix, p.baseline)) for p in numbers):
        here = {
            p.test: HeatmapCell(with_interval(p), PUBLISHED, shade(p.mean), None)
            for p in numbers
            if (tuple(p.sources), published_mark(matrix, p.baseline)) == (sources, mark)
        }
        yield trained(matrix, sources, None) + mark, tuple(here.get(test) for test in matrix.datasets)


def _map(
    matrix: Matrix,
    title: str,
    sources: Sequence[tuple[str, ...]],
    targets: Sequence[str],
    known: Mapping[tuple[tuple[str, ...], str], HeatmapCell],
) -> Iterator[Heatmap]:
    labels = {n: f.short_name for n, f in matrix.datasets.items()}
    if known:
        rows = tuple(("+".join(labels[s] for s in row), tuple(known.get((row, t)) for t in targets)) for row in sources)
        yield Heatmap(title, "trained on", tuple(labels[t] for t in targets), rows)


def _field(cell: Cell, borrowed: bool = False) -> HeatmapCell:
    return HeatmapCell(f"{cell.mean:.1f}", interval_text(vars(cell)), shade(cell.mean), cell.key, borrowed)


@dataclass(frozen=True)
class Confusion:
    """Counts of predicted classes by true class, summed over seeds.

    Attributes:
        rows: for each true class its name, (count, step of the colour scale) for each predicted class, its number of images,
            and its recall in %.
    """

    number: int
    adapter: str
    name: str
    result: str
    rows: tuple[tuple[str, tuple[tuple[int, int], ...], int, str], ...]


def confusions_of(matrix: Matrix) -> dict[CellKey, Confusion]:
    """Return key -> confusion matrix of the most important cells that fit on the page, in the order of the matrix."""
    places = len(matrix.classes) * (len(matrix.classes) + 2)
    chosen = {id(c) for c in foremost(matrix.cells, MOST_COUNTS // places)}
    return {c.key: _confusion(matrix, c, number) for number, c in enumerate(matrix.cells) if id(c) in chosen}


def _confusion(matrix: Matrix, cell: Cell, number: int) -> Confusion:
    counts = matrix.confusion[cell.key]
    images = counts.sum(1)
    shares = 100 * np.divide(counts, images[:, None], out=np.zeros_like(counts), where=images[:, None] > 0)
    rows = tuple(
        (
            name,
            tuple((int(n), shade(s)) for n, s in zip(row, share, strict=True)),
            int(total),
            f"{share[true]:.1f}" if total else "",
        )
        for true, (name, row, share, total) in enumerate(zip(matrix.classes, counts, shares, images, strict=True))
    )
    name = f"{trained(matrix, cell.sources, cell.target)}, tested on {matrix.datasets[cell.test].short_name}"
    result = f"{with_interval(cell)}; {conditions_text(cell)}" if conditions_text(cell) else with_interval(cell)
    return Confusion(number, cell.adapter, name, result, rows)
