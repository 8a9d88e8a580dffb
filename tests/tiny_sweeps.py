"""Tiny sweeps over the shapes plugin, for the tests of engines, firewall, store and faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.execution.options import ExecutionOptions
from dabench.execution.recorder import SweepOutcome
from dabench.execution.sweep import SweepCallbacks, execute_sweep
from dabench.experiment.plan import Plan
from dabench.experiment.planner import make_plan
from dabench.experiment.schedule import complete_runs
from dabench.experiment.sweep_file import SweepFile, load_sweep
from dabench.plugins.registry import Registry
from dabench.storage.paths import data_folder
from dabench.storage.run_store import RunStore

PLUGINS = Path(__file__).parent / "sample_plugins"
SHAPES = PLUGINS / "shapes.py"

TINY = """
name = "tiny"
datasets = ["bright", "pale"]
adapters = {adapters}
backbone = "conv4"
seeds = 1
shots = 3
{head}
[train]
steps = 4
batch = 16
checkpoints = 2
precision = "fp32"
device = "cpu"
[conv4]
width = 4
[maml]
inner_steps = 1
tasks = 1
support = 2
query = 2
{tables}
"""


@dataclass
class Tiny:
    """A planned sweep and how to run it."""

    file: SweepFile
    plan: Plan
    registry: Registry

    def run(self, folder: Path, engine: str = "inline", told: SweepCallbacks | None = None, **execution: Any) -> SweepOutcome:
        """Do what is missing in `folder`."""
        store, how = RunStore(folder), ExecutionOptions(engine=engine, **execution)  # type: ignore[arg-type]
        with store.exclusive(self.file.sweep.recipe):
            return execute_sweep(self.file, self.plan, store, self.registry, how, callbacks=told or SweepCallbacks())

    def standing(self, folder: Path) -> list[str]:
        """Return the names of the runs that stand in `folder`, sorted."""
        there = complete_runs(self.plan, RunStore(folder))
        return sorted(run.name for run in self.plan.runs if run.digest in there)

    def digest(self, name: str) -> str:
        """Return the digest of the run of that name."""
        return next(r.digest for r in self.plan.runs if r.name == name)


def tiny(
    folder: Path,
    adapters: Sequence[str],
    *,
    head: str = "",
    tables: str = "",
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (SHAPES,),
    registry: Registry | None = None,
) -> Tiny:
    """Write a tiny sweep file into `folder` and plan it."""
    registry = registry or Registry(entry_points=False)
    path = folder / "tiny.toml"
    names = "[" + ", ".join(f'"{a}"' for a in adapters) + "]"
    path.write_text(TINY.format(adapters=names, head=head, tables=tables), encoding="utf-8")
    file = load_sweep(path, overrides, plugins, registry)
    return Tiny(file, make_plan(file.sweep, registry, data_folder(), lambda line: None), registry)


def stored_logits(of: Tiny, folder: Path) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Return (run name, dataset) -> logits of every finished run of the sweep."""
    found = {}
    for run in of.plan.runs:
        record = RunStore(folder).find(run.digest, of.plan.test_digests(run))
        if record is not None:
            found.update({(run.name, test): np.array(record.logits(test)) for test in run.tests})
    return found


def identical(one: dict[tuple[str, str], NDArray[np.float32]], other: dict[tuple[str, str], NDArray[np.float32]]) -> bool:
    """Whether two sets of logits are the same to the bit."""
    return one.keys() == other.keys() and all(one[key].tobytes() == other[key].tobytes() for key in one)
