"""How much memory this process and those it starts may still take: what the system has free, under the limits of its cgroups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that are free, files that the system can let go of counted as free; None where it does not say."""
    try:
        lines = (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
    return max(0, min([free, *_limits(root)]))


def _limits(root: Path) -> Iterator[int]:
    """Yield what each cgroup that this process is in leaves, of either version, its parents included."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kinds, path = line.split(":", 2)
            own = Path(path.lstrip("/"))
            if not kinds:
                places, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
            elif "memory" in kinds.split(","):
                places = root / "sys/fs/cgroup/memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            for part in (own, *own.parents):
                with suppress(OSError, ValueError):  # the root has no limit, and "max" is none
                    yield _left(places / part, *names)


def _left(folder: Path, limit: str, used: str, reclaimable: str) -> int:
    most, now = (int((folder / name).read_text(encoding="utf-8")) for name in (limit, used))
    stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
    return most - now + int(stat.get(reclaimable, 0))
