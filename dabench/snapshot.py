"""What a training can change, as plain values and tensors, and put back: found by following what its loss and streams refer to.

A loss is a function that closes over what its adapter made: networks, generators, a memory of features, a counter. Nobody
has to name them. Every object that is reached gets a number, in an order that is the same each time the training begins; so
what was saved of an object finds it again. What holds state that cannot be followed (an iterator of Python's own, an open
file) raises Opaque: such a training begins anew instead of going on with half of its state.

The values are those that torch.load(weights_only=True) reads: nothing in a file of them is ever executed.
"""

from __future__ import annotations

import enum
import functools
import random
import types
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dabench.references import MISSING, Opaque, parts_of

_SCALARS = (bool, int, float, str, type(None))
_FIXED = (
    type, types.ModuleType, types.BuiltinFunctionType, enum.Enum, Path, bytes, complex, slice, range, frozenset, np.generic,
    torch.device, torch.dtype, torch.Size, torch.memory_format,
)  # fmt: skip

_LEAVES: list[tuple[type, Callable[[Any], Any], Callable[[Any, Any], Any]]] = [
    (torch.Generator, lambda g: g.get_state(), lambda g, saved: g.set_state(saved)),
    (random.Random, lambda g: _lists(g.getstate()), lambda g, saved: g.setstate(_tuples(saved))),
    (np.random.Generator, lambda g: g.bit_generator.state, lambda g, saved: setattr(g.bit_generator, "state", saved)),
    (torch.optim.Optimizer, lambda o: o.state_dict(), lambda o, saved: o.load_state_dict(saved)),
]
"""Kinds of objects with a state of their own: how it is read, and how it is put back."""

_MADE: dict[str, Callable[[Any], Any]] = {
    "tensor": lambda content: content,
    "array": lambda content: content.numpy(),
    "list": lambda content: [],
    "deque": lambda content: deque(),
    "dict": lambda content: {},
    "set": lambda content: set(),
    "tuple": tuple,
}
"""Kinds of objects that may come about in a training: how one is made, to be filled later."""

_FILLED: dict[type, Callable[[Any, Any], None]] = {
    list: lambda live, items: live.__setitem__(slice(None), items),
    deque: lambda live, items: (live.clear(), live.extend(items)),  # type: ignore[dict-item]
    dict: lambda live, items: (live.clear(), live.update(items)),  # type: ignore[dict-item]
    set: lambda live, items: (live.clear(), live.update(items)),  # type: ignore[dict-item]
}


