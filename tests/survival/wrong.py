"""Adapters that go wrong in ways that end a process, hang it, or eat its memory; some of them only the first time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View

if TYPE_CHECKING:
    from torch import Tensor


def first_time(what: str) -> bool:
    """Whether this is the first time in the folder that WRONG_ONCE names; always, where it names none."""
    folder = os.environ.get("WRONG_ONCE")
    if not folder:
        return True
    try:
        (Path(folder) / what).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Killed(Adapter):
    """Its process is killed in the middle of its training."""

    name = "killed"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train, and die at the middle."""

        def loss(progress: float, batch: Batch) -> Tensor:
            if progress >= 0.5 and first_time(f"killed-{target.name}"):
                os.kill(os.getpid(), signal.SIGKILL)
            return trainer.cross_entropy(net(batch.images), batch.require_labels())

        return trainer.fit(net, loss, trainer.stream(sources), steps=trainer.steps(sources))


class Starved(Adapter):
    """Asks for more memory than there is."""

    name = "starved"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Ask for a petabyte."""
        import torch

        if first_time(f"starved-{target.name}"):
            torch.empty(1 << 50)
        return trainer.supervised(net, sources)


class Greedy(Adapter):
    """As `starved`, by numpy."""

    name = "greedy"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Ask for a petabyte."""
        import numpy as np

        if first_time(f"greedy-{target.name}"):
            np.empty(1 << 50)
        return trainer.supervised(net, sources)


class Hangs(Adapter):
    """Waits for what never comes, in Python."""

    name = "hangs"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Wait, and catch whatever wakes it."""
        while first_time(f"hangs-{target.name}"):
            try:
                time.sleep(3600)
            except Exception:  # as careless code does: a time limit must end it all the same
                continue
        return trainer.supervised(net, sources)


class Deaf(Adapter):
    """Hangs where no signal reaches it: it blocks the one that its time limit sends."""

    name = "deaf"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Wait without end."""
        if first_time(f"deaf-{target.name}"):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            while True:
                time.sleep(3600)
        return trainer.supervised(net, sources)


class Raises(Adapter):
    """Has a bug."""

    name = "raises"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Divide by zero."""
        raise ZeroDivisionError(f"no luck with {target.name}")


class Diverges(Adapter):
    """Its loss becomes NaN at the middle."""

    name = "diverges"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on a loss that is no number from progress 1/2 on."""

        def loss(progress: float) -> Tensor:
            return net.head.bias.sum() * (float("nan") if progress >= 0.5 else 1.0)

        return trainer.fit(net, loss, steps=trainer.steps(sources))


class Slow(Adapter):
    """Takes its time over each step, so that something can happen to it meanwhile."""

    name = "slow"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train slowly."""

        def loss(progress: float, batch: Batch) -> Tensor:
            time.sleep(0.1)
            return trainer.cross_entropy(net(batch.images), batch.require_labels())

        return trainer.fit(net, loss, trainer.stream(sources), steps=trainer.steps(sources))
