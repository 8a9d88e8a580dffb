"""Execute runs in a worker process of Ray."""

from __future__ import annotations

import gc
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dabench.execution.attempt import AttemptResult, attempt
from dabench.execution.options import ExecutionOptions
from dabench.execution.ray.cluster import tune
from dabench.execution.ray.nodes import RemoteWorkspace, sees_folder
from dabench.experiment.job import Job
from dabench.plugins.registry import Registry
from dabench.storage.run_store import RunStore


class LostGpuError(Exception):
    """A run failed with an error of CUDA after which its process can do no other run; the text is the reason of its failure."""


class Worker(tune.Trainable):  # type: ignore[misc]
    """Do one run per trial; Tune reuses the process for the next trial."""

    def setup(
        self,
        config: dict[str, Any],
        shipment: Any = None,
        folder: str = "",
        how: ExecutionOptions = ExecutionOptions(),
        collector: Any = None,
    ) -> None:
        self.registry = Registry()
        self.registry.receive(shipment)
        self.apart = None if collector is None or sees_folder(Path(folder)) else RemoteWorkspace(collector, folder)
        self.store = self.apart.store if self.apart else RunStore(Path(folder))
        self.how = how
        _settle(how)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        # Removed, because Tune keeps the configuration, and a later run must not see the shots of this one.
        job: Job = self.config.pop("job")
        result = self.apart.done(job, self._attempt) if self.apart else self._attempt(job)
        return {**asdict(result), "done": True}

    def _attempt(self, job: Job) -> AttemptResult:
        result = attempt(job, self.store, self.registry, self.how, self.store.sweep_lock.hung(job.name))
        if result.what == "lost":
            raise LostGpuError(result.reason)  # Tune ends this process, and another does the next run
        return result

    def cleanup(self) -> None:
        if self.apart:
            self.apart.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: the store has all results."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: the store has all results."""


def _settle(how: ExecutionOptions) -> None:
    """Import the modules of runs, exclude them from later garbage collections, which they would slow down, and take a share of a
    GPU.
    """
    from dabench.execution import gpu, run  # noqa: F401

    gc.collect()
    gc.freeze()
    gpu.hold_to_share(how.gpus_per_run)
