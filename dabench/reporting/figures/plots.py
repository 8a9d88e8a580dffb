"""Draw the figures of a matrix: cross matrices, methods with ties, gains, confusion, learning curves, subgroups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dabench.analysis.curves import Curve, curves
from dabench.analysis.matrix import Matrix
from dabench.analysis.methods import BEST, IN_DOMAIN, METHOD, REFERENCE, TIED, MethodRow, MethodTable, TaskResult
from dabench.analysis.results import Cell, Gain, SubgroupCell
from dabench.reporting.methods import row_name
from dabench.reporting.tables import foremost, sentence, trained

Drawn = tuple[str, tuple[Figure, str]]
"""The name of a figure, without the ending of its file, with the figure and its caption."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Shapes, one for each colour of the style: no fact is shown by colour alone."""

_MOST_LINES = 8
"""Most methods in a figure of learning curves."""

_CONFUSION = 20
"""Most classes of a confusion matrix that is readable in a column."""

_LINE = 0.135
"""Height of a line of a list, in inches."""


def all_figures(matrix: Matrix, width: float) -> Iterator[Drawn]:
    """Yield all figures of a matrix, `width` inches wide."""
    yield from matrix_figures(matrix, width)
    yield from method_figures(matrix, width)
    yield from gain_figures(matrix, width)
    yield from confusion_figures(matrix, width)
    yield from curve_figures(matrix, width)
    yield from group_figures(matrix, width)


def _listed(lines: int, width: float, above: float = 0.45) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, _LINE * lines + above))
    return figure, figure.subplots()


def _name_of(*parts: Any) -> str:
    return "-".join(str(part) for part in parts if part)


def _task(matrix: Matrix, sources: Sequence[str], target: str) -> str:
    return trained(matrix, sources, target).replace(" -> ", "-")


# Cross matrices


def matrix_figures(matrix: Matrix, width: float) -> Iterator[Drawn]:
    """Yield a heat map for each adapter: what was trained on in rows, test sets in columns."""
    tests = list(matrix.datasets)
    for adapter in dict.fromkeys(cell.adapter for cell in matrix.cells):
        cells = [cell for cell in matrix.cells if cell.adapter == adapter]
        rows = list(dict.fromkeys((tuple(cell.sources), cell.target) for cell in cells))
        values = np.full((len(rows), len(tests)), np.nan)
        for cell in cells:
            values[rows.index((tuple(cell.sources), cell.target)), tests.index(cell.test)] = cell.mean
        names = [trained(matrix, *row) for row in rows]
        figure = _heat_map(values, names, [matrix.datasets[test].short_name for test in tests], width)
        yield (
            f"matrix-{adapter}",
            (figure, f"{sentence(matrix.measure.title)} in % of {adapter}: training sets in rows, test sets in columns."),
        )


def _heat_map(values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], width: float) -> Figure:
    figure = Figure(figsize=(width, 0.24 * len(rows) + 0.6))
    axes = figure.subplots()
    axes.imshow(values, vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="tested on", ylabel="trained on")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", color="white" if value > 55 else "black")
    return figure


# Methods and ties


def method_figures(matrix: Matrix, width: float) -> Iterator[Drawn]:
    """Yield for each task its methods, best first, with intervals; those tied with the best are filled."""
    for table in matrix.methods:
        for at, (sources, target) in enumerate(table.tasks):
            found = [(row, result) for row in table.rows if (result := row.results[at]) is not None]
            if any(row.role == METHOD for row, _ in found):
                yield _name_of("methods", _task(matrix, sources, target)), _methods(matrix, table, at, found, width)


