"""Write the first sentences of a report: the pair of datasets with the widest gap, and the means over pairs."""

from __future__ import annotations

from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Gain
from dabench.analysis.summary import Summary
from dabench.reporting.intervals import interval_text
from dabench.reporting.sections import p_text
from dabench.reporting.tables import labels_text, not_adapted, sentence, trained
from dabench.training.selection import ORACLE


def headline(matrix: Matrix) -> str:
    """Return the results on the pair of datasets with the widest gap, the largest mean gains, and warnings."""
    search, by_labels = matrix.record.sweep.search, "were chosen by {} labels: the numbers are bounds, not results."
    parts = [_pair(matrix), _means(matrix)]
    parts += [f"Checkpoints {by_labels.format('target test')}"] if matrix.selection == ORACLE else []
    parts += [f"Hyperparameters {by_labels.format('target')}"] if search and search.select == ORACLE else []
    parts += [f"Unfinished: {len(matrix.missing)} of {matrix.total} runs are missing."] if matrix.missing else []
    return " ".join(filter(None, parts))


def _pair(matrix: Matrix) -> str:
    won = matrix.measure.won
    what = sentence(matrix.measure.title) + (" (lower is better)" if matrix.measure.lower_is_better else "")
    plain = {(tuple(c.sources), c.test): c.mean for c in not_adapted(matrix)}
    tasks = matrix.record.tasks
    gaps = {(s, t): won(plain[(t,), t] - plain[s, t]) for s, t in tasks if {((t,), t), (s, t)} <= plain.keys()}
    # If no gap is known: the pair with the worst result, or with the largest gain.
    known = gaps or {task: -won(plain[task]) for task in tasks if task in plain}
    known = known or {(tuple(g.sources), g.target): won(g.mean) for g in matrix.gains}
    if not known:
        own = [f"{trained(matrix, s, None)} {mean:.1f} %" for (s, t), mean in plain.items() if s == (t,)]
        return f"{what}, in-domain: {', '.join(own)}." if own else "No result is complete yet."
    sources, target = task = max(known, key=lambda t: known[t])
    widest = f", the widest gap of {len(gaps)} pairs" if len(gaps) > 1 and gaps[task] > 0 else ""
    parts = [f"{plain[task]:.1f} % without adaptation"] if task in plain else []
    parts += [f"{plain[(target,), target]:.1f} % when trained on {trained(matrix, (target,), None)}"] if task in gaps else []
    best: dict[str, Gain] = {}
    for g in sorted((g for g in matrix.gains if (tuple(g.sources), g.target) == task), key=lambda g: -won(g.mean)):
        best.setdefault(g.label_budget, g)
    told_apart = any(g.told_from_zero for g in best.values())
    on = "With one seed" if all(g.seeds == 1 for g in best.values()) else "On this pair"
    lead = "Largest gain" if told_apart else f"{on} no adapter's gain can be told from zero; the largest"
    gains = f" {lead} for each label budget: {'; '.join(map(_gain, best.values()))}." if best else ""
    return f"{what}, {trained(matrix, sources, target)}{widest}: {', '.join(parts) or 'no result without adaptation'}.{gains}"


def _means(matrix: Matrix) -> str:
    """Return the largest mean gain over all pairs for each label budget; "" for a single pair."""
    best: dict[str, Summary] = {}
    rows = [s for s in matrix.summary if s.gain is not None and s.pairs > 1]
    for s in sorted(rows, key=lambda s: -matrix.measure.won(s.gain or 0.0)):
        best.setdefault(s.label_budget, s)
    p = {name: f", p {p_text(s)}" if s.p_holm is not None else "" for name, s in best.items()}
    texts = [f"{s.adapter} ({labels_text(name)}) {s.gain:+z.1f} points{p[name]}" for name, s in best.items()]
    return f"Largest mean gain over {rows[0].pairs} pairs: {'; '.join(texts)}." if texts else ""


def _gain(g: Gain) -> str:
    closed = "" if g.gap_closed is None else f", {round(g.gap_closed)} % of the gap"
    return f"{g.adapter} ({labels_text(g.label_budget)}) {g.mean:+z.1f} points {interval_text(vars(g), '+z.1f')}{closed}"
