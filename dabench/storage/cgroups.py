"""The control groups of this process, which limit it in a container or a batch system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def cgroup_folders(controller: str, root: Path = Path("/")) -> Iterator[tuple[Path, int]]:
    """Yield the folder of each cgroup of this process and of its parents, with the version (1 or 2) of its files.

    Args:
        controller: "memory" or "cpu".
        root: where the folders proc and sys lie.
    """
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds and controller not in kinds.split(","):
                continue
            folder, inner = root / "sys/fs/cgroup" / (controller if kinds else ""), Path(path.lstrip("/"))
            for part in (inner, *inner.parents):
                yield folder / part, 1 if kinds else 2


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the cores that the cgroups allow, such as 1.5; None without a limit."""
    allowed = []
    for folder, version in cgroup_folders("cpu", root):
        with suppress(OSError, ValueError):  # the root has no limit; "max" and -1 mean none
            if version == 2:
                quota, period = map(int, (folder / "cpu.max").read_text(encoding="utf-8").split())
            else:
                quota, period = (int((folder / f"cpu.cfs_{n}_us").read_text(encoding="utf-8")) for n in ("quota", "period"))
            if quota > 0 and period > 0:
                allowed.append(quota / period)
    return min(allowed, default=None)
