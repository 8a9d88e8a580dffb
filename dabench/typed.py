"""Tables from the outside (TOML, --set) into frozen dataclasses: unknown keys, wrong types and bad ranges are errors.

A dataclass is the single place that names a key, its type, its default and its range; this module reads it from there.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from dabench.errors import SpecError, nearest

T = TypeVar("T")


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    search: Any = None,
) -> Any:
    """Declare a dataclass field: its default, what it means, and its range (`low` <= value <= `high`, value > `above`).

    Args:
        search: where a search of hyper-parameters looks if the sweep does not say: a factor f, from value / f to value * f on a
            logarithmic scale, or a range as a sweep file writes it; None: nowhere.
    """
    metadata = {"doc": doc, "low": low, "high": high, "above": above, "search": search}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class KeyProblem(SpecError):
    """A SpecError that knows which key it is about, so that the line of the file can be added."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def build(cls: type[T], table: Mapping[str, Any], where: str = "") -> T:
    """Make the dataclass `cls` from `table`.

    Args:
        cls: a dataclass; its field types are int, float, bool, str, Literal, X | None, or tuple[X, ...].
        table: the keys a user gave.
        where: the dotted path of the table, for messages ("train").

    Raises:
        KeyProblem: an unknown key, a wrong type or a value out of range.
    """
    if not isinstance(table, Mapping):
        raise KeyProblem(where, f"[{where}] must be a table, not {table!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    values = {}
    for key, value in table.items():
        path = f"{where}.{key}" if where else key
        if key not in fields:
            known = ", ".join(fields) or "(no keys)"
            raise KeyProblem(path, f"unknown key '{path}'{nearest(key, fields)}; known here: {known}")
        values[key] = convert(value, hints[key], path)
        _check_range(values[key], fields[key].metadata, path)
    return cls(**values)


def convert(value: Any, kind: Any, path: str) -> Any:
    """Return `value` as `kind` (an int serves as float, a list as tuple) or raise KeyProblem."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return build(kind, value, path)
    if origin is Literal:
        if value in args and type(value) in {type(a) for a in args}:
            return value
        hint = nearest(str(value), [str(a) for a in args])
        raise KeyProblem(path, f"{path} = {value!r}: must be one of {', '.join(repr(a) for a in args)}{hint}")
    if origin in (Union, types.UnionType):
        for option in args:
            try:
                return convert(value, option, path)
            except KeyProblem:
                continue
        raise KeyProblem(path, f"{path} = {value!r}: must be {_words(kind)}")
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise KeyProblem(path, f"{path} = {value!r}: must be {_words(kind)}")
        return tuple(convert(v, args[0], f"{path}[{i}]") for i, v in enumerate(value))
    if origin in (dict, Mapping) or kind in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if not isinstance(value, Mapping):
            raise KeyProblem(path, f"{path} = {value!r}: must be a table")
        return {str(k): convert(v, args[1], f"{path}.{k}") for k, v in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is type(None) and value is None:
        return None
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise KeyProblem(path, f"{path} = {value!r}: must be {_words(kind)}")


def _check_range(value: Any, limits: Mapping[str, Any], path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    if math.isnan(value) or math.isinf(value):
        raise KeyProblem(path, f"{path} = {value}: must be a finite number")
    low, high, above = limits.get("low"), limits.get("high"), limits.get("above")
    if low is not None and value < low:
        raise KeyProblem(path, f"{path} = {value}: must be at least {low}")
    if above is not None and value <= above:
        raise KeyProblem(path, f"{path} = {value}: must be more than {above}")
    if high is not None and value > high:
        raise KeyProblem(path, f"{path} = {value}: must be at most {high}")


def _words(kind: Any) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(repr(a) for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(a) for a in args if a is not type(None))
    if origin is tuple:
        return f"a list, each {_words(args[0])}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def describe(cls: type) -> list[dict[str, Any]]:
    """Return one row per field of a settings dataclass: key, type in words, default, what it means, where a search looks."""
    hints = typing.get_type_hints(cls)
    return [
        {
            "key": f.name,
            "type": _words(hints[f.name]),
            "default": None if f.default is dataclasses.MISSING else f.default,
            "doc": f.metadata.get("doc", ""),
            **({"search": f.metadata["search"]} if f.metadata.get("search") is not None else {}),
        }
        for f in dataclasses.fields(cls)
    ]
