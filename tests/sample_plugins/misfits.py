"""Adapters that go wrong, each in its own way, and one that does not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dabench import Adapter, Network, Target, Trainer, View

if TYPE_CHECKING:
    from torch import Tensor


class Diverges(Adapter):
    """Its loss becomes NaN at the third step."""

    name = "diverges"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on a loss that is no number from progress 1/2 on."""

        def loss(progress: float) -> Tensor:
            return net.head.bias.sum() * (float("nan") if progress >= 0.5 else 1.0)

        return trainer.fit(net, loss, steps=4)


class DivergesEarly(Adapter):
    """Its own pretraining diverges, so that nothing can be adapted."""

    name = "diverges-early"

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Train on a loss that is no number."""
        return trainer.fit(net, lambda progress: net.head.bias.sum() * float("nan"), steps=4)

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Do something: never reached."""
        return trainer.supervised(net, sources)


class Raises(Adapter):
    """Has a bug."""

    name = "raises"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Divide by zero."""
        raise ZeroDivisionError(f"no luck with {target.name}")


class Forgets(Adapter):
    """Forgets to return the network."""

    name = "forgets"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Return nothing."""
        return None  # type: ignore[return-value]


class Exits(Adapter):
    """Ends its process, as the system does when memory runs out."""

    name = "exits"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """End without a word."""
        os._exit(1)


class Halves(Adapter):
    """Halves the classifier's weights: a user's adapter that works."""

    name = "halves"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Halve them."""
        net.head.weight.data /= 2
        return net
