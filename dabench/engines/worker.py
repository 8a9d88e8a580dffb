"""What does the runs in a worker process of Ray."""

from __future__ import annotations

import gc
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dabench.engines.attempt import Result, attempt
from dabench.engines.cluster import tune
from dabench.engines.how import How
from dabench.engines.nodes import Apart, sees
from dabench.registry import Registry
from dabench.store import Store


class Worker(tune.Trainable):  # type: ignore[misc]
    """Does one run per trial; Tune uses the process again for the next."""

    def setup(self, config: dict[str, Any], shipment: Any = None, folder: str = "", how: How = How(), desk: Any = None) -> None:
        self.registry = Registry()
        self.registry.receive(shipment)
        self.apart = None if desk is None or sees(Path(folder)) else Apart(desk, folder)
        self.store = self.apart.store if self.apart else Store(Path(folder))
        self.how = how
        _settle()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.job = json.loads(new_config["job"])
        self._last_result = None  # Tune's record of the run before, with its job: shots of another's target
        return True

    def step(self) -> dict[str, Any]:
        result = self.apart.done(self.job, self._attempt) if self.apart else self._attempt(self.job)
        self.job = None
        return {**asdict(result), "done": True}

    def _attempt(self, job: dict[str, Any]) -> Result:
        return attempt(job, self.store, self.registry, self.how, self.store.ongoing.hung(job["name"]))

    def cleanup(self) -> None:
        if self.apart:
            self.apart.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: the store is the truth."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to bring back: the store is the truth."""


def _settle() -> None:
    """Import what runs need, and have the collections of garbage between them pass it over: each would look through it all."""
    from dabench import work  # noqa: F401

    gc.collect()
    gc.freeze()
