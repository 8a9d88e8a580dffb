"""An adapter that computes for two seconds and learns nothing: what is left of a run's wall time is the engine's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dabench.protocols import Adapter

if TYPE_CHECKING:
    from dabench.data.view import Target, View
    from dabench.network import Network
    from dabench.train import Trainer


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
