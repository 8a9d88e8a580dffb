"""An adapter that says in which state its network comes, and returns it in another."""

from __future__ import annotations

from collections.abc import Sequence

from dabench import Adapter, Network, Target, Trainer, View


def said(net: Network, trainer: Trainer) -> str:
    """Return what is not as the contract says."""
    wrong = [] if all(m.training for m in net.modules()) else ["not in training mode"]
    wrong += [] if all(p.requires_grad for p in net.parameters()) else ["not trainable"]
    wrong += [] if {p.device for p in net.parameters()} == {trainer.device} else ["not on the trainer's device"]
    return ", ".join(wrong)


class Modes(Adapter):
    """Fails where the contract is not kept."""

    name = "modes"
    access = "unlabelled"

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Look, train, and return the network in training mode."""
        assert not said(net, trainer), f"pretrain: {said(net, trainer)}"
        return trainer.supervised(net, sources).train()

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Look, and return the network in training mode."""
        assert not said(net, trainer), f"adapt: {said(net, trainer)}"
        return net.train()
