"""How a sweep grows: time and memory of planning, scheduling, storing, resuming and reporting with 100, 1,000 and 10,000 runs.

    make scale                                 # all three, and the table
    python tests/scale/growth.py 100 1000      # some of them

The runs are simulated: no network is trained, results for 20 test images a dataset are invented (simulated.py); all else is as
ever (planned, handed out by Ray Tune, stored by workers with checksums, found again, reported with intervals and page). Each size
runs in a process of its own, the driver, whose peak memory is given; Ray's own processes and the worker are not in it. There is
one worker: runs of some milliseconds would end before another has started. Standard error tells wall seconds, the driver's own
processor seconds and memory of each part.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

SIZES = {100: (2, 4), 1_000: (4, 8), 10_000: (10, 11)}
"""Runs -> datasets and adapters: ten seeds of d trainings and a * d * (d - 1) adaptations."""
PARTS = ("planning", "scheduling", "storing", "resuming", "reporting")
PLUGINS = Path(__file__).with_name("simulated.py")


def table(datasets: int, adapters: int) -> dict[str, Any]:
    """Return the sweep of that many datasets and adapters."""
    return {
        "name": "simulated",
        "datasets": [f"sim-{i}" for i in range(datasets)],
        "adapters": ["none", *(f"unchanged-{i}" for i in range(adapters))],
        "backbone": "conv4",
        "seeds": 10,
        "train": {"device": "cpu"},
    }


class Growth:
    """Seconds and peak memory of each part, in this process."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, float, float]] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Measure one part: wall seconds, processor seconds of this process, and the peak of its memory so far, MiB."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.found[part] = (time.perf_counter() - wall, time.process_time() - cpu, peak_memory())
        print(part, *(f"{value:.1f}" for value in self.found[part]), file=sys.stderr, flush=True)


def peak_memory() -> float:
    """Return the most memory that this process had so far, MiB; not that of who began it, as getrusage would."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(runs: int, folder: Path) -> dict[str, tuple[float, float, float]]:
    """Do the sweep of that many runs in `folder` and return what each part took."""
    import numpy as np

    from dabench.analysis.matrix import read_matrix
    from dabench.execution.options import ExecutionOptions
    from dabench.execution.sweep import execute_sweep
    from dabench.experiment.planner import make_plan
    from dabench.experiment.schedule import complete_runs, pending_runs
    from dabench.experiment.sweep_file import sweep_file
    from dabench.plugins.registry import REGISTRY
    from dabench.reporting.write import write_report
    from dabench.storage.paths import data_folder
    from dabench.storage.run_store import RunStore

    file = sweep_file(table(*SIZES[runs]), (), [PLUGINS])
    make_plan(file.sweep, REGISTRY, data_folder(), lambda line: None)  # prepares the data
    growth, store = Growth(), RunStore(folder / "runs")
    with growth.of("planning"):
        plan = make_plan(file.sweep, REGISTRY, data_folder(), lambda line: None)
    assert len(plan.runs) == runs
    with growth.of("scheduling"), store.exclusive(file.sweep.recipe):
        outcome = execute_sweep(file, plan, store, REGISTRY, ExecutionOptions(max_parallel=1))
    assert (outcome.completed, outcome.failed) == (runs, 0), outcome
    with growth.of("resuming"):
        assert not pending_runs(plan, complete_runs(plan, store))
    with growth.of("reporting"):
        write_report(read_matrix(store), store.report)
    other = RunStore(folder / "stored")
    other.runs.mkdir(parents=True)
    logits = {test: np.zeros((1, 20, 2), np.float32) for test in list(plan.datasets)[:2]}
    found = [replace(record.facts, tests={}) for run in plan.runs if (record := store.find(run.digest))]
    with growth.of("storing"):
        for facts in found:
            other.add(facts, logits, lambda path: path.write_bytes(b"no network"))
    return growth.found


def measured(runs: int) -> dict[str, Any]:
    """Return what `measure` returns in a process of its own, with a cache and a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        own = os.environ | {"DABENCH_CACHE": f"{folder}/cache", "DABENCH_DATA": f"{folder}/raw", "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, __file__, "--one", str(runs), folder], env=own, stdout=subprocess.PIPE, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def row(runs: int, found: dict[str, Any]) -> str:
    """Return one line of the table: seconds of each part (of the driver's processor), and the highest memory of all."""
    cells = [f"{found[part][0]:.1f} s ({found[part][1]:.1f})" for part in PARTS]
    return " | ".join([f"| {runs:,}", *cells, f"{max(peak for *_, peak in found.values()):,.0f} MiB |"])


def main(arguments: list[str]) -> None:
    """Print the table of the sizes named, or of all."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(measure(int(arguments[1]), Path(arguments[2]))))
        return
    print(" | ".join(["| runs", *PARTS, "peak memory of the driver |"]))
    print("|---:" * (len(PARTS) + 2) + "|")
    for runs in [int(a) for a in arguments] or SIZES:
        print(row(runs, measured(runs)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
