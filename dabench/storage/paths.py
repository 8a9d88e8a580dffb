"""Default folders of raw data, the prepared cache and mirrors, and the number of cores of this machine."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from dabench.errors import SpecError
from dabench.hashing import digest
from dabench.storage.cgroups import cpu_quota
from dabench.storage.remote_fs import is_remote, shown


def cache_folder() -> Path:
    """Return the local folder of all prepared datasets: DABENCH_CACHE (its mirror if that is an address), or
    ~/.cache/dabench/prepared.
    """  # fmt: skip
    address = cache_address()
    return mirror_of(address, "prepared") if address else _from("DABENCH_CACHE", "prepared")


def cache_address() -> str | None:
    """Return DABENCH_CACHE with its keys if it is the address of a remote cache, else None."""
    value = os.environ.get("DABENCH_CACHE", "")
    return value if is_remote(value) else None


def mirror_folder() -> Path:
    """Return the folder of the local mirrors of remote stores: DABENCH_MIRROR, or ~/.cache/dabench/mirror."""
    return _from("DABENCH_MIRROR", "mirror")


def mirror_of(address: str, kind: str = "") -> Path:
    """Return the local mirror of an address; `kind` is a subfolder for mirrors that are not of stores."""
    plain = shown(address).rstrip("/")
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", plain)[-60:].strip("-")
    return mirror_folder() / kind / f"{name}-{digest(plain)[:10]}"


def node_folder() -> Path:
    """Return the working folder of workers on a node that does not see the store: DABENCH_NODE, or the system's folder for
    temporary files.
    """  # fmt: skip
    value = os.environ.get("DABENCH_NODE")
    return Path(value).expanduser().resolve() if value else Path(tempfile.gettempdir())


def data_folder(given: str | Path | None = None) -> Path:
    """Return the folder of all raw datasets: `--data`, DABENCH_DATA, or ~/.cache/dabench/raw. It has a subfolder per dataset."""
    return Path(given).expanduser().resolve() if given else _from("DABENCH_DATA", "raw")


def _from(variable: str, default: str) -> Path:
    value = os.environ.get(variable)
    if value and "://" in value:
        raise SpecError(
            f"{variable} = {shown(value)}: must be a folder, which may be on a mounted network file system "
            "(only the prepared cache, DABENCH_CACHE=s3://..., and results folders, --out s3://..., may be addresses)"
        )
    try:
        return Path(value).expanduser().resolve() if value else Path("~/.cache/dabench").expanduser() / default
    except RuntimeError as e:  # no HOME, and the system does not know the user
        raise SpecError(
            f"{variable} is not set, and this user has no home folder; set HOME, or DABENCH_CACHE and DABENCH_DATA, to folders"
        ) from e


def cores(root: Path = Path("/")) -> int:
    """Return the number of cores that this process may use: those of its affinity, and whole ones of its cgroups' quota."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(root)
    return there if quota is None else max(1, min(there, int(quota)))
