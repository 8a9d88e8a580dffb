"""What does the runs in a worker process of Ray."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from dabench.engines.cluster import tune
from dabench.engines.logs import kept_log
from dabench.engines.queue import reason_of
from dabench.registry import Registry
from dabench.store import Store


class Worker(tune.Trainable):  # type: ignore[misc]
    """Does one run per trial; Tune uses the process again for the next."""

    def setup(self, config: dict[str, Any], shipment: Any = None, folder: str = "") -> None:
        self.registry = Registry()
        self.registry.receive(shipment)
        self.store = Store(Path(folder))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.job = json.loads(new_config["job"])
        self._last_result = None  # Tune's record of the run before, with its job: shots of another's target
        return True

    def step(self) -> dict[str, Any]:
        from dabench.work import execute

        started, reason = time.perf_counter(), ""
        try:
            with kept_log(self.store.log(self.job["name"])):
                execute(self.job, self.store, self.registry)
        except Exception as e:
            reason = reason_of(e)
        self.job = None
        return {"seconds": time.perf_counter() - started, "reason": reason, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: the store is the truth."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to bring back: the store is the truth."""
