"""An adapter that computes for two seconds and learns nothing: what is left of a run's wall time is the engine's."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dabench import Adapter, Network, Target, Trainer, View


class Works(Adapter):
    """Two seconds of processor time."""

    name = "works"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Compute for two seconds."""
        import torch

        ended = time.process_time() + 2.0
        while time.process_time() < ended:
            torch.ones(100, 100).sum()
        return net
