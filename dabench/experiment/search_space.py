"""Search ranges: the range or list of values of a setting, as written in a sweep file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dabench.errors import nearest
from dabench.plugins.options import KeyProblem

KINDS = ("loguniform", "uniform", "int")

_DIGITS = 4


@dataclass(frozen=True)
class SearchRange:
    """The values that a setting may take in a search.

    Attributes:
        kind: "choice" of `values`, or a range from `low` to `high`: "uniform", "loguniform", or "int" (both ends included).
    """

    kind: Literal["choice", "loguniform", "uniform", "int"]
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0

    def at(self, part: float) -> Any:
        """Return the value at `part`, in [0, 1), of the range. Numbers are rounded to four digits."""
        if self.kind == "choice":
            return self.values[int(part * len(self.values))]
        if self.kind == "int":
            return int(self.low + math.floor(part * (self.high - self.low + 1)))
        if self.kind == "loguniform":
            return _rounded(math.exp(math.log(self.low) + part * (math.log(self.high) - math.log(self.low))))
        return _rounded(self.low + part * (self.high - self.low))

    def grid(self) -> tuple[Any, ...]:
        """Return the grid values: those of a list, else both ends and the middle."""
        if self.kind == "choice":
            return self.values
        if self.kind == "int":
            return tuple(dict.fromkeys((int(self.low), int((self.low + self.high) // 2), int(self.high))))
        return tuple(dict.fromkeys((self.low, self.at(0.5), self.high)))

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values to validate: if they are allowed, every value of the range is."""
        if self.kind == "choice":
            return self.values
        return (int(self.low), int(self.high)) if self.kind == "int" else (self.low, self.high)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def read_range(value: Any, path: str) -> SearchRange:
    """Return the range from its form in a sweep file: a list of values, or { loguniform | uniform | int = [low, high] }.

    Raises:
        KeyProblem: the value is not a valid range.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value or len({repr(v) for v in value}) < len(value):
            raise KeyProblem(path, f"{path} = {list(value)!r}: must be a list of one or more different values")
        return SearchRange("choice", tuple(tuple(v) if isinstance(v, list) else v for v in value))
    if not isinstance(value, Mapping) or len(value) != 1:
        raise KeyProblem(path, f"{path} = {value!r}: must be {{ loguniform = [low, high] }}, uniform, int, or a list of values")
    kind, ends = next(iter(value.items()))
    if kind not in KINDS:
        raise KeyProblem(path, f"{path}: unknown kind of range '{kind}'{nearest(kind, KINDS)}; known: {', '.join(KINDS)}")
    if not isinstance(ends, Sequence) or len(ends) != 2 or not all(_number(e, whole=kind == "int") for e in ends):
        numbers = "whole numbers" if kind == "int" else "numbers"
        raise KeyProblem(path, f"{path}: {kind} = {ends!r}: must be two {numbers}, [low, high]")
    low, high = ends
    if not low < high:
        raise KeyProblem(path, f"{path}: {kind} = {list(ends)}: low must be less than high")
    if kind == "loguniform" and low <= 0:
        raise KeyProblem(path, f"{path}: loguniform = {list(ends)}: low must be greater than 0; use uniform for ranges from 0")
    return SearchRange(kind, low=float(low), high=float(high))


def _number(value: Any, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and (isinstance(value, int) or not whole)


def around(value: Any, search: Any, low: float | None, high: float | None) -> Any:
    """Return the default search range of a setting, in the form of a sweep file; None: it is not searched.

    Args:
        value: its value without a search.
        search: `search` of its declaration: a range, or a factor for loguniform from value / factor to value * factor.
        low, high: the allowed range of the setting.
    """
    if isinstance(search, (int, float)) and not isinstance(search, bool):
        if not value or value < 0:
            return None
        ends = (max(value / search, low or 0.0) or value / search, value * search if high is None else min(value * search, high))
        return {"loguniform": [_rounded(e) for e in ends]} if ends[0] < ends[1] else None
    return search