class Snapshot:
    """The state of everything that `roots` lead to.

    Args:
        roots: whatever a training reads and writes, as it is when the training begins.
        fixed: kinds of objects that no training changes; they are not looked into.

    A tensor that lies in no module is taken only if it was changed since this was made: so images, tables and the like, which
    come about again as they were, are never copied.

    Raises:
        Opaque: it cannot be told.
    """

    def __init__(self, roots: Mapping[str, Any], fixed: tuple[type, ...]) -> None:
        self._roots, self._fixed = dict(roots), (*_FIXED, *fixed)
        self._numbers: dict[int, int] = {}
        self._objects: list[Any] = []
        self._versions: dict[int, int] = {}
        self._learned: set[int] = set()
        self._walk(self._numbers, self._objects, read=False)
        self._versions = {id(o): v for o in self._objects if isinstance(o, Tensor) and (v := _version(o)) is not None}
        modules = [o for o in self._objects if isinstance(o, nn.Module)]
        # Whether every optimizer and every layer lets torch count what it writes is not left to chance.
        self._learned = {id(t) for m in modules for t in (*m.parameters(), *m.buffers())}

    def leads_to(self, kind: type) -> bool:
        """Whether an object of that kind is among what the roots lead to."""
        return any(isinstance(value, kind) for value in self._objects)

    def take(self) -> dict[str, Any]:
        """Return the state as it is now; raise Opaque if it cannot be told."""
        records = self._walk(dict(self._numbers), list(self._objects), read=True)
        return {"known": len(self._objects), "records": records}

    def _walk(self, numbers: dict[int, int], objects: list[Any], read: bool) -> dict[int, Any]:
        """Number what is reached, and return what it is: number -> [kind, content]."""
        todo: list[Any] = []
        walked: set[int] = set()

        def refer(value: Any) -> Any:
            if type(value) in _SCALARS:
                return value
            if id(value) not in numbers:
                numbers[id(value)] = len(objects)
                objects.append(value)  # held: no other object gets its id meanwhile
            if numbers[id(value)] not in walked:
                walked.add(numbers[id(value)])
                todo.append(value)
            return [numbers[id(value)]]

        refer(self._roots)
        records = {}
        while todo:
            value = todo.pop()
            number = numbers[id(value)]
            records[number] = self._record(value, refer, read)
            if read and number >= len(self._objects) and records[number][0] not in _MADE:
                raise Opaque(f"a {type(value).__name__} that came about in the training")
        return records

    def _record(self, value: Any, refer: Callable[[Any], Any], read: bool) -> Any:
        if isinstance(value, self._fixed):
            return ["fixed", None]
        if isinstance(value, Tensor):
            changed = id(value) in self._learned or self._versions.get(id(value), -1) != _version(value)
            return ["tensor", value.detach().clone() if read and changed else None]
        if isinstance(value, np.ndarray):
            return ["array", torch.from_numpy(value.copy()) if read and value.flags.writeable else None]
        if type(value) in (list, deque, tuple):
            return [type(value).__name__, [refer(v) for v in value]]
        if isinstance(value, dict):
            return ["dict" if type(value) is dict else "table", [[_key(k), refer(v)] for k, v in value.items()]]
        if type(value) is set:
            return ["set", [_key(v) for v in value]]
        for kind, get, _ in _LEAVES:
            if isinstance(value, kind):
                return ["leaf", get(value) if read else None]
        return ["parts", {name: refer(part) for name, (part, _) in parts_of(value).items() if part is not MISSING}]

    def put_back(self, taken: Mapping[str, Any]) -> None:
        """Make the state what it was when it was taken of an equal training; raise Opaque where it does not fit."""
        if taken["known"] != len(self._objects):
            raise Opaque("what was saved is of another training")
        new: dict[int, Any] = {}

        def found(reference: Any) -> Any:
            if not isinstance(reference, list):
                return reference
            (number,) = reference
            if number < len(self._objects):
                return self._objects[number]
            if number not in new:
                kind, content = taken["records"][number]
                new[number] = tuple(map(found, content)) if kind == "tuple" else _MADE[kind](content)
            return new[number]

        try:
            with torch.no_grad():
                for number, (kind, content) in taken["records"].items():
                    _fill(kind, content, found([number]), found, number < len(self._objects))
        except Opaque:
            raise
        except Exception as e:  # whatever torch and the others say of a file that fits nothing here
            raise Opaque(f"what was saved does not fit: {e}") from e


def _fill(kind: str, content: Any, live: Any, found: Callable[[Any], Any], known: bool) -> None:
    """Make `live` what was saved of it."""
    if kind == "tensor":
        if known and content is not None:
            live.detach().copy_(content)
    elif kind == "array":
        if known and content is not None:
            np.copyto(live, content.numpy())
    elif kind in ("dict", "table"):
        _FILLED[dict](live, {key: found(v) for key, v in content})
    elif kind in ("list", "deque"):
        _FILLED[type(live)](live, [found(v) for v in content])
    elif kind == "set":
        _FILLED[set](live, content)
    elif kind == "leaf":
        for of, _, put in _LEAVES:
            if isinstance(live, of) and content is not None:
                put(live, content)
    elif kind == "parts":
        there = parts_of(live)
        for name, reference in content.items():
            value = found(reference)
            old, put_part = there.get(name, (MISSING, functools.partial(object.__setattr__, live, name)))
            if value is not old and not (type(value) is type(old) and type(value) in _SCALARS and value == old):
                put_part(value)


def _version(value: Any) -> int | None:
    """Return how often a tensor was written to; None where torch does not count."""
    return value._version if isinstance(value, Tensor) and not value.is_inference() else None


def _key(key: Any) -> Any:
    if type(key) not in _SCALARS:
        raise Opaque(f"a table with keys of the kind {type(key).__name__}")
    return key


def _lists(value: Any) -> Any:
    return [_lists(v) for v in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
