"""Eight runs of two seconds of work: how far from the ideal their wall time is, Ray's start not counted."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from side_by_side import side_by_side
from tiny_sweeps import Tiny

from dabench.execution.ray.cluster import started, tune
from dabench.plugins.registry import Registry
from dabench.storage.paths import cores
from dabench.storage.run_store import RunStore

RUNS, SECONDS = 8, 2.0
WORKS = Path(__file__).parent / "works.py"
SWEEP = """
name = "works"
datasets = ["bright", "pale"]
adapters = ["none", "works"]
pairs = ["bright -> pale"]
backbone = "conv4"
seeds = 8
shots = 3
[train]
steps = 1
batch = 16
checkpoints = 1
device = "cpu"
[conv4]
width = 4
"""


@pytest.mark.timeout(1800)
def test_eight_runs_of_two_seconds(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dabench.experiment.planner import make_plan
    from dabench.experiment.sweep_file import load_sweep
    from dabench.storage.paths import data_folder

    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "works.toml").write_text(SWEEP)
    registry, numbers = Registry(entry_points=False), itertools.count()
    plugins = (Path(__file__).parents[1] / "sample_plugins" / "shapes.py", WORKS)
    file = load_sweep(tmp_path / "works.toml", (), plugins, registry)
    plan = make_plan(file.sweep, registry, data_folder(), lambda line: None)
    sweep, of_ray = Tiny(file, plan, registry), ExitStack()
    ideal = RUNS * SECONDS / cores()

    def fresh() -> None:
        """Start Ray anew, as every sweep does, and let its workers come up: both sides find them so."""
        of_ray.close()
        of_ray.enter_context(started(warm=True))
        time.sleep(10)

    def prepared() -> RunStore:
        """Return a store in which the pretrainings stand: eight runs are left."""
        store = RunStore(tmp_path / str(next(numbers)))
        sweep.run(store.folder)
        for run in plan.runs:
            if run.method == "works":
                store.remove(run.digest)
        return store

    def ours() -> float:
        store = stores.pop()
        return sweep.run(store.folder, "ray").completed

    def usual() -> float:
        fresh()
        began = time.perf_counter()
        found = tune.Tuner(work, tune_config=tune.TuneConfig(num_samples=RUNS), run_config=quiet(tmp_path)).fit()
        took = time.perf_counter() - began
        assert not found.errors
        stores.append(prepared())
        fresh()
        return took

    def work(config: dict[str, Any]) -> dict[str, float]:  # here, so that it is sent to workers, which know no module of tests
        import torch

        ended = time.process_time() + SECONDS
        while time.process_time() < ended:
            torch.ones(100, 100).sum()
        return {"loss": 0.0}

    stores: list[RunStore] = []
    try:
        side_by_side(
            benchmark, "8 runs of 2 s, wall time", ours, usual,
            way="Ray Tune as in its tutorial", least=1, aim=1,
            rounds=3, warm=False, ideal_seconds=ideal,
        )  # fmt: skip
    finally:
        of_ray.close()
    benchmark.extra_info["facts"] |= {
        "dabench / ideal": round(benchmark.extra_info["ours"] / ideal, 2),
        "usual way / ideal": round(benchmark.extra_info["usual"] / ideal, 2),
    }


def quiet(folder: Path) -> Any:
    return tune.RunConfig(storage_path=str(folder), verbose=0)
