"""Processes that read one prepared set as a run does, and how much memory that costs.

    python tests/data/shared.py [MEGABYTES] [PROCESSES]

prints what each process holds of the set by itself, and what all of them hold together. A page that n processes map counts
1/n for each (PSS of /proc/PID/smaps_rollup), so the sum is what they cost.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

PAGE = 4096


def pss() -> int:
    """Return the bytes that this process costs."""
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss")


def read(path: Path, barrier: Barrier, found: multiprocessing.SimpleQueue[tuple[int, int, int]]) -> None:
    """Map the images as a run does, touch every page, and tell what the process costs before, then, and with a copy."""
    import torch

    from dabench.execution.placement import ImagePlacement

    barrier.wait()
    before = pss()
    barrier.wait()
    images = ImagePlacement(torch.device("cpu"), print).placed("shared", str(path))
    touched = int(images.flatten()[::PAGE].sum())
    barrier.wait()
    shared = pss()
    barrier.wait()  # nobody leaves, or takes more, while others measure
    own = images.clone()
    barrier.wait()
    copied = pss()
    barrier.wait()
    found.put((shared - before, copied - shared, touched + int(own[0, 0, 0, 0])))


def measure(megabytes: int, processes: int, folder: Path) -> tuple[int, int, int]:
    """Return bytes: of the images, what all processes cost that read them, and what they cost if each had its own copy."""
    path = folder / "images.npy"
    count = megabytes * 1_000_000 // (3 * 64 * 64)
    np.save(path, np.random.default_rng(0).integers(0, 256, (count, 3, 64, 64), dtype=np.uint8))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dabench.execution.run"])
    barrier, found = context.Barrier(processes), context.SimpleQueue()
    started = [context.Process(target=read, args=(path, barrier, found)) for _ in range(processes)]
    for process in started:
        process.start()
    rows = [found.get() for _ in started]
    for process in started:
        process.join()
    return path.stat().st_size, sum(shared for shared, _, _ in rows), sum(own for _, own, _ in rows)


if __name__ == "__main__":
    size, together, copies = measure(
        *(int(a) for a in (sys.argv[1:] + ["200", "8"][len(sys.argv) - 1 :])), Path(tempfile.mkdtemp())
    )
    print(f"images {size / 1e6:.0f} MB; all processes together {together / 1e6:.0f} MB; with a copy each {copies / 1e6:.0f} MB")
