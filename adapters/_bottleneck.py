"""A bottleneck before the classifier, as methods have it that need features of a bounded scale."""

from __future__ import annotations

from dabench import Network


def with_bottleneck(net: Network, width: int) -> Network:
    """Return `net` with a linear layer, batch norm and ReLU after its encoder, and a new linear head of `width` features."""
    from torch import nn

    net.encoder = nn.Sequential(net.encoder, nn.Linear(net.head.in_features, width), nn.BatchNorm1d(width), nn.ReLU())
    net.head = nn.Linear(width, net.head.out_features)
    return net
