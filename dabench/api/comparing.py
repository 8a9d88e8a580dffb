"""Two tables beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dabench.analysis.compare import Comparison


def compare(a: str | Path, b: str | Path, *, metric: str | None = None, select: str | None = None) -> Comparison:
    """Return two tables beside each other, cell by cell with the interval of the difference, and what differs in conditions.

    Args:
        a, b: each an output folder, a pack, or a committed table (shelf name, or path of a .json or .toml file).
        metric: None: that of the committed table, else accuracy.
        select: the rule that chooses a checkpoint of each run; None: that of the committed table, else last.

    Raises:
        StoreError, SpecError: one of the two is not there or cannot be read, or they are in different metrics.
    """
    from dabench.analysis.compare import compared
    from dabench.analysis.sides import sides

    return compared(*sides(a, b, metric, select))
