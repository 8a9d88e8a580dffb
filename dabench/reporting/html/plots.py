"""Draw the figures of the page: a forest plot of the gains, and learning curves. Their number does not grow with the runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dabench.analysis.curves import Curve
from dabench.analysis.matrix import Matrix
from dabench.analysis.ranks import Ranking
from dabench.analysis.results import Gain
from dabench.plugins.contract import SOURCE_ONLY, SUPERVISED
from dabench.reporting.html.colors import DASHES, LINES
from dabench.reporting.html.svg import ACCENT, GROUND, INK, LINE_COLOURS, MUTED, draw
from dabench.reporting.html.text import one_line_text
from dabench.reporting.intervals import is_partial
from dabench.reporting.ranks import figure_of, rank_text, title_of
from dabench.reporting.tables import trained, with_interval

MOST_ROWS, MOST_NAMED, MOST_PANELS, MOST_RANKED = 600, 150, 24, 30

_SPOKEN = 12

_ON_SOURCE = {SUPERVISED: "training on the source", SOURCE_ONLY: "training on the source, continued"}
"""The panels of the methods that train on sources only."""

LineStyle = tuple[str, Any]
"""Colour and dashes of a line."""


def forest(matrix: Matrix) -> Markup | None:
    """Return a forest plot of the gains with intervals, adapter by adapter; rows are named only if they fit."""
    gains = matrix.gains[:MOST_ROWS]
    if not gains:
        return None
    named = len(gains) <= MOST_NAMED
    pitch = 24 if named else 6
    rows = _rows(matrix, gains, named)
    low, high = min(0, *(g.low for g in gains)), max(0, *(g.high for g in gains))

    def fill(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, gain, _ in rows:
            if gain:
                sure, style = gain.told_from_zero, "dotted" if is_partial(vars(gain)) else "solid"
                width = 1.6 if named else 0.8
                axes.hlines(place, gain.low, gain.high, color=ACCENT if sure else MUTED, linewidth=width, linestyle=style)
                axes.plot(gain.mean, place, "o", color=ACCENT if sure else MUTED, markersize=4.5 if named else 2,
                          markerfacecolor=ACCENT if sure else GROUND)  # fmt: skip
        axes.set_yticks([r[0] for r in rows if r[2]], [r[2] for r in rows if r[2]], parse_math=False)
        for label, (_, gain, _) in zip(axes.get_yticklabels(), (r for r in rows if r[2]), strict=True):
            label.set(color=INK, fontweight="normal" if gain and named else "bold")
        margin = 0.03 * (high - low or 1)
        axes.set(xlim=(low - margin, high + margin), ylim=(rows[-1][0] + 0.8, rows[0][0] - 0.8))
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        dotted = " (dotted: of one seed or one group)" if any(is_partial(vars(g)) for g in gains) else ""
        axes.set_xlabel(f"points of {one_line_text(matrix.measure.title)} over none, 95 % interval{dotted}", parse_math=False)

    title = f"Gain of each adapter on each target, in points of {matrix.measure.title}"
    spoken = [f"{g.adapter}, {trained(matrix, g.sources, g.target)}: {with_interval(g, '+z.1f')}" for g in gains]
    return draw("forest", title, _spoken(spoken), 560, 84 + pitch * rows[-1][0], fill)


def _rows(matrix: Matrix, gains: Sequence[Gain], named: bool) -> list[tuple[float, Gain | None, str]]:
    """Return position, gain and label of every row, adapter by adapter.

    With `named`, the name of an adapter has its own row. Without, gains are sorted, and the first row carries the name.
    """
    rows: list[tuple[float, Gain | None, str]] = []
    for adapter in dict.fromkeys(g.adapter for g in gains):
        own, heading = [g for g in gains if g.adapter == adapter], one_line_text(adapter)
        if named:
            names = [one_line_text(trained(matrix, g.sources, g.target).replace("->", "→")) for g in own]
            added: list[tuple[Gain | None, str]] = [(None, heading), *zip(own, names, strict=True)]
        else:
            sized = sorted(own, key=lambda g: -matrix.measure.won(g.mean))
            added = [(sized[0], heading), *((g, "") for g in sized[1:]), (None, "")]
        rows += [(place, gain, name) for place, (gain, name) in enumerate(added, len(rows))]
    return rows


def ranks(matrix: Matrix) -> list[Markup | None]:
    """Return the figure of each ranking; None if it has too many adapters for one."""
    return [
        _rank_figure(matrix, ranking, n) if len(ranking.methods) <= MOST_RANKED else None
        for n, ranking in enumerate(matrix.ranks)
    ]


def _rank_figure(matrix: Matrix, ranking: Ranking, number: int) -> Markup:
    strokes, texts, height = figure_of(ranking)
    many = len(ranking.methods)
    place = {"left": ("right", "center"), "right": ("left", "center"), "above": ("center", "bottom")}

    def fill(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        axes.set_axis_off()
        for s in strokes:
            axes.plot((s.x0, s.x1), (s.y0, s.y1), color=ACCENT if s.thick else MUTED, linewidth=4 if s.thick else 1)
        for t in texts:
            across, up = place[t.side]
            axes.text(t.x, t.y, one_line_text(t.text, 60), ha=across, va=up, color=INK, parse_math=False)
        margin = 0.3 * many
        axes.set(xlim=(0.8 - margin, many + 0.2 + margin), ylim=(height, -2 if ranking.critical is not None else -1))

    spoken = [f"{m.adapter}: {rank_text(m)}" for m in ranking.methods]
    return draw(f"ranks{number}", title_of(matrix, ranking), _spoken(spoken), 640, 60 + 24 * height, fill)


def losses(matrix: Matrix, found: Sequence[Curve]) -> Markup | None:
    """Return the training losses: a panel for each method, or for each of its named losses; a line for each source and target."""
    trainings = [
        replace(c, method=f"{c.method}: {name}", losses=values) if name else c
        for c in found
        for name, values in (c.named or {"": c.losses}).items()
        if len(values)
    ]
    colours = _colours(matrix)

    def panel(axes: Axes, own: Sequence[Curve]) -> None:
        for c in own:
            _line(axes, c.steps, c.losses, colours[c.sources[0]])
        axes.set_ylim(bottom=0 if min(float(c.losses.min()) for c in own) >= 0 else None)

    title = f"Training loss over steps, mean over {_runs(matrix)}"
    spoken = [f"{_name(matrix, c)}: {c.losses[0]:.2f} to {c.losses[-1]:.2f} in {c.steps[-1]} steps" for c in trainings]
    return _panels("losses", title, _spoken(spoken), "steps", _by_method(trainings), panel)


def accuracies(matrix: Matrix, found: Sequence[Curve]) -> Markup | None:
    """Return accuracy over checkpoints: a panel for each method, a line for each training and test set."""
    tested = [c for c in found if c.accuracy]
    colours = _colours(matrix)

    def panel(axes: Axes, own: Sequence[Curve]) -> None:
        for c in own:
            for test, values in c.accuracy.items():
                _line(axes, c.checkpoints, values, colours[test], 2.4 if (test,) == c.sources else 1.3)
        axes.set_ylim(0, 100)

    title = f"Accuracy in % over checkpoints, by test labels, mean over {_runs(matrix)}"
    spoken = [
        f"{_name(matrix, c)}, on {matrix.datasets[test].short_name}: {values[0]:.1f} to {values[-1]:.1f}"
        for c in tested
        for test, values in c.accuracy.items()
    ]
    return _panels("accuracies", title, _spoken(spoken), "steps", _by_method(tested), panel)


def _runs(matrix: Matrix) -> str:
    """Return over what a curve is the mean."""
    return "seeds and folds" if matrix.record.folds else "seeds"


def _by_method(found: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Return method and phase (training or adapting) -> curves."""
    panels: dict[str, list[Curve]] = {}
    for c in found:
        name = _ON_SOURCE.get(c.method, f"{c.method}, {'adapting' if c.target else 'training'}")
        panels.setdefault(name, []).append(c)
    return dict(list(panels.items())[:MOST_PANELS])


