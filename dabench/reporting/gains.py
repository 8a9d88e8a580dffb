"""Tables of the gains on each pair of datasets and of the means over pairs, with their notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import Metric
from dabench.analysis.summary import ONE_SOURCE, Summary, kinds_of
from dabench.reporting.conditions import with_conditions
from dabench.reporting.intervals import gap_text
from dabench.reporting.marks import mark_notes, marks_of
from dabench.reporting.tables import EMPTY, Table, counted, number, whole_percent, with_interval

_MEANS = "Drop: in-domain result of the target minus the result of this row. On source: change of the result on the sources."

_P = (
    "p: two-sided sign-flip tests that flip all pairs of a target together, and all pairs of a set of sources; the larger p of "
    "the two, Holm-corrected for {adapters}."
)

_TOO_FEW = (
    "No p: {targets} and {sources} are too few. A sign-flip test over targets and over sets of sources, Holm-corrected for "
    "{adapters}, needs {needed} of each."
)


def gains_table(matrix: Matrix) -> Table:
    """Return the gain of each adapter on each pair of datasets."""
    rows = []
    for g in matrix.gains:
        gain, improved, closed = with_interval(g, "+z.1f"), f"{g.improved} of {g.seeds}", gap_text(vars(g))
        rows.append((g.adapter, g.name, gain, improved, closed, number(g.on_source, "+z.1f")))
    columns = ("adapter", "model-train-test", "gain [95 %]", "seeds improved", "gap closed [95 %]", "on source")
    direction = "; below 0 is better" if matrix.measure.lower_is_better else ""
    table = Table(f"Adaptation gains: {matrix.measure.title} over none, in points{direction}", columns, tuple(rows))
    return with_conditions(
        table, [[g] for g in matrix.gains], [marks_of(g, matrix.measure.lower_is_better, matrix.notes) for g in matrix.gains]
    )


def gains_notes(matrix: Matrix) -> list[str]:
    """Return the notes on the marks of the gains."""
    return mark_notes(matrix.gains, matrix.measure.lower_is_better, matrix.notes)


def summary_tables(matrix: Matrix) -> list[Table]:
    """Return the means of each adapter over all pairs of datasets: one table for each kind of pairs (one or several sources)."""
    kinds = kinds_of(matrix.record.labelled_tasks)
    found = []
    for kind, tasks in kinds.items():
        rows = [s for s in matrix.summary if s.kind == kind]
        of = f" with {kind}" if len(kinds) > 1 or kind != ONE_SOURCE else ""
        title = f"Means over {counted(len(tasks), 'pair')} of datasets{of}: {matrix.measure.title}"
        found.append(_summary_table(title, rows, matrix.measure, matrix.notes))
    return [table for table in found if table.rows]


def _summary_table(title: str, means: Sequence[Summary], metric: Metric, notes: Mapping[str, str]) -> Table:
    columns: tuple[str, ...] = ("adapter", "on target", "drop", "gain", "gap closed", "on source", "pairs improved")
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            s.adapter, number(s.out_of_domain), number(s.drop), number(s.gain, "+z.1f"), whole_percent(s.gap_closed),
            number(s.on_source, "+z.1f"), EMPTY if s.improved is None else f"{s.improved} of {s.pairs}",
        )
        for s in means
    )  # fmt: skip
    if any(s.p_holm is not None for s in means):
        columns, rows = (*columns, "p"), tuple((*row, p_text(s)) for row, s in zip(rows, means, strict=True))
    return with_conditions(
        Table(title, columns, rows), [[s] for s in means], [marks_of(s, metric.lower_is_better, notes) for s in means]
    )


def p_text(of: Summary) -> str:
    """Return the corrected p as tables print it, or EMPTY without one."""
    if of.p_holm is None:
        return EMPTY
    return "< 0.001" if of.p_holm < 0.001 else f"{of.p_holm:.3f}"


def summary_notes(matrix: Matrix) -> list[str]:
    """Return the notes on the means: the columns, the test, and the adapters without means."""
    lines = [_MEANS] if matrix.summary else []
    for kind in kinds_of(matrix.record.labelled_tasks):
        lines += [line for line in [_test_note([s for s in matrix.summary if s.kind == kind and s.needed])] if line]
    omitted = "; ".join(f"{name}: {reason}" for name, reason in matrix.incomplete.items())
    return [*dict.fromkeys(lines), *([f"No means over pairs for {omitted}."] if omitted else [])]


def _test_note(tested: Sequence[Summary]) -> str:
    if not tested:
        return ""
    some, many = tested[0], counted(len(tested), "adapter")
    if some.p is not None:
        return _P.format(adapters=many)
    targets, sources = counted(some.targets, "target"), f"{some.source_sets} set{'s' if some.source_sets != 1 else ''} of sources"
    return _TOO_FEW.format(targets=targets, sources=sources, adapters=many, needed=some.needed)
