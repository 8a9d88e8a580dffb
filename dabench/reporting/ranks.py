"""Tables and figures of mean ranks: which adapters cannot be told apart.

The figure is that of Demsar (dabench.analysis.ranks): an axis of ranks, a line from each adapter to its mean rank, and a bar over
each group of adapters that cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from dabench.analysis.matrix import Matrix
from dabench.analysis.ranks import MeanRank, Ranking
from dabench.analysis.summary import ONE_SOURCE
from dabench.reporting.conditions import with_conditions
from dabench.reporting.escape import escape_latex
from dabench.reporting.tables import Table, counted

_WIDEST = 60
"""Characters of the axis in a terminal."""

_MEANING = "Mean rank: 1 is the best. Adapters that share a letter cannot be told apart."

_TOO_FEW = (
    "Mean rank: 1 is the best. No adapters can be told apart: {targets} and {sources} are too few; {needed} of each are needed."
)


def ranks_tables(matrix: Matrix, *, axis: bool = False) -> list[Table]:
    """Return the mean ranks for each kind of pairs.

    Args:
        axis: with a column that shows ranks and intervals on an axis, for texts of fixed width.
    """
    return [_ranks_table(matrix, ranking, axis) for ranking in matrix.ranks]


def title_of(matrix: Matrix, ranking: Ranking) -> str:
    """Return the title of a table or figure of ranks."""
    of = f" with {ranking.kind}" if ranking.kind != ONE_SOURCE or len(matrix.ranks) > 1 else ""
    return f"Mean ranks over {counted(ranking.pairs, 'pair')} of datasets{of}: {matrix.measure.title}"


def rank_text(of: MeanRank) -> str:
    """Return "2.5 [1.4, 3.6]", or "2.5" without an interval."""
    return f"{of.rank:.1f}" if of.low is None else f"{of.rank:.1f} [{of.low:.1f}, {of.high:.1f}]"


def _ranks_table(matrix: Matrix, ranking: Ranking, axis: bool) -> Table:
    columns: tuple[str, ...] = ("adapter", "mean rank", "groups")
    rows: list[tuple[str, ...]] = [(m.adapter, rank_text(m), letters(ranking, m)) for m in ranking.methods]
    if axis:
        many = len(ranking.methods)
        columns, rows = (*columns, _numbers(many)), [(*row, _line(m, many)) for row, m in zip(rows, ranking.methods, strict=True)]
    return with_conditions(Table(title_of(matrix, ranking), columns, tuple(rows)), [[m] for m in ranking.methods])


def letters(ranking: Ranking, method: MeanRank) -> str:
    """Return the letters of the groups of an adapter."""
    names = [*ascii_uppercase, *(f"{a}{b}" for a in ascii_uppercase for b in ascii_uppercase)]
    return " ".join(name for name, group in zip(names, ranking.groups, strict=False) if method.adapter in group)


def _step(many: int) -> int:
    return max(1, min(5, _WIDEST // max(1, many - 1)))


def _numbers(many: int) -> str:
    """Return the numbers of the ranks above the axis of `_line`; only the first and the last if there is no space."""
    text = [" "] * (_step(many) * (many - 1) + 3)
    for rank in range(1, many + 1) if _step(many) > 2 else (1, many):
        at = 1 + _step(many) * (rank - 1)
        text[at : at + len(str(rank))] = str(rank)
    text[0], text[-1] = "|", text[-1].strip() or "|"
    return "".join(text)


def _line(of: MeanRank, many: int) -> str:
    """Return the axis of one adapter: its mean rank as "o", its interval as "-"."""
    step = _step(many)
    text = [" "] * (step * (many - 1) + 1)
    if of.low is not None and of.high is not None:
        start, end = (round(step * (bound - 1)) for bound in (of.low, of.high))
        text[start : end + 1] = "-" * (end + 1 - start)
    text[round(step * (of.rank - 1))] = "o"
    return f"|{''.join(text)}|"


def ranks_notes(matrix: Matrix) -> list[str]:
    """Return the notes on the ranks: what a letter means, and the critical difference."""
    return list(dict.fromkeys(_note(ranking) for ranking in matrix.ranks))


def _note(ranking: Ranking) -> str:
    if ranking.critical is None:
        sources = f"{ranking.source_sets} set{'s' if ranking.source_sets != 1 else ''} of sources"
        return _TOO_FEW.format(targets=counted(ranking.targets, "target"), sources=sources, needed=ranking.needed)
    return (
        f"{_MEANING} Their mean ranks differ by at most the critical difference {ranking.critical:.1f}, from random exchanges "
        "on all pairs of a target, or of a set of sources, together. Intervals: 95 % bootstrap over targets and seeds."
    )


@dataclass(frozen=True)
class Stroke:
    """A line of the figure, in ranks (x) and rows (y, downwards); a thick one marks a group."""

    x0: float
    y0: float
    x1: float
    y1: float
    thick: bool = False


@dataclass(frozen=True)
class Caption:
    """A text of the figure; side: where it lies from its point: "left", "right" or "above"."""

    x: float
    y: float
    text: str
    side: str


def figure_of(ranking: Ranking) -> tuple[list[Stroke], list[Caption], float]:
    """Return lines, texts and height in rows of the figure of one ranking."""
    many, bars = len(ranking.methods), [group for group in ranking.groups if len(group) > 1]
    rank = {m.adapter: m.rank for m in ranking.methods}
    strokes = [Stroke(1, 0, many, 0), *(Stroke(n, 0, n, -0.25) for n in range(1, many + 1))]
    texts = [Caption(n, -0.3, str(n), "above") for n in range(1, many + 1)]
    for row, group in enumerate(bars):
        y = 0.4 + 0.4 * row
        strokes.append(Stroke(rank[group[0]] - 0.05, y, rank[group[-1]] + 0.05, y, thick=True))
    first, half = 1 + 0.4 * len(bars), (many + 1) // 2
    for number, m in enumerate(ranking.methods):
        left = number < half
        y, edge = first + (number if left else many - 1 - number), 0.8 if left else many + 0.2
        strokes += [Stroke(m.rank, 0, m.rank, y), Stroke(m.rank, y, edge, y)]
        texts.append(Caption(edge, y, f"{m.adapter} {rank_text(m)}", "left" if left else "right"))
    if ranking.critical is not None:
        strokes.append(Stroke(1, -1.3, 1 + ranking.critical, -1.3))
        texts.append(Caption(1 + ranking.critical / 2, -1.35, f"critical difference {ranking.critical:.1f}", "above"))
    return strokes, texts, first + half


def latex_figure(matrix: Matrix, ranking: Ranking, text: str) -> str:
    """Return the figure as a LaTeX figure environment; it needs no package."""
    strokes, texts, height = figure_of(ranking)
    many = len(ranking.methods)
    unit = 60 / many  # mm of a rank
    place = {"left": "r", "right": "l", "above": "b"}
    lines = [_segment(s, unit) for s in strokes]
    lines += [
        rf"\put({unit * (t.x - 1):.1f},{-5 * t.y:.1f}){{\makebox(0,0)[{place[t.side]}]{{{escape_latex(t.text)}}}}}" for t in texts
    ]
    top = 12
    size = f"({unit * (many - 1):.1f},{5 * height + top:.1f})(0,{-5 * height:.1f})"
    return "\n".join(
        [
            r"\begin{figure}", r"\centering", r"\setlength{\unitlength}{1mm}", rf"\begin{{picture}}{size}", *lines,
            r"\end{picture}", rf"\caption{{{escape_latex(text)}}}", r"\end{figure}", "",
        ]
    )  # fmt: skip


def _segment(s: Stroke, unit: float) -> str:
    """Return a horizontal or vertical line in LaTeX."""
    x, y = unit * (min(s.x0, s.x1) - 1), -5 * max(s.y0, s.y1)
    across, up = unit * abs(s.x1 - s.x0), 5 * abs(s.y1 - s.y0)
    line = rf"\line(1,0){{{across:.1f}}}" if across else rf"\line(0,1){{{up:.1f}}}"
    return rf"\put({x:.1f},{y:.1f}){{{chr(92)}linethickness{{{'1.2mm' if s.thick else '0.15mm'}}}{line}}}"


def ranks_latex(matrix: Matrix, text: str) -> str:
    """Return all figures of ranks in LaTeX, each with its caption."""
    found: Sequence[str] = [latex_figure(matrix, r, f"{title_of(matrix, r)}. {_note(r)} {text}") for r in matrix.ranks]
    return "\n".join(found)
