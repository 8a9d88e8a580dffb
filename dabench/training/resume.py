"""Save an unfinished run at its checkpoints, so that it resumes there with exactly the same results.

Each training of a run (a call of trainer.fit) has one file, with the SHA-256 of its bytes in its name. The file holds the
state of named objects: modules, the optimizer, streams, random generators, and the objects that an adapter names. It is read
with torch's weights_only=True, so nothing in it is executed. A file of another run, another version of torch or dabench, or
another class of device is ignored.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dabench.errors import DabenchError, PluginError
from dabench.hashing import file_digest
from dabench.storage.atomic import temporary_file


class RunStopped(BaseException):
    """A run stopped at a checkpoint on request. It is not an Exception, so that no adapter catches it."""


class ResumeError(DabenchError):
    """A saved training does not fit the training that resumes from it; the run must start again from the beginning."""


class RunState:
    """The saved trainings of one run.

    Args:
        folder: the folder of the files; need not exist.
        key: plain values; a file with other values is ignored.
        every: seconds between two files.
        stopping: called at each checkpoint; returns whether to stop.
        device: the device of the run, whose global random numbers are saved; default: the CPU.

    Attributes:
        unsaved: why the current training cannot be saved, or "".
        earlier: seconds of the interrupted tries of the run until they were saved.
    """

    def __init__(
        self,
        folder: Path,
        key: Mapping[str, Any],
        every: float,
        stopping: Callable[[], bool],
        device: torch.device | None = None,
    ) -> None:
        self.folder, self.key, self.every, self.stopping, self.device = folder, dict(key), every, stopping, device
        self.unsaved, self.earlier = "", 0.0
        self._begun = self._last = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds of the run so far, including its interrupted tries."""
        return self.earlier + time.monotonic() - self._begun

    def resume(self, training: int, things: Mapping[str, Any]) -> int:
        """Restore the run's n-th training from its file and return the next step: 0 if there is no file.

        Args:
            things: name -> an object with a state (see `has_state`), as before the first step.

        Raises:
            ResumeError: the file does not fit these objects.
        """
        stateless = [name for name, thing in things.items() if not has_state(thing)]
        self.unsaved = "; ".join(f"{n} ({type(things[n]).__name__}) has no state_dict() and load_state_dict()" for n in stateless)
        saved = None if self.unsaved else self.load(training)
        if saved is None:
            return 0
        name = ""
        try:
            with torch.no_grad():
                for name, thing in self._with_random(things).items():
                    _restore(thing, _unpacked(saved["things"][name]))
            self.earlier = max(self.earlier, float(saved["seconds"]))
            return int(saved["step"])
        except Exception as e:  # a load_state_dict() may raise any exception
            raise ResumeError(f"an interrupted training cannot be resumed: {name}: {type(e).__name__}: {e}") from e

    def checkpoint(self, training: int, step: int, things: Mapping[str, Any]) -> None:
        """Save the n-th training after `step` steps if it is time.

        Raises:
            RunStopped: the run was asked to stop.
            PluginError: a state holds values that cannot be saved.
        """
        stop = self.stopping()
        if not self.unsaved and (stop or time.monotonic() - self._last >= self.every):
            states = {name: _packed(_state(thing), name) for name, thing in self._with_random(things).items()}
            self.save(training, {"step": step, "things": states})
        if stop:
            raise RunStopped

    def save(self, training: int, state: Mapping[str, Any]) -> None:
        """Write the file of the run's n-th training. If the disk is full, the previous file is kept."""
        # torch reports a full disk as a RuntimeError
        with contextlib.suppress(OSError, RuntimeError), temporary_file(self.folder / str(training)) as hidden:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save({"key": self.key, "seconds": self.seconds(), **state}, hidden)
            kept = self.folder / f"{training}-{file_digest(hidden)}.pt"
            os.replace(hidden, kept)
            for old in self.folder.glob(f"{training}-*.pt"):
                if old != kept:
                    old.unlink(missing_ok=True)
        self._last = time.monotonic()

    def load(self, training: int) -> dict[str, Any] | None:
        """Return the content of the file of the run's n-th training; None if there is no intact file of this run."""
        for path in self.folder.glob(f"{training}-*.pt"):
            with contextlib.suppress(Exception):  # torch may raise any exception for other files
                if file_digest(path) == path.stem.partition("-")[2]:
                    state: dict[str, Any] = torch.load(path, weights_only=True)
                    if state.pop("key") == self.key:
                        return state
        return None

    def _with_random(self, things: Mapping[str, Any]) -> dict[str, Any]:
        return {**things, "random numbers": _SharedRandom(self.device)}  # last, because restoring the others may draw numbers

    def clear(self) -> None:
        """Remove all files, because the run is complete or starts again."""
        self.earlier = 0.0
        shutil.rmtree(self.folder, ignore_errors=True)


