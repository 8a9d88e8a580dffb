"""Read sweep files (TOML) and apply --set. An error names the file, the line and the key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dabench.errors import SpecError, nearest
from dabench.experiment.config import Sweep
from dabench.experiment.overrides import absolute, put
from dabench.experiment.validation import sweep_from
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import REGISTRY, Registry
from dabench.storage.text_files import decoded, lines_alike


@dataclass(frozen=True)
class SweepFile:
    """A sweep with the text that it was read from. `path` is None if it was a table in Python."""

    sweep: Sweep
    path: Path | None
    text: str
    overrides: tuple[str, ...] = ()

    def located(self, e: KeyProblem) -> SpecError:
        """Return a problem as a SpecError that names the place of its key: the line of the file, or --set."""
        here, given = f"{_bare(e.path)}.", [f"{_bare(o.partition('=')[0])}." for o in self.overrides]
        if any(k.startswith(here) or here.startswith(k) for k in given):
            return SpecError(f"--set: {e}")
        line = line_of(self.text, e.path)
        where = f"{self.path}, line {line}: " if line else f"{self.path}: "
        return SpecError(f"{where if self.path else ''}{e}")


def read_sweep(path: Path, overrides: Sequence[str], registry: Registry) -> SweepFile:
    """Read a sweep file and apply `overrides` ("train.epochs=2"). Adds its plugin files to `registry`.

    Raises:
        SpecError: the file cannot be read, or a key or value is wrong; the message names file, line and key.
        PluginError: a plugin file is broken.
    """
    try:
        text = lines_alike(decoded(path.read_bytes()))
    except (OSError, UnicodeDecodeError) as e:
        raise SpecError(f"{path}: cannot be read ({getattr(e, 'strerror', None) or e})") from e
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise SpecError(f"{path}: is not valid TOML ({e})") from e
    return _checked(table, SweepFile(Sweep(), path, text, tuple(overrides)), registry)


def table_sweep(table: Mapping[str, Any], overrides: Sequence[str], registry: Registry) -> SweepFile:
    """Return the sweep of a table in Python, as `read_sweep` does for a file. Paths are relative to the working folder.

    Raises:
        SpecError: a key or value is wrong; the message names the key.
        PluginError: a plugin file is broken.
    """
    table = absolute(_copied(table))
    text = "".join(f"{key} = {toml_value(value, key)}\n" for key, value in _leaves(table))
    return _checked(table, SweepFile(Sweep(), None, text, tuple(overrides)), registry)


def _checked(table: dict[str, Any], file: SweepFile, registry: Registry) -> SweepFile:
    for override in file.overrides:
        put(table, override)
    try:
        return replace(file, sweep=sweep_from(table, registry, file.path.parent if file.path else None))
    except KeyProblem as e:
        raise file.located(e) from e


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of nested tables without the keys whose value is None, which TOML cannot hold."""
    return {str(k): _copied(v) if isinstance(v, Mapping) else v for k, v in table.items() if v is not None}


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted TOML key and the value of each leaf of nested tables."""
    for key, value in table.items():
        full = f"{path}{toml_value(key, path)}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{full}.")
        else:
            yield full, value


def toml_value(value: Any, key: str) -> str:
    """Return a string, number, bool or list of these as TOML. A SpecError for any other value names `key`."""
    try:
        if value is None or isinstance(value, Mapping):
            raise TypeError
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's, DEL excepted
    except TypeError:
        raise SpecError(
            f"{_bare(key)} = {value!r}: a sweep holds strings, numbers, true and false, lists of these, and tables"
        ) from None


def line_of(text: str, path: str) -> int | None:
    """Return the line number of the key `path` ("train.lr") in a TOML text, or of the table that holds it."""
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


Overrides = Mapping[str, Any] | Sequence[str]
"""Keys with their new values, {"train.epochs": 2} or ["train.epochs=2"]."""


def sweep_file(sweep: str | Path | Mapping[str, Any], overrides: Overrides, plugins: Sequence[str | Path]) -> SweepFile:
    """Return a sweep given by name, path, or table of keys. Loads the `plugins` files first.

    Raises:
        SpecError: the sweep is unknown, or a key or value is wrong.
        PluginError: a plugin file is broken.
    """
    pairs = as_pairs(overrides)
    if not isinstance(sweep, Mapping):
        return load_sweep(sweep, pairs, plugins, REGISTRY)
    for plugin in plugins:
        REGISTRY.load_file(Path(plugin))
    return table_sweep(sweep, pairs, REGISTRY)


def as_pairs(overrides: Overrides) -> list[str]:
    """Return overrides as strings, ["train.epochs=2"]."""
    return [f"{k}={toml_value(v, k)}" for k, v in overrides.items()] if isinstance(overrides, Mapping) else list(overrides)


def bundled_sweeps() -> dict[str, Path]:
    """Return the bundled sweeps: name -> file."""
    from importlib import import_module

    folder = Path(next(iter(import_module("dabench.sweeps").__path__)))
    return {p.stem: p for p in sorted(folder.glob("*.toml"), key=lambda p: p.stem)}


def sweep_path(sweep: str | Path) -> Path:
    """Return the file of a sweep given by name or path; raise SpecError if there is none."""
    path = Path(sweep).expanduser()
    if path.suffix == ".toml" or (path.exists() and path.is_file()):
        if not path.is_file():
            raise SpecError(f"there is no sweep file {path}")
        return path
    known = bundled_sweeps()
    if str(sweep) not in known:
        raise SpecError(
            f"unknown sweep '{sweep}'{nearest(str(sweep), known)}; known: {', '.join(known)}, or give the path of a .toml file"
        )
    return known[str(sweep)]


def load_sweep(sweep: str | Path, overrides: Sequence[str], plugins: Sequence[str | Path], registry: Registry) -> SweepFile:
    """Read a sweep by name or path. Loads the `plugins` files first."""
    for plugin in plugins:
        registry.load_file(Path(plugin))
    return read_sweep(sweep_path(sweep), overrides, registry)
