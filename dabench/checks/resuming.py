"""Interrupt a training of an adapter at its checkpoints, resume it, and compare its logits with an uninterrupted training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from dabench.storage.atomic import temporary_folder, temporary_prefix
from dabench.training.resume import RunState, RunStopped

_STOPS = 8
"""The largest number of interruptions of one training."""


def resume_problem(method: str, train: Callable[[RunState | None], torch.Tensor]) -> str:
    """Return how an interrupted training differs from an uninterrupted one and what to do, or an empty string.

    Args:
        method: the name of the adapter's method.
        train: makes new objects, as a new process does, trains with a Trainer with this `partial`, and returns logits.
    """
    with temporary_folder(temporary_prefix()) as folder:
        for _ in range(_STOPS):
            unsaved = _interrupted(train, folder)
            if unsaved is None:
                break
            if unsaved:
                return (
                    f"an interrupted {method}() starts again from the beginning, because {unsaved}; implement both methods, or "
                    "draw from trainer.stream() inside the loss"
                )
        resumed = train(RunState(folder, {}, math.inf, lambda: False))
    if torch.equal(resumed, train(None)):
        return ""
    return (
        f"{method}() gives other logits when it is interrupted and resumed; pass the state of its loss (a memory, a teacher "
        "network, a counter, a random generator) to trainer.fit(..., state={'memory': memory})"
    )


def _interrupted(train: Callable[[RunState | None], torch.Tensor], folder: Path) -> str | None:
    """Train up to the next checkpoint; return why it cannot be saved, or "". None: there was no further checkpoint."""
    partial = RunState(folder, {}, 0.0, lambda: True)
    try:
        train(partial)
    except RunStopped:
        return partial.unsaved
    return None
