"""Make one table for each adapter from the cells of a cross matrix."""

from __future__ import annotations

from itertools import chain

from dabench.analysis.baselines import Published
from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix
from dabench.analysis.results import Cell
from dabench.reporting.conditions import with_conditions
from dabench.reporting.provided import provided_rows
from dabench.reporting.tables import EMPTY, Table, labels_text, published_mark, shown_in, trained, with_interval


def matrix_tables(matrix: Matrix) -> list[Table]:
    """Return one cross matrix for each adapter: rows are training sets, columns test sets; cells without a result are EMPTY."""
    return [_matrix_table(matrix, name) for name in matrix.record.methods]


def source_only_tables(matrix: Matrix) -> list[Table]:
    """Return the cross matrices of the adapters that do not adapt, which have all datasets in rows and columns."""
    return [_matrix_table(matrix, name) for name, facts in matrix.record.methods.items() if not facts.adapts]


def _matrix_table(matrix: Matrix, adapter: str) -> Table:
    datasets, shown = matrix.datasets, shown_in(matrix, adapter)
    cells: list[Cell | Published] = [c for c in matrix.cells if c.adapter in shown]
    others: dict[str, list[Cell | Published]] = {}
    for p in matrix.published:
        if p.adapter in shown:
            others.setdefault(published_mark(matrix, p.baseline), []).append(p)
    rows, measured = [], []
    for sources, target in dict.fromkeys((tuple(c.sources), c.target) for c in chain(cells, *others.values())):
        for mark, numbers in (("", cells), *others.items()):
            here = {c.test: c for c in numbers if (tuple(c.sources), c.target) == (sources, target)}
            if here:
                name = trained(matrix, sources, target) + mark
                rows.append((name, *(with_interval(here.get(test)) for test in datasets)))
                measured.append([c for c in here.values() if isinstance(c, Cell)])
    # Like human rows, provided models are in the table of the source-only networks.
    for name, numbers_of, of in provided_rows(matrix) if HUMAN in shown else ():
        rows.append((name, *(numbers_of.get(test, EMPTY) for test in datasets)))
        measured.append(of)
    title = "source only" if adapter == matrix.record.plain else matrix.record.adapters[adapter].title
    budget = next((labels_text(c.label_budget) for c in matrix.cells if c.adapter == adapter), "")
    heading = ": ".join(filter(None, (adapter, ", ".join(filter(None, (title, budget))))))
    columns = ("trained on", *(f"{f.short_name} test" for f in datasets.values()))
    return with_conditions(Table(heading, columns, tuple(rows)), measured)
