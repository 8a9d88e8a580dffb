"""Digests of plain values and of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest(value: Any) -> str:
    """Return 64 hex digits that identify a JSON-able value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def shortened(name: str, most: int = 200) -> str:
    """Return a name of at most `most` characters, so that it can name a file: the end of a longer one becomes its digest."""
    return name if len(name) <= most else f"{name[: most - 11]}-{digest(name)[:10]}"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
