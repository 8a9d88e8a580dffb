"""Tables of results by attribute, selection rules and trials of a search, with their notes; notes beside the matrices."""

from __future__ import annotations

from collections.abc import Sequence

from dabench.analysis.attributes import FEWEST
from dabench.analysis.baselines import Published
from dabench.analysis.checkpoints import RuleOutcome
from dabench.analysis.environments import Mixed, mixed_text
from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import Metric
from dabench.analysis.results import SubgroupCell
from dabench.analysis.trials import Trial, searched_by
from dabench.reporting.conditions import with_conditions
from dabench.reporting.tables import EMPTY, Table, counted, number, sentence, shown_in, trained, with_interval
from dabench.storage.schema import SearchTable
from dabench.training.selection import ORACLE, RULES, VALIDATORS


def beside_notes(matrix: Matrix, adapter: str | None = None) -> list[str]:
    """Return the warnings of the sweep, and the notes on human rows and published numbers in the table of `adapter`, or all."""
    shown = {HUMAN, *matrix.record.methods} if adapter is None else shown_in(matrix, adapter)
    published = {p.baseline: p for p in matrix.published if p.adapter in shown}
    lines = [f"Warning: {line}" for line in matrix.record.warnings]
    lines += [published_note(matrix, p) for p in published.values()]
    for test, people in matrix.human.items() if HUMAN in shown else ():
        empty = f", {people.unanswered} lines without an answer" if people.unanswered else ""
        lines.append(
            f"Human, {matrix.datasets[test].short_name} test: {counted(people.raters, 'rater')}, "
            f"{people.answer_count:,} answers on {people.images:,} of {people.of:,} images{empty}; intervals over raters and "
            f"{'groups' if matrix.datasets[test].grouped else 'images'}, answers {people.digest[:12]}."
        )
    return lines


def published_note(matrix: Matrix, of: Published) -> str:
    """Return source and protocol of a published table, with its name where the report has several."""
    name = of.baseline if len({p.baseline for p in (*matrix.published, *matrix.other_networks)}) > 1 else ""
    return f"Published{f' ({name})' if name else ''}, not measured here: {of.source}. {of.protocol}".rstrip()


MARK = "*"

RULE = (
    f"{MARK} fewer than {FEWEST} images, or one group (subject), with an interval of that group alone: too few for a conclusion. "
    "Such a bin is named worst only if all bins are so. All 95 % intervals are in subgroups.csv."
)
"""The note on tables by attribute."""


def group_tables(matrix: Matrix) -> list[Table]:
    """Return one table for each attribute of each test set: rows are training sets, columns bins and the worst bin."""
    found: dict[tuple[str, str], list[SubgroupCell]] = {}
    for cell in matrix.subgroups:
        found.setdefault((cell.test, cell.attribute), []).append(cell)
    return [_group_table(matrix, test, attribute, cells) for (test, attribute), cells in found.items()]


def _group_table(matrix: Matrix, test: str, attribute: str, cells: Sequence[SubgroupCell]) -> Table:
    rows: dict[tuple[str, tuple[str, ...], str | None], list[SubgroupCell]] = {}
    for cell in cells:
        rows.setdefault((cell.adapter, tuple(cell.sources), cell.target), []).append(cell)
    parts = next(iter(rows.values()))
    sizes: list[tuple[str, ...]] = [("images", "", *(str(p.n) for p in parts), "")]
    if parts[0].subjects is not None:
        sizes.append(("groups", "", *(str(p.subjects) for p in parts), ""))
    numbers = [
        (adapter, trained(matrix, sources, target), *(number(p.mean) for p in row), _worst(row, matrix.measure))
        for (adapter, sources, target), row in rows.items()
    ]
    title = f"{sentence(matrix.measure.title)} by {attribute}, {matrix.datasets[test].short_name} test"
    columns = ("adapter", "trained on", *(_name(p) for p in parts), "worst [95 %]")
    return with_conditions(Table(title, columns, (*sizes, *numbers)), [*([] for _ in sizes), *rows.values()])


def _name(part: SubgroupCell) -> str:
    return part.value + MARK if part.too_few else part.value


def _worst(row: Sequence[SubgroupCell], metric: Metric) -> str:
    """Return the bin with the worst mean; a bin with too few images only if there is no other."""
    known = [(p.too_few, -p.mean if metric.lower_is_better else p.mean, p) for p in row if p.mean is not None]
    if not known:
        return EMPTY
    part = min(known, key=lambda k: k[:2])[2]
    return f"{_name(part)}: {with_interval(part)}"


def group_notes(matrix: Matrix) -> list[str]:
    """Return the notes on the tables by attribute: the mark, and the attributes without a table."""
    lines = [RULE] if matrix.subgroups else []
    for test, reasons in matrix.omitted_attributes.items():
        listed = "; ".join(f"{attribute} ({reason})" for attribute, reason in reasons.items())
        lines.append(f"{matrix.datasets[test].short_name} test: no results by {listed}.")
    return lines


