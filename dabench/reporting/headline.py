"""What a sweep found, in a sentence or two made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dabench.cells import Cell, Gain
from dabench.matrix import Matrix
from dabench.reporting.tables import not_adapted
from dabench.selection import ORACLE


def headline(matrix: Matrix) -> str:
    """Say what is lost on the pair of datasets that loses most, and what the best adapters win back of it."""
    return " ".join(filter(None, [_found(matrix), _chosen(matrix), _unfinished(matrix)]))


def _found(matrix: Matrix) -> str:
    plain = not_adapted(matrix)
    home = {c.test: c for c in plain if c.sources == [c.test]}
    tasks = [(tuple(sources), target) for sources, target in matrix.sweep["tasks"]]
    if not tasks:
        known = _listed([f"{c.mean:.1f} % on {_label(matrix, c.test)}" for c in home.values()])
        found = f"A network has {_measure(matrix)} of {known} where it was trained. " if known else ""
        return f"{found}There is no pair of datasets to adapt between."
    away = {(tuple(c.sources), c.test): c for c in plain if (tuple(c.sources), c.test) in tasks}
    if not away:
        return _adapted_alone(matrix)
    # The widest gap; only where no in-domain number says how wide a gap is, the worst number.
    won = matrix.measure.won
    gaps = {task: won(home[task[1]].mean - c.mean) for task, c in away.items() if task[1] in home}
    task = max(gaps, key=lambda t: gaps[t]) if gaps else min(away, key=lambda t: won(away[t].mean))
    lost = bool(gaps) and round(gaps[task], 1) > 0
    gains = [g for g in matrix.gains if (tuple(g.sources), g.target) == task]
    return f"{_loss(matrix, away[task], home, gaps)} {_won(matrix, gains, lost)}".rstrip()


def _loss(matrix: Matrix, away: Cell, home: Mapping[str, Cell], gaps: Mapping[tuple[tuple[str, ...], str], float]) -> str:
    source, target = "+".join(_label(matrix, s) for s in away.sources), _label(matrix, away.test)
    own = home.get(away.sources[0]) if len(away.sources) == 1 else None
    at_home = f"{own.mean:.1f} % at home and " if own else ""
    text = f"network trained on {source} has {_measure(matrix)} of {at_home}{away.mean:.1f} % on {target}"
    if not gaps:
        return f"A {text}."
    other = home[away.test].mean
    text = f"{text}, where one trained on {target} has {other:.1f} %"
    lost = round(matrix.measure.won(other - away.mean), 1)
    if lost <= 0:
        return f"{'On no pair of datasets is anything' if len(gaps) > 1 else 'Nothing is'} lost: a {text}."
    return f"A {text}: {lost:.1f} points are lost{f', the widest of {len(gaps)} gaps' if len(gaps) > 1 else ''}."


def _won(matrix: Matrix, gains: Sequence[Gain], lost: bool) -> str:
    """Say what the best adapter of each label budget gains; where none gains, say so with the best number."""
    if not gains:
        return "" if len(matrix.sweep["sweep"]["adapters"]) > 1 else "No adapter was tried."
    budgets = dict.fromkeys(g.labels for g in gains)
    of = matrix.measure.won
    best = sorted(
        (max((g for g in gains if g.labels == b), key=lambda g: of(g.mean)) for b in budgets), key=lambda g: -of(g.mean)
    )
    won = [g for g in best if min(of(g.low), of(g.high)) > 0]
    if won:
        verb = "wins back" if lost else "takes off" if matrix.measure.lower_is_better else "adds"
        first = f"{who(won[0])} {verb} {of(won[0].mean):.1f} points{_closed(won[0])}"
        rest = [f"{who(g)} {of(g.mean):.1f}{_closed(g)}" for g in won[1:]]
        return f"{'Of these' if lost else 'There'}, {_listed([first, *rest])}."
    top = best[0]
    more = "anything" if of(top.mean) <= 0 else "more than chance may"
    nobody = f"None of {len(gains)} adapters gains {more}; the best" if len(gains) > 1 else f"The one adapter gains {_not(more)}"
    return f"{nobody}: {who(top)}, {top.mean:+z.1f} points [{top.low:+z.1f}, {top.high:+z.1f}]."


def _not(more: str) -> str:
    return "nothing" if more == "anything" else f"no {more}"


def _closed(gain: Gain) -> str:
    return "" if gain.gap_closed is None else f" ({round(gain.gap_closed)} %)"


def _adapted_alone(matrix: Matrix) -> str:
    """Say the largest gain where the numbers without adaptation are not in the matrix."""
    if not matrix.gains:
        return "No result on another dataset stands yet."
    top = max(matrix.gains, key=lambda g: matrix.measure.won(g.mean))
    source, target = "+".join(_label(matrix, s) for s in top.sources), _label(matrix, top.target)
    largest = f"The largest of {len(matrix.gains)} gains" if len(matrix.gains) > 1 else "The gain"
    change = f"{top.mean:+z.1f} points of {matrix.measure.title} [{top.low:+z.1f}, {top.high:+z.1f}]"
    return f"{largest} over plain training is that of {who(top)}, from {source} to {target}: {change}."


def who(gain: Gain) -> str:
    """Return an adapter with its label budget in words."""
    number, each, _ = gain.labels.partition(" per class")
    words = {"0": "without target labels", "all": "with all target labels"}
    return f"{gain.adapter} {words.get(number, f'with {number} labelled images{each}')}"


def _measure(matrix: Matrix) -> str:
    name = matrix.measure.title
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _label(matrix: Matrix, dataset: str) -> str:
    return str(matrix.datasets[dataset]["label"])


def _chosen(matrix: Matrix) -> str:
    said = ["Checkpoints were chosen by the test labels themselves"] if matrix.selection == ORACLE else []
    search = matrix.sweep["sweep"].get("search")
    said += ["Hyper-parameters were chosen by labels of the targets"] if search and search["select"] == ORACLE else []
    return f"{'. '.join(said)}: these numbers are bounds, no results." if said else ""


def _unfinished(matrix: Matrix) -> str:
    if not matrix.missing:
        return ""
    return f"Unfinished: {len(matrix.missing)} of {matrix.total} runs are missing."


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
