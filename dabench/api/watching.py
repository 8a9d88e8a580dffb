"""How far a sweep is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dabench.errors import StoreError

if TYPE_CHECKING:
    from dabench.execution.status import Status


def status(runs: str | Path) -> Status:
    """Return how far a sweep is, while it goes on or afterwards.

    Args:
        runs: the folder that `sweep` writes.

    Raises:
        StoreError: it is no sweep's output, or lies elsewhere (s3://...), where nothing is kept of what runs.
    """
    from dabench.execution.status import read_status
    from dabench.storage.paths import mirror_of
    from dabench.storage.remote_fs import is_remote, shown

    if is_remote(runs):
        address = shown(str(runs))
        raise StoreError(
            f"{address}: holds what is done, not what runs; see that with dabench report {address}, "
            f"or ask on the machine of the sweep: dabench status {mirror_of(str(runs))}"
        )
    return read_status(Path(runs).expanduser())
