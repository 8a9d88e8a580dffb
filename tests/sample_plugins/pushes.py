"""An adapter with an option whose best value is known: by how far it pushes every prediction towards the first class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class Pushes(Adapter):
    """The further it pushes, the more certain its predictions are, and the higher is the score of the rule `entropy`."""

    name = "pushes"
    access = "unlabelled"

    @dataclass(frozen=True)
    class Options:
        """Options of pushes."""

        by: float = setting(1.0, "how far; below 0 it fails", search=[1.0, 2.0])

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Push, in four steps."""
        by = self.options.by
        if by < 0:
            raise ValueError("pushes the wrong way")

        def loss(progress: float) -> Tensor:
            return -by * net.head.bias[0]

        return trainer.fit(net, loss, steps=4)
