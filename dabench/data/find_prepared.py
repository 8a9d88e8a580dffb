"""Find prepared datasets in the cache by the digest of their content, without plugin and raw files."""

from __future__ import annotations

from pathlib import Path

from dabench.data.cache import RECORD, Prepared, open_prepared


def find_prepared(cache: Path, digest: str) -> Prepared | None:
    """Return the prepared dataset with this digest, or None if the cache does not have it. Its arrays are not verified."""
    for record in sorted(cache.glob(f"[!.]*/{RECORD}")):
        try:
            found = open_prepared(record.parent)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # another version wrote it, or it is damaged
        if found.digest == digest:
            return found
    return None