def _methods(
    matrix: Matrix, table: MethodTable, at: int, found: list[tuple[MethodRow, TaskResult]], width: float
) -> tuple[Figure, str]:
    found = sorted(found, key=lambda pair: matrix.measure.won(pair[1].mean))
    figure, axes = _listed(len(found), width)
    settings = [*dict.fromkeys(row.setting for row in table.rows if row.role == METHOD), REFERENCE]
    for y, (row, result) in enumerate(found):
        look = settings.index(row.setting) % len(MARKERS)
        competes = result.mark in (BEST, TIED)
        axes.errorbar(
            result.mean, y, xerr=[[result.mean - result.low], [result.high - result.mean]], fmt=MARKERS[look], color=f"C{look}",
            markerfacecolor=f"C{look}" if competes else "white", elinewidth=0.7,
        )  # fmt: skip
    axes.set_yticks(range(len(found)), [row_name(row) for row, _ in found])
    axes.set_xlabel(f"{matrix.measure.title} in % on {matrix.datasets[table.tasks[at][1]].short_name}")
    axes.grid(axis="x", visible=True)
    _legend(figure, settings[:-1])
    ties = "Filled: the best method, and those whose paired difference from it has a 95 % interval that contains 0"
    ties = ties if len(matrix.record.seeds) > 1 else "Filled: the best method; one seed cannot tell which are tied with it"
    reference = f" The row '{IN_DOMAIN}' is a reference." if any(row.role == IN_DOMAIN for row, _ in found) else ""
    return figure, f"{trained(matrix, *table.tasks[at])}: means and 95 % intervals. {ties}.{reference}"


def _legend(figure: Figure, names: Sequence[str]) -> None:
    """Draw a legend below the axes: the i-th name has the i-th colour and shape."""
    looks = [(MARKERS[i % len(MARKERS)], f"C{i % len(MARKERS)}") for i in range(len(names))]
    shown = [Line2D([], [], marker=marker, color=color, linestyle="none") for marker, color in looks]
    if len(names) > 1:
        figure.legend(shown, names, loc="outside lower center", ncols=3)


# Gains


def gain_figures(matrix: Matrix, width: float) -> Iterator[Drawn]:
    """Yield for each task the gain of each adapter over `none`, with intervals."""
    gains = sorted(matrix.gains, key=lambda gain: (gain.sources, gain.target))
    for (sources, target), of_task in groupby(gains, key=lambda gain: (gain.sources, gain.target)):
        found = sorted(of_task, key=lambda gain: matrix.measure.won(gain.mean))
        yield _name_of("gains", _task(matrix, sources, target)), _gains(matrix, found, width)


def _gains(matrix: Matrix, found: Sequence[Gain], width: float) -> tuple[Figure, str]:
    figure, axes = _listed(len(found), width)
    axes.axvline(0, color="black", linewidth=0.5)
    for y, gain in enumerate(found):
        axes.errorbar(
            gain.mean, y, xerr=[[gain.mean - gain.low], [gain.high - gain.mean]], fmt="o", color="C4", elinewidth=0.7,
            markerfacecolor="C4" if gain.told_from_zero else "white",
        )  # fmt: skip
    axes.set_yticks(range(len(found)), [gain.adapter for gain in found])
    axes.set_xlabel(f"gain in {matrix.measure.title} over none, points")
    axes.grid(axis="x", visible=True)
    task = trained(matrix, found[0].sources, found[0].target)
    return figure, f"{task}: gains over none with 95 % intervals. Filled: told from 0, with more than one seed."


# Confusion matrices


def confusion_figures(matrix: Matrix, width: float) -> Iterator[Drawn]:
    """Yield the confusion matrices of the most important cells, for up to 20 classes."""
    if len(matrix.classes) > _CONFUSION:
        return
    for cell in foremost(matrix.cells, 12):
        name = _name_of("confusion", cell.adapter, "+".join(cell.sources), cell.target, "on", cell.test)
        yield name, (_confusion(matrix, cell, width), _confusion_caption(matrix, cell))


def _confusion(matrix: Matrix, cell: Cell, width: float) -> Figure:
    counts = matrix.confusion[cell.key]
    share = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    figure = Figure(figsize=(width, width))
    axes = figure.subplots()
    axes.imshow(share, vmin=0, vmax=100)
    axes.set_xticks(range(len(share)), matrix.classes, rotation=45, ha="right")
    axes.set_yticks(range(len(share)), matrix.classes)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.spines[:].set_visible(False)
    for (i, j), value in np.ndenumerate(share):
        axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=5, color="white" if value > 55 else "black")
    return figure


