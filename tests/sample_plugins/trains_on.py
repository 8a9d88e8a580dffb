"""An adapter that never looks at its target: it trains on with the sources."""

from __future__ import annotations

from collections.abc import Sequence

from dabench import Adapter, Network, Target, Trainer, View


class TrainsOn(Adapter):
    """Continue the training on the sources for as long as a full training."""

    name = "trains-on"
    title = "longer training on the sources"
    access = "unlabelled"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on the sources."""
        return trainer.supervised(net, sources, steps=self.length(trainer.adaptation_steps(sources)))
