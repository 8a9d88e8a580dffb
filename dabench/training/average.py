"""An exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dabench.plugins.contract import Network


class WeightAverage:
    """The average of the parameters and floating-point buffers of a network over the steps of a training.

    After step n the average moves to the network by 1 - d, where d is the smaller of `decay` and (1 + n) / (10 + n). The second
    lets a short training forget its first weights. Buffers of whole numbers are those of the network.
    """

    def __init__(self, net: Network, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: value.detach().clone() for name, value in net.state_dict().items()}

    def update(self, net: Network) -> None:
        """Take in the weights of `net` after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        now = {name: value.detach() for name, value in net.state_dict().items()}
        floats = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.values[n] for n in floats], [now[n] for n in floats], 1 - decay)
        for name in now.keys() - set(floats):
            self.values[name].copy_(now[name])

    def swap(self, net: Network) -> dict[str, Tensor]:
        """Put the average into `net` and return the weights that it had, for `net.load_state_dict`."""
        before = {name: value.detach().clone() for name, value in net.state_dict().items()}
        net.load_state_dict(self.values)
        return before

    def state_dict(self) -> dict[str, Any]:
        """Return the average and its number of steps."""
        return {"values": self.values, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.steps = state["steps"]
        for name, value in state["values"].items():
            self.values[name].copy_(value)
