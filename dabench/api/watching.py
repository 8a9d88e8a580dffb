"""How far a sweep is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dabench.watching.status import Status


def status(runs: str | Path) -> Status:
    """Return how far a sweep is, while it goes on or afterwards.

    Args:
        runs: the folder that `sweep` writes.

    Raises:
        StoreError: it is no sweep's output.
    """
    from dabench.watching.status import read_status

    return read_status(Path(runs).expanduser())
