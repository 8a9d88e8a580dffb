"""Convert tables (TOML, --set, JSON records) to frozen dataclasses. Unknown or missing keys, wrong types and values out of
range are errors.

A dataclass is the only place that defines a key with its type, default, range and meaning. This module reads them from there.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from dabench.errors import SpecError, nearest

T = TypeVar("T")

_LARGEST = 2**53
"""The largest whole number that every reader of JSON represents exactly."""


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    search: Any = None,
    origin: str = "",
) -> Any:
    """Declare a field of a settings dataclass.

    Args:
        default: the value of the field where the user gives none.
        doc: the meaning of the field in one line. `dabench show` and the documentation print it.
        low, high: the smallest and largest allowed value.
        above: the value must be greater than this.
        search: the range of a hyperparameter search that names no range for this field. A factor f means value / f to
            value * f on a logarithmic scale; a range is written as in a sweep file; None means that the field is not searched.
        origin: where the default comes from: a paper, or a search by a rule without target labels, on which data. Options of
            first-party adapters have one; `dabench show` prints it.
    """
    metadata = {"doc": doc, "low": low, "high": high, "above": above, "search": search, "origin": origin}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class KeyProblem(SpecError):
    """A SpecError about one key. `path` is the dotted key, from which the line of the file is found."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def build(cls: type[T], table: Mapping[str, Any], where: str = "") -> T:
    """Return an instance of the dataclass `cls` with the values of `table`.

    Args:
        cls: a dataclass; its field types are int, float, bool, str, Literal, X | None, or tuple[X, ...].
        table: the keys that the user gave.
        where: the dotted path of the table, for messages ("train").

    Raises:
        KeyProblem: a key is unknown or missing, or a value has a wrong type or is out of range.
    """
    if not isinstance(table, Mapping):
        raise KeyProblem(where, f"{f'[{where}]' if where else 'it'} must be a table, not {table!r}")
    fields, start = _fields(typing.cast(Any, cls)), f"{where}." if where else ""
    values = {}
    for key, value in table.items():
        path = f"{start}{key}"
        if key not in fields:
            known = ", ".join(fields) or "(no keys)"
            raise KeyProblem(path, f"unknown key '{path}'{nearest(key, fields)}; known here: {known}")
        field, kind = fields[key]
        values[key] = convert(value, kind, path)
        _check_range(values[key], field.metadata, path)
    for key, (field, _) in fields.items():
        if key not in values and field.default is field.default_factory is dataclasses.MISSING:
            raise KeyProblem(f"{start}{key}", f"{start}{key} is missing")
    return cls(**values)


@functools.cache
def _fields(cls: Any) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Return the fields of a dataclass by name, each with its type."""
    hints = typing.get_type_hints(cls)
    return {f.name: (f, hints[f.name]) for f in dataclasses.fields(cls)}


def convert(value: Any, kind: Any, path: str) -> Any:
    """Return `value` as `kind` (an int becomes a float, a list a tuple) or raise KeyProblem."""
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
        return _either(value, kind, path)
    if origin is tuple and isinstance(value, (list, tuple)):
        return _list(value, kind, path)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _table(value, args, path)
    if _is(value, kind):
        return None if value is None else kind(value)
    large = isinstance(value, int) and abs(value) > _LARGEST
    raise KeyProblem(path, f"{path} = {value!r}: must be {_words(kind)}{f' up to {_LARGEST}' if large else ''}")


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value has a plain type. numpy floats count as floats; true and false do not count as numbers."""
    if kind is type(None) or not isinstance(kind, type):
        return value is None and kind is type(None)
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int) and kind in (int, float):
        return abs(value) <= _LARGEST
    return isinstance(value, kind)


def _either(value: Any, kind: Any, path: str) -> Any:
    options = [option for option in get_args(kind) if option is not type(None)]
    if value is None and len(options) < len(get_args(kind)):
        return None
    if dataclasses.is_dataclass(options[0]):
        return convert(value, options[0], path)
    for option in options:
        try:
            return convert(value, option, path)
        except KeyProblem:
            continue
    raise KeyProblem(path, f"{path} = {value!r}: must be {_words(kind)}")


def _list(values: list[Any] | tuple[Any, ...], kind: Any, path: str) -> tuple[Any, ...]:
    args = get_args(kind)
    if args[-1] is Ellipsis:
        if args[0] is float and {*map(type, values)} == {float}:  # the losses of a run are many
            return tuple(values)
        args = args[:1] * len(values)
    elif len(args) != len(values):
        raise KeyProblem(path, f"{path} = {values!r}: must be {_words(kind)}")
    return tuple(convert(v, of, f"{path}[{i}]") for i, (v, of) in enumerate(zip(values, args, strict=True)))


def _table(value: Any, args: tuple[Any, ...], path: str) -> dict[Any, Any]:
    """Return a table whose keys users choose. JSON holds whole numbers that are keys as strings."""
    if not isinstance(value, Mapping):
        raise KeyProblem(path, f"{path} = {value!r}: must be a table")
    if args[0] is int and not all(str(key).isdecimal() for key in value):
        raise KeyProblem(path, f"{path} = {value!r}: must be a table whose keys are whole numbers")
    return {args[0](key): convert(v, args[1], f"{path}.{key}" if path else str(key)) for key, v in value.items()}


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
        return f"a list of {_words(args[0]).removeprefix('a ')}s" if args[-1] is Ellipsis else f"a list of {len(args)}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a table"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def describe(cls: type) -> list[dict[str, Any]]:
    """Return one row per field of a settings dataclass: key, type, default, range, meaning, range of a search, and origin."""
    return [
        {
            "key": f.name,
            "type": _words(kind),
            "default": None if f.default is dataclasses.MISSING else f.default,
            "range": _range(f.metadata),
            "doc": f.metadata.get("doc", ""),
            **({"search": f.metadata["search"]} if f.metadata.get("search") is not None else {}),
            **({"origin": f.metadata["origin"]} if f.metadata.get("origin") else {}),
        }
        for f, kind in _fields(cls).values()
    ]


def _range(limits: Mapping[str, Any]) -> str:
    """Return the limits of a setting in words; an empty string if it has none."""
    low, high, above = limits.get("low"), limits.get("high"), limits.get("above")
    if low is not None and high is not None:
        return f"{low} to {high}"
    found = {"at least": low, "more than": above, "at most": high}
    return ", ".join(f"{words} {limit}" for words, limit in found.items() if limit is not None)
