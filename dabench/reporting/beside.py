"""What stands beside the measured numbers of a matrix: people's and published ones, in which table, and what to say of them."""

from __future__ import annotations

from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix

PUBLISHED = " (published)"
"""What marks a row of published numbers."""


def shown_in(matrix: Matrix, adapter: str) -> set[str]:
    """Return the adapters whose rows are in the table of `adapter`: people's are in that of networks that were not adapted."""
    first = matrix.record.plain or matrix.record.sweep.adapters[0]
    return {adapter, HUMAN} if adapter == first else {adapter}


def beside_notes(matrix: Matrix, adapter: str | None = None) -> list[str]:
    """Return what people's and published numbers are of: those in the table of `adapter`, or all."""
    shown = {HUMAN, *matrix.record.methods} if adapter is None else shown_in(matrix, adapter)
    protocols = {p.source: p.protocol for p in matrix.published if p.adapter in shown}
    lines = [f"Published, not measured here: {source}. {text}".rstrip() for source, text in protocols.items()]
    for test, people in matrix.human.items() if HUMAN in shown else ():
        left = f", {people.unanswered} lines without an answer" if people.unanswered else ""
        same = "; ".join(f"{name} {number:.1f}" for name, number in people.networks.items())
        lines.append(
            f"Human, {matrix.datasets[test].short_name} test: {people.raters} rater{'s' if people.raters > 1 else ''}, "
            f"{people.answer_count:,} answers on {people.images:,} of {people.of:,} images{left}; intervals over raters and "
            f"{'groups' if matrix.datasets[test].grouped else 'images'}, answers {people.digest[:12]}."
            + (f" Networks on these images alone: {same}." if same else "")
        )
    return lines