def _panels(
    name: str, title: str, text: str, below: str, panels: Mapping[str, list[Curve]], fill: Callable[[Axes, list[Curve]], None]
) -> Markup | None:
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)

    def figure_of(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for i, axes in enumerate(grid.flat):
            if i >= len(panels):
                axes.set_visible(False)
                continue
            method, own = list(panels.items())[i]
            axes.set_title(one_line_text(method), parse_math=False)
            axes.grid(axis="y")
            axes.locator_params(nbins=5)
            fill(axes, own)
            _from_zero(axes, own)
            if i >= len(panels) - columns:
                axes.set_xlabel(below)

    return draw(name, title, text, 330 * columns, 235 * rows, figure_of)


def _from_zero(axes: Axes, own: Sequence[Curve]) -> None:
    """Start the axis of steps at 0; with a single step, show only that."""
    if all(len(c.checkpoints) < 2 and len(c.steps) < 2 for c in own):
        only = int(own[0].checkpoints[-1])
        axes.set(xlim=(only - 1, only + 1), xticks=[only])
    else:
        axes.set_xlim(left=0)


def _colours(matrix: Matrix) -> dict[str, LineStyle]:
    """Return colour and dashes of each dataset; the same for all if there are more than LINES."""
    names = list(matrix.datasets)
    if len(names) > LINES:
        return dict.fromkeys(names, (ACCENT, DASHES[0]))
    return {name: (LINE_COLOURS[i], DASHES[i % len(DASHES)]) for i, name in enumerate(names)}


def _line(axes: Axes, x: NDArray[np.int64], y: NDArray[np.float64], look: LineStyle, width: float = 1.5) -> None:
    axes.plot(x, y, color=look[0], linestyle=look[1], linewidth=width, marker="o" if len(x) == 1 else "", markersize=4)


def _name(matrix: Matrix, curve: Curve) -> str:
    method = "trained on" if curve.method in _ON_SOURCE else f"{curve.method},"
    return f"{method} {trained(matrix, curve.sources, curve.target)}"


def _spoken(parts: Sequence[str]) -> str:
    more = f"; and {len(parts) - _SPOKEN} more" if len(parts) > _SPOKEN else ""
    return "; ".join(parts[:_SPOKEN]) + more + "."
