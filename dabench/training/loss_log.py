"""The losses of one training, by name. They stay on the device until they are read, so that training does not wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dabench.errors import PluginError

TOTAL = "loss"
"""The name of a loss that is not told apart."""


class LossLog:
    """Named losses of each step of a training.

    Args:
        steps: the number of steps.
        device: the device of the losses.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self._steps, self._device = steps, device
        self._values: dict[str, Tensor] = {}
        self._given: dict[str, Tensor] = {}

    def put(self, step: int, losses: Mapping[str, Tensor | float]) -> None:
        """Keep the losses of a step, counted from 0.

        Raises:
            PluginError: `losses` is not a mapping of names to scalars.
        """
        if not isinstance(losses, Mapping) or not losses:
            raise PluginError(
                f"a step of trainer.run returned {type(losses).__name__}; it must return its losses by name, such as "
                '{"classification": loss}'
            )
        for name, loss in losses.items():
            if name not in self._values:
                self._values[name] = torch.zeros(self._steps, device=self._device)
                self._given[name] = torch.zeros(self._steps, dtype=torch.bool)
            self._values[name][step] = loss.detach() if isinstance(loss, Tensor) else loss
            self._given[name][step] = True

    def first_bad(self, done: int) -> tuple[int, str, float] | None:
        """Return step, name and value of the first loss of the first `done` steps that is not a finite number, or None."""
        bad = [(int(at[0]), name) for name, of in self._values.items() if len(at := torch.nonzero(~torch.isfinite(of[:done])))]
        if not bad:
            return None
        step, name = min(bad)
        return step, name, float(self._values[name][step])

    def total(self) -> list[float]:
        """Return the sum of the losses of each step."""
        return torch.stack(list(self._values.values())).sum(0).tolist() if self._values else [0.0] * self._steps

    def by_name(self) -> dict[str, list[float | None]]:
        """Return each loss of each step, None where a step did not have it; empty if there is only one loss without a name."""
        if set(self._values) <= {TOTAL}:
            return {}
        return {
            name: [value if given else None for value, given in zip(of.tolist(), self._given[name].tolist(), strict=True)]
            for name, of in self._values.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the losses so far."""
        return {"values": dict(self._values), "given": dict(self._given)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._values = {name: of.to(self._device) for name, of in state["values"].items()}
        self._given = dict(state["given"])


@dataclass
class TrainingTrace:
    """Record of the trainings of a run.

    Attributes:
        losses: the loss of each step, or the sum of its named losses.
        named: name -> that loss of each step, None where a step did not have it.
        train_seconds: seconds of training. steps: number of steps. trainings: number of calls of `fit` and `run`.
        pictures: heading -> the images that the method showed, (rows, N, C, h, w) uint8.
    """

    losses: list[float] = field(default_factory=list)
    train_seconds: float = 0.0
    steps: int = 0
    named: dict[str, list[float | None]] = field(default_factory=dict)
    trainings: int = 0
    pictures: dict[str, Tensor] = field(default_factory=dict)

    def add(self, steps: int, losses: LossLog) -> None:
        """Add a training of `steps` steps."""
        named, before = losses.by_name(), len(self.losses)
        self.losses += losses.total()
        for name in dict.fromkeys([*self.named, *named]):
            earlier = self.named.setdefault(name, [None] * before)
            earlier += named.get(name, [None] * steps)
        self.steps += steps
        self.trainings += 1
