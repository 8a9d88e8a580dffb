"""A sweep file (TOML), read with what --set puts over it. What is wrong in it is an error with the line it stands in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dabench.errors import SpecError
from dabench.registry import Registry
from dabench.spec.paths import absolute
from dabench.spec.sweep import Sweep
from dabench.spec.tables import sweep_from
from dabench.typed import KeyProblem


@dataclass(frozen=True)
class SweepFile:
    """A sweep with the text it was read from; `path` is None where it was a table in Python."""

    sweep: Sweep
    path: Path | None
    text: str
    overrides: tuple[str, ...] = ()

    def located(self, e: KeyProblem) -> SpecError:
        """Return a problem with the place of its key: the line of the file, or --set."""
        here, given = f"{_bare(e.path)}.", [f"{_bare(o.partition('=')[0])}." for o in self.overrides]
        if any(k.startswith(here) or here.startswith(k) for k in given):
            return SpecError(f"--set: {e}")
        line = line_of(self.text, e.path)
        where = f"{self.path}, line {line}: " if line else f"{self.path}: "
        return SpecError(f"{where if self.path else ''}{e}")


def read_sweep(path: Path, overrides: Sequence[str], registry: Registry) -> SweepFile:
    """Read a sweep file, with `overrides` ("train.epochs=2") put over it; its plugin files are added to `registry`.

    Raises:
        SpecError: it cannot be read, or says something that cannot be; the message names file, line and key.
        PluginError: a plugin file is broken.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise SpecError(f"{path}: cannot be read ({getattr(e, 'strerror', None) or e})") from e
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise SpecError(f"{path}: is no TOML ({e})") from e
    for override in overrides:
        put(table, override)
    file = SweepFile(Sweep(), path, text, tuple(overrides))
    try:
        return replace(file, sweep=sweep_from(table, registry, path.parent))
    except KeyProblem as e:
        raise file.located(e) from e


def put(table: dict[str, Any], text: str) -> None:
    """Put "a.b=value" into `table`; the value is read as TOML, or as text where it is none. A path is of the working folder."""
    key, equals, value = text.partition("=")
    path = [p.strip().strip('"') for p in key.split(".")]
    if not equals or not all(path):
        raise SpecError(f"--set {text!r}: write key=value, for example --set train.epochs=2")
    try:
        parsed = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        parsed = value
    given: Any = parsed
    for part in reversed(path):
        given = {part: given}
    given = absolute(given)
    for part in path[:-1]:
        given = given[part]
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise SpecError(f"--set {text!r}: '{part}' is a value, not a table")
    table[path[-1]] = given[path[-1]]


def line_of(text: str, path: str) -> int | None:
    """Return the number of the line of a TOML text in which the key `path` ("train.lr") stands, or its table begins."""
    path = _bare(re.sub(r"\[\d+\]$", "", path))
    table, best = "", None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*(.+?)\s*\]+\s*(#.*)?$", line)
        if header and "=" not in line.split("#")[0]:
            table = _bare(header.group(1))
            if table == path:
                return number
            continue
        key = re.match(r"""\s*([A-Za-z0-9_."'-]+?)\s*=""", line)
        if key:
            full = _bare(f"{table}.{key.group(1)}" if table else key.group(1))
            if full == path:
                return number
            if path.startswith(full + "."):
                best = number
    return best


def _bare(key: str) -> str:
    """Return a dotted key without spaces and quotes."""
    return re.sub(r"[\s\"']", "", key)