def _fill(live: Any, saved: Any) -> None:
    if live.shape != saved.shape:
        raise ValueError(f"its shape was {tuple(saved.shape)} and is {tuple(live.shape)}")
    live[...] = saved


_KINDS: tuple[tuple[Any, Callable[[Any], Any], Callable[[Any, Any], object]], ...] = (
    (torch.Generator, lambda g: g.get_state(), lambda g, saved: g.set_state(saved)),
    (random.Random, lambda g: g.getstate(), lambda g, saved: g.setstate(saved)),
    (np.random.Generator, lambda g: g.bit_generator.state, lambda g, saved: setattr(g.bit_generator, "state", saved)),
    (np.random.RandomState, lambda g: g.get_state(), lambda g, saved: g.set_state(saved)),
    (Tensor | np.ndarray, lambda values: values, _fill),
    (dict, dict, lambda d, saved: (d.clear(), d.update(saved))),
    (list | deque, list, lambda items, saved: (items.clear(), items.extend(saved))),
)
"""Objects with a state but without state_dict(): the type, a function that reads the state, and one that restores it."""


def has_state(thing: Any) -> bool:
    """Whether the state of `thing` can be saved: it has state_dict() and load_state_dict(), or its type is in `_KINDS`."""
    return (hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")) or any(isinstance(thing, k) for k, _, _ in _KINDS)


def _state(thing: Any) -> Any:
    if hasattr(thing, "state_dict"):
        return thing.state_dict()
    return next(read(thing) for kind, read, _ in _KINDS if isinstance(thing, kind))


def _restore(thing: Any, saved: Any) -> None:
    if hasattr(thing, "load_state_dict"):
        thing.load_state_dict(saved)
    else:
        next(restore for kind, _, restore in _KINDS if isinstance(thing, kind))(thing, saved)


class _SharedRandom:
    """The global random generators of the process that a run on `device` uses: torch's, NumPy's and Python's.

    Those of other GPUs are left alone: asking for them starts CUDA, and where the run resumes there may be fewer.
    """

    def __init__(self, device: torch.device | None) -> None:
        self.gpu = device if device is not None and device.type == "cuda" else None

    def state_dict(self) -> dict[str, Any]:
        cuda = {"cuda": torch.cuda.get_rng_state(self.gpu)} if self.gpu else {}
        return {"torch": torch.get_rng_state(), **cuda, "numpy": np.random.get_state(), "python": random.getstate()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        torch.set_rng_state(state["torch"])
        if self.gpu:
            torch.cuda.set_rng_state(state["cuda"], self.gpu)
        np.random.set_state(state["numpy"])
        random.setstate(state["python"])


_ARRAY = "numpy array"


def _packed(value: Any, where: str) -> Any:
    """Return a copy of `value` that torch.load(weights_only=True) reads; raise PluginError if it holds anything else."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray | np.generic):
        return {_ARRAY: torch.from_numpy(np.array(value))}
    if type(value) in (dict, OrderedDict):
        return {key: _packed(v, f"{where}[{key!r}]") for key, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_packed(v, f"{where}[{i}]") for i, v in enumerate(value))
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise PluginError(
        f"the state of a training cannot be saved: {where} is a {type(value).__name__}; allowed are numbers, texts, None, "
        "tensors, numpy arrays, and dicts, lists and tuples of these"
    )


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        return value[_ARRAY].numpy()[()] if set(value) == {_ARRAY} else {key: _unpacked(v) for key, v in value.items()}
    return type(value)(map(_unpacked, value)) if isinstance(value, list | tuple) else value


def named_states(state: Mapping[str, Any], streams: Sequence[Iterator[Any]]) -> dict[str, Any]:
    """Return the state and the streams of a training by their names in messages; raise PluginError as `Trainer.fit`."""
    for name, thing in state.items():
        if not has_state(thing):
            raise PluginError(
                f"state={{...}} of a training: the state of {name!r}, a {type(thing).__name__}, cannot be saved; give an object "
                "with state_dict() and load_state_dict(), a random generator, a tensor or array that is changed in place, or a "
                "dict, list or deque with the values that change"
            )
    return {f"stream {i}": s for i, s in enumerate(streams, 1)} | {f"state[{name!r}]": thing for name, thing in state.items()}
