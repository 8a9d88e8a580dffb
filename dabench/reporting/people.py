"""Tables of people: agreement and results of raters, and people beside each network on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dabench.analysis.agreement import Agreement
from dabench.analysis.human_results import HumanResult, RaterResult
from dabench.analysis.matrix import Matrix
from dabench.reporting.conditions import with_conditions
from dabench.reporting.tables import EMPTY, Table, conditions, counted, number, sentence, trained, with_interval

NOTE = (
    "People - network: points with the 95 % interval, answer by answer on the same images, over seeds, raters and groups (images "
    "where there are none). An image counts as often as people answered it, for people and for networks. Round brackets: of one "
    "seed or of one rater; other trainings or other people may differ by more. Same raters: the interval of these raters alone."
)
"""The note on the table of people and networks."""

AGREEMENT = (
    "Agreement beyond chance: 1 is full agreement, 0 that of chance. Krippendorff's alpha (2011) uses images with two or more "
    "answers, Fleiss' kappa (1971) those with the same number. Intervals are over groups (images where there are none), for "
    "these raters."
)
"""The note on agreement."""

RATERS = (
    "Each rater on the images that this rater answered. Same answer: how often a rater gave an image the same class again. Only "
    "first answers count for results."
)
"""The note on raters."""


@dataclass(frozen=True)
class PeopleTable:
    """A table with the conditions of its numbers, and its note."""

    table: Table
    about: str
    note: str


def people_tables(matrix: Matrix) -> list[PeopleTable]:
    """Return for each dataset with answers: people beside each network, agreement, and each rater."""
    return [part for test, of in matrix.human.items() for part in _tables(matrix, test, of) if part.table.rows]


def people_notes(matrix: Matrix) -> list[str]:
    """Return the notes on these tables, each once; none without answers."""
    return list(dict.fromkeys(part.note for part in people_tables(matrix)))


def _tables(matrix: Matrix, test: str, of: HumanResult) -> list[PeopleTable]:
    where, answers = f"{matrix.datasets[test].short_name} test", f"answers {of.digest[:12]}"
    return [
        PeopleTable(_beside_networks(matrix, where, of), conditions(matrix), NOTE),
        PeopleTable(_agreement(where, of.agreement), sentence(answers), AGREEMENT),
        PeopleTable(_raters(matrix, where, of.by_rater), f"{sentence(matrix.measure.title)} in %, {answers}", RATERS),
    ]


def _beside_networks(matrix: Matrix, where: str, of: HumanResult) -> Table:
    rows = tuple(
        (
            c.adapter,
            trained(matrix, c.sources, c.target),
            f"{c.people:.1f}",
            f"{c.network:.1f}",
            with_interval(c, "+.1f"),
            f"{c.mean:+.1f} ({c.low_same_raters:+.1f}, {c.high_same_raters:+.1f})",
        )
        for c in of.comparisons
    )
    columns = ("adapter", "trained on", "people", "network", "people - network [95 %]", "same raters [95 %]")
    raters, images = counted(of.raters, "rater"), counted(of.images, "image")
    title = f"{sentence(matrix.measure.title)} of people and networks on the same images, {where} ({raters}, {images})"
    return with_conditions(Table(title, columns, rows), [[c] for c in of.comparisons])


def _agreement(where: str, of: Agreement | None) -> Table:
    columns = ("measure", "value [95 %]", "images", "answers per image")
    if of is None:
        return Table("", columns, ())
    alpha = ("Krippendorff's alpha", _measure(of.alpha, of.alpha_low, of.alpha_high), f"{of.alpha_images:,}", "2 or more")
    kappa = ("Fleiss' kappa", _measure(of.kappa, of.kappa_low, of.kappa_high), f"{of.kappa_images:,}", str(of.kappa_answers))
    return Table(f"Agreement of raters, {where}", columns, (alpha, kappa))


def _measure(value: float | None, low: float | None, high: float | None) -> str:
    return number(value, ".3f") if low is None else f"{value:.3f} ({low:.3f}, {high:.3f})"


def _raters(matrix: Matrix, where: str, raters: Sequence[RaterResult]) -> Table:
    repeated = any(r.repeats for r in raters)
    rows = tuple((r.rater, f"{r.answer_count:,}", _mean(r), *(_repeats(r) if repeated else ())) for r in raters)
    columns = ("rater", "answers", f"{matrix.measure.title} [95 %]", *(("repeats", "same answer") if repeated else ()))
    return Table(f"Raters, {where}", columns, rows)


def _mean(of: RaterResult) -> str:
    return EMPTY if of.mean is None else with_interval(of)


def _repeats(of: RaterResult) -> tuple[str, str]:
    return (f"{of.repeats:,}", f"{100 * of.same / of.repeats:.1f} %") if of.repeats else (EMPTY, EMPTY)


def people_rows(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return people beside networks in long form: column names, and one row for each network."""
    return _long(matrix, [(test, vars(c)) for test, of in matrix.human.items() for c in of.comparisons])


def rater_rows(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return the raters in long form: column names, and one row for each rater of each dataset."""
    return _long(matrix, [(test, vars(r)) for test, of in matrix.human.items() for r in of.by_rater])


def _long(matrix: Matrix, rows: Sequence[tuple[str, Any]]) -> tuple[list[str], list[list[str]]]:
    columns = ["test", *(rows[0][1] if rows else {})]
    return columns, [[test, *map(_text, fields.values())] for test, fields in rows]


def _text(value: Any) -> str:
    return "" if value is None else "+".join(value) if isinstance(value, list) else str(value)
