"""Make the table of published numbers in the form of its source: methods in rows, tasks in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dabench.analysis.baselines import Baseline, short_names_of
from dabench.reporting.tables import EMPTY, Table, with_interval

Place = tuple[frozenset[str], str]
"""The sources and the target of a task."""


def printed_table(baseline: Baseline) -> Table:
    """Return a published table as its source prints it; of several columns, with the mean of each complete row."""
    labels, rows = short_names_of(baseline), dict[str, dict[Place, Mapping[str, Any]]]()
    for cell in baseline["cells"]:
        rows.setdefault(cell["adapter"], {})[frozenset(cell["sources"]), cell["test"]] = cell
    tasks = list(dict.fromkeys(place for cells in rows.values() for place in cells))
    networks = ", ".join(dict.fromkeys(cell["backbone"] for cell in baseline["cells"]))
    shared, columns = f"{baseline['metric']} in %, network {networks}", ["adapter", *(_heading(*task, labels) for task in tasks)]
    numbers = [[name, *(with_interval(cells.get(task)) for task in tasks)] for name, cells in rows.items()]
    if len(tasks) > 1:
        shared, columns = f"{shared}; mean: of the row, computed by dabench", [*columns, "mean"]
        numbers = [[*row, _mean(cells, tasks)] for row, cells in zip(numbers, rows.values(), strict=True)]
    return Table(f"{baseline['title']} ({baseline['kind']})", tuple(columns), tuple(map(tuple, numbers)), shared)


def _heading(sources: frozenset[str], target: str, labels: Mapping[str, str]) -> str:
    """Return "AMAZON -> DSLR", or "others -> ART" for all other datasets of the table together."""
    names = [label for name, label in labels.items() if name in sources]
    others = len(names) > 1 and sources == labels.keys() - {target}
    return f"{'others' if others else '+'.join(names)} -> {labels[target]}"


def _mean(cells: Mapping[Place, Mapping[str, Any]], tasks: Sequence[Place]) -> str:
    found = [cells[task]["mean"] for task in tasks if task in cells]
    return f"{sum(found) / len(found):.1f}" if len(found) == len(tasks) else EMPTY