def _confusion_caption(matrix: Matrix, cell: Cell) -> str:
    task, test = trained(matrix, cell.sources, cell.target), matrix.datasets[cell.test].short_name
    return f"{cell.adapter}, {task}, tested on {test}: % of each true class."


# Learning curves


def curve_figures(matrix: Matrix, width: float) -> Iterator[Drawn]:
    """Yield for each task the accuracy over checkpoints and the loss of its adapters, of the best eight where there are more."""
    known = [curve for curve in curves(matrix.predictions) if curve.target is not None]
    for sources, target in dict.fromkeys((curve.sources, curve.target) for curve in known if curve.target):
        of_task = [curve for curve in known if (curve.sources, curve.target) == (sources, target) and len(curve.losses)]
        shown = sorted(of_task, key=_last_accuracy, reverse=True)[:_MOST_LINES]
        if shown:
            yield _name_of("curves", _task(matrix, sources, target)), _curves(matrix, shown, len(of_task), width)


def _last_accuracy(curve: Curve) -> float:
    values = curve.accuracy.get(curve.target or "", np.zeros(1))
    return float(values[-1])


def _curves(matrix: Matrix, shown: Sequence[Curve], known: int, width: float) -> tuple[Figure, str]:
    figure = Figure(figsize=(width, 0.62 * width + 0.5))
    loss, accuracy = figure.subplots(1, 2)
    for i, curve in enumerate(shown):
        loss.plot(curve.steps, curve.losses, color=f"C{i}", label=curve.method)
        values = curve.accuracy.get(curve.target or "")
        if values is not None:
            accuracy.plot(curve.checkpoints, values, color=f"C{i}", marker=MARKERS[i])
    loss.set(xlabel="step", ylabel="loss")
    accuracy.set(xlabel="step", ylabel="accuracy in %")
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    some = f" The best {len(shown)} of {known} adapters." if known > len(shown) else ""
    task = trained(matrix, shown[0].sources, shown[0].target)
    return (
        figure,
        f"{task}: losses, and accuracy on test images of the target, means over seeds; not for choosing anything.{some}",
    )


# Subgroups


def group_figures(matrix: Matrix, width: float) -> Iterator[Drawn]:
    """Yield for each attribute of a test set the source-only results by its values."""
    plain = [g for g in matrix.subgroups if g.adapter == matrix.record.plain and g.mean is not None]
    for test, attribute in dict.fromkeys((g.test, g.attribute) for g in plain):
        found = [g for g in plain if (g.test, g.attribute) == (test, attribute)]
        yield _name_of("groups", matrix.datasets[test].short_name, attribute), _groups(matrix, found, width)


def _groups(matrix: Matrix, found: Sequence[SubgroupCell], width: float) -> tuple[Figure, str]:
    values = list(dict.fromkeys(g.value for g in found))[::-1]
    networks = list(dict.fromkeys(tuple(g.sources) for g in found))
    figure, axes = _listed(len(values) * len(networks), width)
    for g in found:
        at = networks.index(tuple(g.sources))
        y = values.index(g.value) + 0.7 * ((at + 0.5) / len(networks) - 0.5)
        look, mean = at % len(MARKERS), g.mean or 0.0
        sides = [[mean - (mean if g.low is None else g.low)], [(mean if g.high is None else g.high) - mean]]
        axes.errorbar(
            mean, y, xerr=sides, fmt=MARKERS[look], color=f"C{look}", elinewidth=0.7,
            markerfacecolor="white" if g.too_few else f"C{look}",
        )  # fmt: skip
    axes.set_yticks(range(len(values)), values)
    axes.set(xlabel=f"{matrix.measure.title} in % on {matrix.datasets[found[0].test].short_name}", ylabel=found[0].attribute)
    axes.grid(axis="x", visible=True)
    _legend(figure, [f"trained on {trained(matrix, sources, None)}" for sources in networks])
    return figure, f"Source-only results by {found[0].attribute}, with 95 % intervals. Empty: fewer than 30 images or one group."
