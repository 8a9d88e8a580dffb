"""What a report begins with: the numbers of one pair of datasets, by one template."""

from __future__ import annotations

from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Gain
from dabench.reporting.tables import not_adapted, sentence, trained
from dabench.training.selection import ORACLE


def headline(matrix: Matrix) -> str:
    """Return what is known of the pair of datasets with the widest gap, and why it may be a bound or unfinished."""
    said = [_pair(matrix)]
    search = matrix.record.sweep.search
    said += ["Checkpoints were chosen by the test labels: a bound, no result."] if matrix.selection == ORACLE else []
    said += ["Hyper-parameters were chosen by target labels: a bound, no result."] if search and search.select == ORACLE else []
    said += [f"Unfinished: {len(matrix.missing)} of {matrix.total} runs are missing."] if matrix.missing else []
    return " ".join(said)


def _pair(matrix: Matrix) -> str:
    won = matrix.measure.won
    what = sentence(matrix.measure.title) + (" (lower is better)" if matrix.measure.lower_is_better else "")
    plain = {(tuple(c.sources), c.test): c.mean for c in not_adapted(matrix)}
    tasks = matrix.record.tasks
    gaps = {(s, t): won(plain[(t,), t] - plain[s, t]) for s, t in tasks if {((t,), t), (s, t)} <= plain.keys()}
    # Without any gap: the pair with the worst number, or with the largest gain.
    known = gaps or {task: -won(plain[task]) for task in tasks if task in plain}
    known = known or {(tuple(g.sources), g.target): won(g.mean) for g in matrix.gains}
    if not known:
        own = [f"{trained(matrix, s, None)} {mean:.1f} %" for (s, t), mean in plain.items() if s == (t,)]
        return f"{what} on the dataset of the training: {', '.join(own)}." if own else "No result is complete yet."
    sources, target = task = max(known, key=lambda t: known[t])
    widest = f", the widest gap of {len(gaps)} pairs" if len(gaps) > 1 and gaps[task] > 0 else ""
    parts = [f"{plain[task]:.1f} % without adaptation"] if task in plain else []
    parts += [f"{plain[(target,), target]:.1f} % when trained on {trained(matrix, (target,), None)}"] if task in gaps else []
    best: dict[str, Gain] = {}
    for g in sorted((g for g in matrix.gains if (tuple(g.sources), g.target) == task), key=lambda g: -won(g.mean)):
        best.setdefault(g.label_budget, g)
    gains = f" Best adapter for each number of target labels: {'; '.join(map(_gain, best.values()))}." if best else ""
    return f"{what}, {trained(matrix, sources, target)}{widest}: {', '.join(parts) or 'no result without adaptation'}.{gains}"


def _gain(g: Gain) -> str:
    closed = "" if g.gap_closed is None else f", {round(g.gap_closed)} % of the gap"
    return f"{g.adapter} ({g.label_budget}) {g.mean:+z.1f} points [{g.low:+z.1f}, {g.high:+z.1f}]{closed}"
