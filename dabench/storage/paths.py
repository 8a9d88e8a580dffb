"""What this machine gives: where raw data and the prepared cache lie, unless the user says otherwise, and its cores."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from dabench.errors import SpecError
from dabench.hashing import digest
from dabench.storage.remote_fs import is_remote, shown


def cache_folder() -> Path:
    """Return the folder of all prepared sets here: DABENCH_CACHE, its mirror if that is an address, or
    ~/.cache/dabench/prepared.
    """  # fmt: skip
    address = cache_address()
    return mirror_of(address, "prepared") if address else _from("DABENCH_CACHE", "prepared")


def cache_address() -> str | None:
    """Return where all prepared sets lie elsewhere, keys and all: DABENCH_CACHE, if it is an address."""
    value = os.environ.get("DABENCH_CACHE", "")
    return value if is_remote(value) else None


def mirror_folder() -> Path:
    """Return the folder of what is kept here of output folders that lie elsewhere: DABENCH_MIRROR, or ~/.cache/dabench/mirror."""
    return _from("DABENCH_MIRROR", "mirror")


def mirror_of(address: str, kind: str = "") -> Path:
    """Return the folder of what is kept here of an address; `kind` is a folder of the mirror for what is no output folder."""
    plain = shown(address).rstrip("/")
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", plain)[-60:].strip("-")
    return mirror_folder() / kind / f"{name}-{digest(plain)[:10]}"


def node_folder() -> Path:
    """Return the folder in which workers keep what they have in hand on a node that sees no output folder: DABENCH_NODE, or
    the system's for temporary files.
    """  # fmt: skip
    value = os.environ.get("DABENCH_NODE")
    return Path(value).expanduser().resolve() if value else Path(tempfile.gettempdir())


def data_folder(given: str | Path | None = None) -> Path:
    """Return the folder of all raw sets (`--data`, DABENCH_DATA, or ~/.cache/dabench/raw); set NAME lies in its NAME/."""
    return Path(given).expanduser().resolve() if given else _from("DABENCH_DATA", "raw")


def _from(variable: str, default: str) -> Path:
    value = os.environ.get(variable)
    if value and "://" in value:
        raise SpecError(
            f"{variable} = {shown(value)}: must be a folder; a mounted network file system will do "
            "(what may lie elsewhere is the prepared cache, DABENCH_CACHE=s3://..., and output folders, --out s3://...)"
        )
    return Path(value).expanduser().resolve() if value else Path("~/.cache/dabench").expanduser() / default


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
