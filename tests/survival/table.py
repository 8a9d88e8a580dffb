"""Does to a sweep all that may happen to it, and prints what it cost. About half an hour on 2 cores.

make survival
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import faults
from faults import Bench, Row


def rows(bench: Bench) -> Iterator[Row]:
    """Do everything, and give each row when it is done."""
    yield faults.driver_killed(bench, 20, "inline")
    yield faults.driver_killed(bench, 20, "ray")
    yield faults.worker_killed(bench)
    yield faults.ray_killed(bench, "raylet", 3)
    yield faults.ray_killed(bench, "gcs_server", 3)
    for engine in ("inline", "ray"):
        yield from faults.runs_go_wrong(bench, engine)
        yield from (faults.interrupted(bench, engine, presses) for presses in (1, 2))
    yield faults.stopped_within(bench)
    yield faults.two_at_once(bench, 5)
    yield faults.damaged(bench, 20)
    yield faults.clock_set_back(bench)
    yield faults.scratch_left(bench, "ray")
    why = faults.cannot_mount()
    if why:
        print(f"disk full, read-only output folder: not tried, {why}", file=sys.stderr)
        return
    for engine in ("inline", "ray"):
        yield faults.disk_full(bench, engine)
    yield faults.read_only(bench)


def main() -> int:
    """Print the table; return 1 if a run was lost or a result differs."""
    sound = True
    with tempfile.TemporaryDirectory(prefix="dabench-survival-") as folder:
        os.environ["DABENCH_CACHE"] = str(Path(folder) / "prepared")
        print("| fault | times tried | runs lost | results equal |\n|---|---:|---:|---|")
        for row in rows(Bench(Path(folder))):
            print(f"| {row.fault} | {row.tried} | {row.lost} | {'yes' if row.equal else 'NO'} |", flush=True)
            sound = sound and row.equal and not row.lost
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
