"""Capture a training step as a CUDA graph and replay it. Small networks otherwise let a GPU wait for Python in each step.

A captured step repeats the same operations on the same memory. So its batches are copied into fixed tensors, its progress and
learning rates are tensors that are filled, and nothing in it may depend on a number that Python reads. `Trainer.fit` takes the
promise of an adapter that this is so (`replay=True`), and [train] replay switches it on.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

Losses = Mapping[str, Tensor]

_EAGER = 3
"""Steps with each form of batches before it is captured: they make the state of the optimizer and choose algorithms."""

_FORMS = 4
"""Most forms of batches that are captured, because each keeps the memory of a step. Others are computed as usual."""


class ReplayedStep:
    """A step that is captured once for each form of its batches, and replayed from then on.

    Args:
        step: called as step(progress, *batches), with progress as a float64 scalar on the device; returns losses by name.
        capture: records the operations of a call without doing them; returns what does them, and the losses that this fills.
        eager: does a call as usual, in a way that allows capturing it later.
    """

    def __init__(
        self,
        step: Callable[..., Losses],
        device: torch.device,
        capture: Callable[[Callable[[], Losses]], tuple[Callable[[], object], Losses]] | None = None,
        eager: Callable[[Callable[[], Losses]], Losses] | None = None,
    ) -> None:
        self._step, self._capture, self._eager = step, capture or captured, eager or on_side_stream
        self._progress = torch.zeros((), dtype=torch.float64, device=device)
        self._seen: Counter[Any] = Counter()
        self._made: dict[Any, tuple[list[Tensor], Callable[[], object], Losses]] = {}

    def __call__(self, progress: float, *batches: Any) -> Losses:
        """Do a step and return its losses. They are overwritten by the next step."""
        self._progress.fill_(progress)
        new = list(tensors_in(batches))
        form = tuple((t.shape, t.dtype, t.stride()) for t in new)
        if form not in self._made:
            self._seen[form] += 1
            if self._seen[form] <= _EAGER or len(self._made) == _FORMS:
                return self._eager(lambda: self._step(self._progress, *batches))
            fixed = copy.deepcopy(batches)
            self._made[form] = list(tensors_in(fixed)), *self._capture(lambda: self._step(self._progress, *fixed))
        held, replay, losses = self._made[form]
        for to, tensor in zip(held, new, strict=True):
            to.copy_(tensor)
        replay()
        return losses


def captured(step: Callable[[], Losses]) -> tuple[Callable[[], object], Losses]:
    """Capture a call as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step()
    return graph.replay, losses


def on_side_stream(step: Callable[[], Losses]) -> Losses:
    """Do a call on another stream, as steps before a capture must be."""
    side, current = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
    side.wait_stream(current)
    with torch.cuda.stream(side):
        losses = step()
    current.wait_stream(side)
    return losses


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in batches, always in the same order; a tensor that is there twice comes once."""
    seen: set[int] = set()
    for tensor in _all_in(value):
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield tensor


def _all_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _all_in(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _all_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _all_in(item)