CLIPS_NOTE = (
    "A clip is classified by the mean of the logits of its frames. Intervals are over the groups of the clips, or over clips "
    "where groups are not known."
)
"""The note on the table of clips."""


def clip_table(matrix: Matrix) -> Table:
    """Return the results on clips beside those on single frames: a row for each cell whose clips are known."""
    of_frames = {cell.key: cell for cell in matrix.cells}
    rows = tuple(
        (
            c.adapter, trained(matrix, c.sources, c.target), matrix.datasets[c.test].short_name, with_interval(of_frames[c.key]),
            with_interval(c), f"{of_frames[c.key].n:,}", f"{c.n:,}",
        )
        for c in matrix.clips
    )  # fmt: skip
    columns = ("adapter", "trained on", "test", "single frames [95 %]", "clips [95 %]", "number of frames", "number of clips")
    return with_conditions(Table(f"{sentence(matrix.measure.title)} of clips", columns, rows), [[c] for c in matrix.clips])


_CHOSEN = (
    "Mean accuracy on the test splits of the targets, over all pairs and seeds; in brackets, points to the oracle. "
    "The oracle chooses by these test labels: its number is a bound, not a result."
)
_UNSCORED = ' "last in n of m runs": for n runs the rule has no value at any checkpoint, so the last one is taken.'
_RANKED = (
    "Spearman correlation of the rule's score with that accuracy: over the checkpoints of a run / over all checkpoints and seeds "
    "of a pair of datasets. Means over runs / pairs."
)


def rule_name(rule: str) -> str:
    """Return the name of a rule; the oracle is marked."""
    return f"{ORACLE} (target labels)" if rule == ORACLE else rule


def rules_tables(matrix: Matrix) -> list[tuple[Table, str]]:
    """Return the tables of accuracy and of rank correlation by rule and adapter, each with its note.

    Empty if the runs stored no scores.
    """
    found = {(c.rule, c.adapter): c for c in matrix.rules}
    adapters = tuple(dict.fromkeys(c.adapter for c in matrix.rules))
    if not adapters:
        return []
    chosen = tuple((rule_name(r), *(_accuracy(found[r, a]) for a in adapters)) for r in RULES)
    ranked = tuple((rule_name(r), *(_correlation(found[r, a]) for a in adapters)) for r in VALIDATORS)
    first = Table("Selection rules: mean accuracy (difference to the oracle)", ("rule", *adapters), chosen)
    second = Table(
        "Rank correlation of each rule's score with accuracy: within a run / within a pair", ("rule", *adapters), ranked
    )
    note = _CHOSEN + (_UNSCORED if any(c.unscored for c in matrix.rules) else "") + _sample_sizes(matrix.rules)
    return [(first, note), (second, _RANKED)]


def _sample_sizes(rules: Sequence[RuleOutcome]) -> str:
    """Return the sentence on the images on which DEV rests, or "" if no run stored it."""
    sizes = [f"{c.sample_size:.0f} ({c.adapter})" for c in rules if c.sample_size is not None]
    return f" Effective sample size of DEV's weights, median over checkpoints: {', '.join(sizes)}." if sizes else ""


def _accuracy(of: RuleOutcome) -> str:
    if of.rule == ORACLE:
        return f"{of.accuracy:.1f}"
    last = f"; last in {of.unscored} of {of.runs} runs" if of.unscored else ""
    return f"{of.accuracy:.1f} ({-of.below_oracle:z.1f}{last})"  # z: no -0.0


def _correlation(of: RuleOutcome) -> str:
    return " / ".join(number(value, "+.2f") for value in (of.within, of.across))


_BY_TEST = "Test accuracy uses test labels. Do not choose anything by it; dabench did not."


def trials_table(trials: Sequence[Trial]) -> Table:
    """Return all trials, task by task, with test accuracy where it was read."""
    tested = any(t.accuracy_by_test_labels is not None for t in trials)
    columns = ("task", "trial", "settings", "score", "steps", "state", "chosen")
    rows = []
    for t in trials:
        numbers = (number(t.score, ".4f"), number(t.steps, ""))
        row = (t.task, str(t.number), t.setting or EMPTY, *numbers, t.state, "chosen" if t.chosen else "")
        rows.append((*row, number(t.accuracy_by_test_labels, ".1f")) if tested else row)
    return Table("Trials of the search", (*columns, "test accuracy (from test labels)") if tested else columns, tuple(rows))


def trials_notes(search: SearchTable, trials: Sequence[Trial], mixed: Mixed, ties: str = "") -> list[str]:
    """Return the notes on the trials; `mixed`: in what their runs differ; `ties`: which of them tie (`tied_text`)."""
    about = f"{searched_by(search)}, method {search.method}, on seed {search.seed}; scores of different tasks cannot be compared."
    by_test = [_BY_TEST] if any(t.accuracy_by_test_labels is not None for t in trials) else []
    tied = [ties] if ties else []
    return [sentence(about), *tied, *by_test, *([f"Mixed runs: {mixed_text(mixed)}."] if mixed else [])]
