"""An adapter with an architecture of its own: a bottleneck between the encoder and the head."""

from __future__ import annotations

from collections.abc import Sequence

from dabench import Adapter, Network, Target, Trainer, View


class Bottleneck(Adapter):
    """Trains a network with a bottleneck, and trains it further on the sources."""

    name = "bottleneck"
    title = "a bottleneck of five features"
    access = "unlabelled"

    def network(self, net: Network) -> Network:
        """Put the bottleneck behind the encoder."""
        from torch import nn

        width = net.head.in_features
        net.encoder = nn.Sequential(net.encoder, nn.Linear(width, 5))
        net.head = nn.Linear(5, net.head.out_features)
        return net

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train further."""
        return trainer.supervised(net, sources, steps=4)
