"""Write the first sentences of a report: what is lost between datasets, and the largest gains, over all pairs."""

from __future__ import annotations

from collections.abc import Sequence

from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Gain
from dabench.analysis.summary import Summary, kinds_of
from dabench.reporting.gains import p_text
from dabench.reporting.intervals import interval_text
from dabench.reporting.tables import counted, labels_text, not_adapted, sentence, trained
from dabench.storage.schema import Task
from dabench.training.selection import ORACLE


def headline(matrix: Matrix) -> str:
    """Return the drop and the largest gain of each label budget, over all pairs of each kind, and warnings."""
    search, by_labels = matrix.record.sweep.search, "were chosen by {} labels: the numbers are bounds, not results."
    kinds = kinds_of(matrix.record.labelled_tasks)
    parts = [_pair(matrix, tasks[0]) if len(tasks) == 1 else _pairs(matrix, kind, tasks) for kind, tasks in kinds.items()]
    parts = parts or [_alone(matrix)]
    parts += [f"Checkpoints {by_labels.format('target test')}"] if matrix.selection == ORACLE else []
    parts += [f"Hyperparameters {by_labels.format('target')}"] if search and search.select == ORACLE else []
    parts += ["Targets are tested on the unlabelled images that methods adapt to."] if matrix.record.sweep.transductive else []
    parts += [f"Unfinished: {len(matrix.missing)} of {matrix.total} runs are missing."] if matrix.missing else []
    return " ".join(filter(None, parts))


def _what(matrix: Matrix) -> str:
    return sentence(matrix.measure.title) + (" (lower is better)" if matrix.measure.lower_is_better else "")


def _alone(matrix: Matrix) -> str:
    """Return the results of a sweep without pairs."""
    own = [f"{trained(matrix, c.sources, None)} {c.mean:.1f} %" for c in not_adapted(matrix) if c.sources == [c.test]]
    return f"{_what(matrix)}, in-domain: {', '.join(own)}." if own else "No result is complete yet."


def _pair(matrix: Matrix, task: Task) -> str:
    """Return the results of the only pair."""
    sources, target = task
    plain = {(tuple(c.sources), c.test): c.mean for c in not_adapted(matrix)}
    parts = [f"{plain[task]:.1f} % without adaptation"] if task in plain else []
    if ((target,), target) in plain and parts:
        parts += [f"{plain[(target,), target]:.1f} % when trained on {trained(matrix, (target,), None)}"]
    best: dict[str, Gain] = {}
    of_pair = [g for g in matrix.gains if (tuple(g.sources), g.target) == task]
    for g in sorted(of_pair, key=lambda g: -matrix.measure.won(g.mean)):
        best.setdefault(g.label_budget, g)
    if not parts and not best:
        return "No result is complete yet."
    told_apart = any(g.told_from_zero for g in best.values())
    on = "With one seed" if all(g.seeds == 1 for g in best.values()) else "On this pair"
    lead = "Largest gain" if told_apart else f"{on} no adapter's gain can be told from zero; the largest"
    gains = f" {lead} for each label budget: {'; '.join(map(_gain, best.values()))}." if best else ""
    name = trained(matrix, sources, target)
    return f"{_what(matrix)}, {name}: {', '.join(parts) or 'no result without adaptation'}.{gains}"


def _pairs(matrix: Matrix, kind: str, tasks: Sequence[Task]) -> str:
    """Return the means over several pairs of one kind."""
    rows = [s for s in matrix.summary if s.kind == kind]
    several = len(kinds_of(matrix.record.labelled_tasks)) > 1
    over = f"{counted(len(tasks), 'pair')} of datasets{f' with {kind}' if several else ''}"
    if not rows:
        return f"{_what(matrix)} over {over}: no adapter has results on all pairs yet."
    plain = next((s for s in rows if s.gain is None), None)
    parts = ["no result without adaptation"]
    if plain:
        at_home = "" if plain.in_domain is None else f", {plain.in_domain:.1f} % when trained on the target"
        parts = [f"mean {plain.out_of_domain:.1f} % without adaptation{at_home}"]
    best: dict[str, Summary] = {}
    won = [s for s in rows if s.gain is not None]
    for s in sorted(won, key=lambda s: -matrix.measure.won(s.gain or 0.0)):
        best.setdefault(s.label_budget, s)
    gains = f" Largest mean gain for each label budget: {'; '.join(map(_mean, best.values()))}." if best else ""
    return f"{_what(matrix)} over {over}: {', '.join(parts)}.{gains}"


def _gain(g: Gain) -> str:
    closed = "" if g.gap_closed is None else f", {round(g.gap_closed)} % of the gap"
    longer = ", trained longer than none" if g.longer_than_none else ""
    return f"{g.adapter} ({labels_text(g.label_budget)}) {g.mean:+z.1f} points {interval_text(vars(g), '+z.1f')}{closed}{longer}"


def _mean(s: Summary) -> str:
    closed = "" if s.gap_closed is None else f", {round(s.gap_closed)} % of the gap"
    p = "" if s.p_holm is None else f", p {p_text(s)}"
    sure = f", a clear gain on {s.sure} of {s.pairs} pairs"
    longer = ", trained longer than none" if s.longer_than_none else ""
    return f"{s.adapter} ({labels_text(s.label_budget)}) {s.gain:+z.1f} points{closed}{sure}{p}{longer}"
