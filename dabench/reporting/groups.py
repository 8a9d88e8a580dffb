"""Results by group as tables: for each test set with attributes one table an attribute, and the worst part named."""

from __future__ import annotations

from collections.abc import Sequence

from dabench.analysis.attribute_bins import FEWEST
from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import Metric
from dabench.analysis.subgroups import SubgroupCell
from dabench.reporting.tables import EMPTY, Table, number, sentence, trained

MARK = "*"

RULE = (
    f"{MARK} fewer than {FEWEST} images, or all of one group (subject), whose interval is over seeds alone: no finding; "
    "named worst only where every part is so. All 95 % intervals are in subgroups.csv."
)
"""What a reader of a table by group must know."""


def group_tables(matrix: Matrix) -> list[Table]:
    """Return one table for each attribute of each test set: rows trained on, columns the parts, the worst of them last."""
    found: dict[tuple[str, str], list[SubgroupCell]] = {}
    for cell in matrix.subgroups:
        found.setdefault((cell.test, cell.attribute), []).append(cell)
    return [_table(matrix, test, attribute, cells) for (test, attribute), cells in found.items()]


def _table(matrix: Matrix, test: str, attribute: str, cells: Sequence[SubgroupCell]) -> Table:
    rows: dict[tuple[str, tuple[str, ...], str | None], list[SubgroupCell]] = {}
    for cell in cells:
        rows.setdefault((cell.adapter, tuple(cell.sources), cell.target), []).append(cell)
    parts = next(iter(rows.values()))
    sizes = [("images", "", *(str(p.n) for p in parts), "")]
    if parts[0].subjects is not None:
        sizes.append(("groups", "", *(str(p.subjects) for p in parts), ""))
    numbers = [
        (adapter, trained(matrix, sources, target), *(number(p.mean) for p in row), _worst(row, matrix.measure))
        for (adapter, sources, target), row in rows.items()
    ]
    title = f"{sentence(matrix.measure.title)} by {attribute}, {matrix.datasets[test].short_name} test"
    return Table(title, ("adapter", "trained on", *(_name(p) for p in parts), "worst [95 %]"), (*sizes, *numbers))


def _name(part: SubgroupCell) -> str:
    return part.value + MARK if part.too_few else part.value


def _worst(row: Sequence[SubgroupCell], metric: Metric) -> str:
    """Return the part with the worst mean; one of too few images only where there is no other."""
    known = [(p.too_few, -p.mean if metric.lower_is_better else p.mean, p) for p in row if p.mean is not None]
    if not known:
        return EMPTY
    part = min(known, key=lambda k: k[:2])[2]
    return f"{_name(part)}: {part.mean:.1f} [{part.low:.1f}, {part.high:.1f}]"


def group_notes(matrix: Matrix) -> list[str]:
    """Return what goes with the tables by group: the rule of the mark, and the attributes without a table."""
    lines = [RULE] if matrix.subgroups else []
    for test, reasons in matrix.omitted_attributes.items():
        listed = "; ".join(f"{attribute} ({reason})" for attribute, reason in reasons.items())
        lines.append(f"{matrix.datasets[test].short_name} test, no results by {listed}.")
    return lines
