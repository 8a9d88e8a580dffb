"""Where an unfinished run stands, kept at its checkpoints, so that it goes on from there to the same result, to the bit.

A run keeps one file for each of its trainings: DIGEST of the bytes in its name, and in it what dabench.snapshot took, the
state of the random numbers that the whole process shares, and what the run is. A file of another run, of another version of
torch or dabench, or of another kind of device is nothing to go on from.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import GeneratorType
from typing import Any

import numpy as np
import torch
from torch import nn

from dabench.atomic import temporary_file
from dabench.digests import file_digest
from dabench.references import Opaque
from dabench.snapshot import Snapshot


class Stopped(BaseException):
    """A run was told to stop and did so at a checkpoint. No Exception: no adapter is to catch it."""


class Partial:
    """What one run goes on from.

    Args:
        folder: where its files lie; need not be there.
        key: plain values; a file with others is ignored.
        every: seconds between two files.
        stopping: asked at each checkpoint whether to stop.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any], every: float, stopping: Callable[[], bool]) -> None:
        self.folder, self.key, self.every, self.stopping = folder, dict(key), every, stopping
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to keep the next file."""
        return time.monotonic() - self._last >= self.every

    def save(self, training: int, state: Mapping[str, Any]) -> None:
        """Keep the state of the run's n-th training; where there is no room for it, the one before stays."""
        # torch tells a full disk as a RuntimeError
        with contextlib.suppress(OSError, RuntimeError), temporary_file(self.folder / str(training)) as hidden:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save({"key": self.key, **state}, hidden)
            kept = self.folder / f"{training}-{file_digest(hidden)}.pt"
            os.replace(hidden, kept)
            for old in self.folder.glob(f"{training}-*.pt"):
                if old != kept:
                    old.unlink(missing_ok=True)
        self._last = time.monotonic()

    def load(self, training: int) -> dict[str, Any] | None:
        """Return the state of the run's n-th training, or None: there is none that is whole and of this run."""
        for path in self.folder.glob(f"{training}-*.pt"):
            with contextlib.suppress(Exception):  # whatever torch says of what is no such file
                if file_digest(path) == path.stem.partition("-")[2]:
                    state: dict[str, Any] = torch.load(path, weights_only=True)
                    if state.pop("key") == self.key:
                        return state
        return None

    def clear(self) -> None:
        """Forget everything: the run is done, or begins anew."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Course:
    """One training of a run: where it begins, and what is kept of it.

    Args:
        partial: None: nothing is kept.
        training: its number in the run.
        roots: all that it reads and writes, as it is before the first step.
        streams: what it draws from, once a step.
        fixed: as in Snapshot.

    Attributes:
        start: the step to begin with: 0, or where it stood.

    Raises:
        Opaque: what was kept does not fit; the run can only begin anew.
    """

    def __init__(
        self,
        partial: Partial | None,
        training: int,
        roots: Mapping[str, Any],
        streams: Sequence[Iterator[Any]],
        fixed: tuple[type, ...],
    ) -> None:
        self.partial, self.training, self.start = partial, training, 0
        self._snapshot: Snapshot | None = None
        if partial is None:
            return
        redrawn = [s for s in streams if isinstance(s, GeneratorType)]
        followed = [s for s in streams if not isinstance(s, GeneratorType)]
        with contextlib.suppress(Opaque):
            for stream in redrawn:
                if stream.gi_frame is None or Snapshot(stream.gi_frame.f_locals, fixed).leads_to(nn.Module):
                    raise Opaque("a stream that asks a network")
            self._snapshot = Snapshot({**roots, "streams": followed}, fixed)
        state = partial.load(training) if self._snapshot else None
        if state and self._snapshot:
            _draw_again(redrawn, state["step"])
            self._snapshot.put_back(state["snapshot"])
            _set_random(state["random"])
            self.start = state["step"]

    def checkpoint(self, step: int) -> None:
        """Keep the training after `step` steps if it is time; raise Stopped if the run is to stop."""
        if self.partial is None:
            return
        stop = self.partial.stopping()
        if self._snapshot and (stop or self.partial.due):
            with contextlib.suppress(Opaque):
                state = {"step": step, "snapshot": self._snapshot.take(), "random": _random()}
                self.partial.save(self.training, state)
        if stop:
            raise Stopped


def _draw_again(streams: Sequence[Iterator[Any]], step: int) -> None:
    """Draw from Python's generators, whose state cannot be read, as often as before."""
    before = _random()
    for stream in streams:
        for _ in range(step):
            next(stream)
    if streams and not _same(before, _random()):
        raise Opaque("a stream that draws from random numbers that the training shares")


def _random() -> dict[str, Any]:
    """Return the state of the random numbers that the whole process shares."""
    numpy = np.random.get_state(legacy=False)
    assert isinstance(numpy, dict)
    version, numbers, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": numpy
        | {"state": {"key": torch.from_numpy(numpy["state"]["key"].astype(np.int64)), "pos": numpy["state"]["pos"]}},
        "python": [version, list(numbers), gauss],
    }


def _set_random(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    key = state["numpy"]["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**state["numpy"], "state": {"key": key, "pos": state["numpy"]["state"]["pos"]}})
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return all(_same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)
