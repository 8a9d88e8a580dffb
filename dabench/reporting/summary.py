"""Means over all pairs of datasets as a table, with what a reader must know of them."""

from __future__ import annotations

from dabench.analysis.matrix import Matrix
from dabench.analysis.summary import LEVEL, Summary
from dabench.reporting.tables import EMPTY, Table, number, whole_percent

NOTE = (
    "Drop: in-domain result of the target minus this one. On source: what adapting changed at home. p: of a mean gain "
    "as far from 0 if each pair's gain were as likely a loss, after Holm's correction for {adapters}; pairs that share a dataset "
    "are not independent, so take it as a guide."
)


def summary_table(matrix: Matrix) -> Table:
    """Return what each adapter does over all pairs of datasets."""
    columns = (
        "adapter", "on target", "drop", "gain", "gap closed", "on source", "pairs improved", "p", "target labels"
    )  # fmt: skip
    rows = tuple(
        (
            s.adapter, number(s.out_of_domain), number(s.drop), number(s.gain, "+z.1f"), whole_percent(s.gap_closed),
            number(s.on_source, "+z.1f"), EMPTY if s.improved is None else f"{s.improved} of {s.pairs}",
            _chance(s), s.label_budget,
        )
        for s in matrix.summary
    )  # fmt: skip
    pairs = len(matrix.record.tasks)
    return Table(f"Means over {pairs} pair{'s' if pairs > 1 else ''} of datasets: {matrix.measure.title}", columns, rows)


def _chance(of: Summary) -> str:
    if of.gain is None:
        return EMPTY
    if of.p_holm is None:
        return "too few"
    return "< 0.001" if of.p_holm < 0.001 else f"{of.p_holm:.3f}"


def summary_notes(matrix: Matrix) -> list[str]:
    """Return what goes with the table: what its columns are, how many pairs a test needs, and which adapters have no means."""
    tested = [s for s in matrix.summary if s.needed]
    many = f"{len(tested)} adapter{'s' if len(tested) != 1 else ''}"
    lines = [NOTE.format(adapters=many)] if matrix.summary else []
    if any(s.p is None for s in tested):
        needed, pairs = tested[0].needed, tested[0].pairs
        lines.append(f"Too few pairs for a test of {many}: with {pairs}, no p can be {LEVEL} or less; with {needed}, it can.")
    return lines + [f"{name}: no means over pairs: {reason}." for name, reason in matrix.incomplete.items()]
