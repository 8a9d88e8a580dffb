"""Plugins of a sweep in which nothing is learnt: ten datasets of 12 + 20 tiny images, eleven adapters, and a trainer that does
nothing: wherever this file is loaded, a run is an invented result that is stored as a real one is.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dabench.execution import run as work
from dabench.experiment.job import Job
from dabench.plugins.contract import Adapter, Dataset, Samples
from dabench.plugins.registry import Registry
from dabench.storage.run_store import RunStore
from dabench.storage.schema import RunRecord, Seconds
from dabench.training.network import TorchNetwork
from dabench.training.selection import VALIDATORS

TESTED = 20


class Simulated(Dataset):
    """Noise of 16x16 pixels in two classes."""

    classes = ("even", "odd")
    seed = 0

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Draw the set."""
        return {"train": self._drawn(12, 2 * self.seed), "test": self._drawn(TESTED, 2 * self.seed + 1)}

    def _drawn(self, n: int, seed: int) -> Samples:
        images = np.random.default_rng(seed).integers(0, 256, (n, 1, 16, 16), np.uint8)
        return Samples(images, np.arange(n, dtype=np.int64) % 2)


class Unchanged(Adapter):
    """Adapts nothing."""

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return 0: nothing is trained."""
        return 0

    def adapt(self, net: TorchNetwork, sources: Any, target: Any, trainer: Any) -> TorchNetwork:
        """Return the network as it is."""
        return net


for _i in range(10):
    _facts = {"name": f"sim-{_i}", "short_name": f"SIM{_i}", "seed": _i, "__module__": __name__}
    globals()[f"Simulated{_i}"] = type(f"Simulated{_i}", (Simulated,), _facts)
for _i in range(11):
    globals()[f"Unchanged{_i}"] = type(f"Unchanged{_i}", (Unchanged,), {"name": f"unchanged-{_i}", "__module__": __name__})


def invent(job: Job, store: RunStore, registry: Registry, *rest: Any, **more: Any) -> None:
    """Store a result of `job` that nobody computed."""
    if job.parent:
        store.network(job.parent)  # as a real one looks for it
    rng = np.random.default_rng(int(job.digest[:8], 16))
    facts = RunRecord(
        name=job.name,
        method=job.method,
        sources=tuple(source.name for source in job.sources),
        target=job.target.name if job.target else None,
        label_budget=job.label_budget,
        seed=job.seed,
        digest=job.digest,
        parent=job.parent,
        tests=job.test_digests,
        classes=job.classes,
        steps=20,
        checkpoints=(10, 20),
        scores={t: dict.fromkeys(VALIDATORS, (0.1, 0.2)) for t in job.scored},
        losses=tuple(1 - step / 20 for step in range(20)),
        seconds=Seconds(0.0, 0.0, 0.0),
        environment={"dabench": "simulated"},
        files={},
    )
    logits = {test: rng.normal(size=(2, TESTED, 2)).astype(np.float32) for test in job.tests}
    store.add(facts, logits, lambda path: path.write_bytes(b"no network"))


work.execute = invent  # type: ignore[assignment]
