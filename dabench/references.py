"""What an object refers to by name, and what sets each: the step by which dabench.snapshot follows a loss to all of its state."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from torch import nn

MISSING = object()
"""Stands for a name to which nothing is given yet."""


class Opaque(Exception):
    """Something holds state that cannot be followed, or what was saved does not fit what is there."""


def parts_of(value: Any) -> dict[str, tuple[Any, Callable[[Any], None]]]:
    """Return what an object refers to by name, each with what sets it; raise Opaque if that cannot be told."""
    if isinstance(value, types.FunctionType):
        cells = {
            str(i): (_content(c), functools.partial(setattr, c, "cell_contents")) for i, c in enumerate(value.__closure__ or ())
        }
        return cells | {"defaults": (value.__defaults__, _refuse)}
    if isinstance(value, types.MethodType):
        return {"self": (value.__self__, _refuse), "function": (value.__func__, _refuse)}
    if isinstance(value, functools.partial):
        return {"function": (value.func, _refuse), "words": (value.args, _refuse), "named": (value.keywords, _refuse)}
    if isinstance(value, nn.Module):
        tensors = {n: (t, _refuse) for n, t in (*value.named_parameters(), *value.named_buffers())}
        return tensors | {
            f"{path}:{name}": (part, functools.partial(setattr, module, name))
            for path, module in value.named_modules()
            for name, part in vars(module).items()
            if not name.startswith("_") and name != "training"
        }
    slots = [n for c in type(value).__mro__ for n in _slots(c) if hasattr(value, n)]
    if not hasattr(value, "__dict__") and not slots:
        raise Opaque(f"an object of the kind {type(value).__name__}")
    names = [*getattr(value, "__dict__", ()), *slots]
    return {n: (getattr(value, n), functools.partial(object.__setattr__, value, n)) for n in names}


def _slots(kind: type) -> list[str]:
    slots = kind.__dict__.get("__slots__", ())
    return [n for n in ((slots,) if isinstance(slots, str) else slots) if not n.startswith("__")]


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _refuse(value: Any) -> None:
    raise Opaque("what cannot be given anew was given anew")
