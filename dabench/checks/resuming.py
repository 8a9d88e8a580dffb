"""Interrupts a training of an adapter at its checkpoints, resumes it, and compares its logits with the uninterrupted ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from dabench.storage.atomic import temporary_folder, temporary_prefix
from dabench.training.resume import RunState, RunStopped

_STOPS = 8
"""How often a training is interrupted at most."""


def resume_problem(method: str, train: Callable[[RunState | None], torch.Tensor]) -> str:
    """Return how an interrupted training differs from an uninterrupted one and what to do, or an empty string.

    Args:
        method: which of the adapter's methods trains.
        train: makes all objects anew, as a new process does, trains with a Trainer of this `partial`, and returns logits.
    """
    with temporary_folder(temporary_prefix()) as folder:
        for _ in range(_STOPS):
            unsaved = _interrupted(train, folder)
            if unsaved is None:
                break
            if unsaved:
                return (
                    f"an interrupted {method}() begins anew, since {unsaved}; give the stream both, or draw from "
                    "trainer.stream() inside the loss"
                )
        resumed = train(RunState(folder, {}, math.inf, lambda: False))
    if torch.equal(resumed, train(None)):
        return ""
    return (
        f"{method}() gives other logits when it is interrupted and resumed; name what its loss remembers (a memory, a teacher "
        "network, a counter, a random generator) in trainer.fit(..., state={'memory': memory})"
    )


def _interrupted(train: Callable[[RunState | None], torch.Tensor], folder: Path) -> str | None:
    """Train up to the next checkpoint; return why it is not saved, or ""; None if there was no further checkpoint."""
    partial = RunState(folder, {}, 0.0, lambda: True)
    try:
        train(partial)
    except RunStopped:
        return partial.unsaved
    return None
