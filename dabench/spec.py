"""A sweep file (TOML) as a frozen value. What is not in it, or out of range, is an error with the line it stands in."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from dabench.digests import digest
from dabench.errors import PluginError, SpecError, nearest
from dabench.protocols import Adapter, Augment, Backbone, Dataset
from dabench.registry import Registry
from dabench.settings import Test, Train
from dabench.typed import KeyProblem, build, setting

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PAIR = re.compile(r"\s*->\s*")
PATHS = ("path", "drop")
"""The keys of a [dataset.NAME] table that are paths, relative to the sweep file."""


@dataclass(frozen=True)
class Sweep:
    """Everything that a sweep file may say."""

    name: str = setting("", "name of the sweep and of its output folder")
    title: str = setting("", "one line for the heading of the tables")
    datasets: tuple[str, ...] = setting((), "every ordered pair of them becomes source -> target")
    adapters: tuple[str, ...] = setting((), "the methods to compare")
    backbone: str = setting("", "the network")
    seeds: int | tuple[int, ...] = setting(3, "how many seeds (0, 1, ...), or which", low=1)
    shots: int | Literal["all"] = setting(5, "labelled target images per class for few-shot adapters, or all", low=1)
    pairs: tuple[str, ...] = setting((), 'only these, as "A -> B" or "A + B -> C"; every ordered pair if not set')
    classes: tuple[str, ...] = setting((), "the classes to keep, where the datasets have different ones; or [classes] keep")
    class_map: Mapping[str, Any] = setting({}, "[classes.map]: other names for classes; [classes.map.DATASET]: of one")
    plugins: tuple[str, ...] = setting((), "Python files with plugins; relative to this file")
    size: int | None = setting(None, "side of the square images are resized to; the largest of the datasets if not set", low=4)
    channels: Literal[1, 3] | None = setting(None, "1 grey, 3 RGB; 3 if any dataset has colours, if not set")
    pretrained: bool = setting(False, "start from the backbone's published weights")
    train: Train = field(default_factory=Train)
    test: Test = field(default_factory=Test)
    augment: Mapping[str, Any] = setting({}, "training augmentation: crop, flip, rotate; as the datasets say if not set")
    dataset: Mapping[str, Mapping[str, Any]] = setting(
        {}, "[dataset.NAME]: options of a dataset, its drop list, or a folder declared as one"
    )
    options: Mapping[str, Mapping[str, Any]] = setting({}, "options of adapters and of the backbone, by name")

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def tasks(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Every (sources, target) that the sweep is about."""
        if not self.pairs:
            return tuple(((s,), t) for s in self.datasets for t in self.datasets if s != t)
        return tuple(_pair(p, self.datasets) for p in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @property
    def recipe(self) -> dict[str, Any]:
        """The part that numbers depend on; the rest only says how many of them there are, or what they are called."""
        extent = {"title", "datasets", "adapters", "seeds", "pairs", "plugins", "dataset"}
        return {key: value for key, value in self.as_dict().items() if key not in extent}

    @property
    def digest(self) -> str:
        """Identifies the sweep as written."""
        return digest(self.as_dict())


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
        _override(table, override)
    file = SweepFile(Sweep(), path, text, tuple(overrides))
    try:
        return replace(file, sweep=sweep_from(table, registry, path.parent))
    except KeyProblem as e:
        raise file.located(e) from e


def sweep_from(table: Mapping[str, Any], registry: Registry, folder: Path | None = None) -> Sweep:
    """Make a Sweep from a table (as TOML or Python gives it), checked against the plugins there are.

    Args:
        folder: what paths in it are relative to.

    Raises:
        KeyProblem: a key or value is wrong.
    """
    table = dict(table)
    if "class_map" in table:  # how it is called inside
        raise KeyProblem("class_map", "unknown key 'class_map'; other names for classes are written under [classes.map]")
    for plugin in table.get("plugins", []) if isinstance(table.get("plugins", []), (list, tuple)) else []:
        registry.load_file((folder or Path()) / str(plugin))
    table["options"] = _options(table, registry)
    if isinstance(table.get("classes"), Mapping):
        table |= _classes(table["classes"])
    sweep = build(Sweep, table)
    sweep = replace(sweep, dataset=_declared(sweep.dataset, folder))
    _check(sweep, registry)
    return sweep


def _options(table: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """Take the tables named after adapters and backbones out of `table`: they are those plugins' options."""
    own = {f.name for f in fields(Sweep)}
    if not isinstance(table.get("options", {}), Mapping):
        raise KeyProblem("options", f"options = {table['options']!r}: must be a table")
    options: dict[str, Any] = dict(table.get("options", {}))
    known = {e.name for kind in ("adapter", "backbone") for e in registry.entries(kind)}
    for key in [k for k in table if k not in own]:
        if (key in known or key == table.get("backbone")) and not isinstance(table[key], Mapping):
            raise KeyProblem(key, f"{key} = {table[key]!r}: must be a table of its options, [{key}]")
        if not (key in known or key == table.get("backbone")):
            near = nearest(key, own | known)
            raise KeyProblem(
                key,
                f"unknown key '{key}'{near}; known: {', '.join(sorted(own - {'options', 'class_map'}))}, and a table per adapter",
            )
        options[key] = table.pop(key)
    return options


def _classes(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return `classes` and `class_map` of the table [classes], which holds `keep` and `map`."""
    for key in table:
        if key not in ("keep", "map"):
            near = nearest(key, ("keep", "map"))
            raise KeyProblem(f"classes.{key}", f"unknown key 'classes.{key}'{near}; known: keep = [...], [classes.map]")
    keep, renamed = table.get("keep", []), table.get("map", {})
    if not isinstance(keep, (list, tuple)) or not all(isinstance(c, str) for c in keep):
        raise KeyProblem("classes.keep", f"classes.keep = {keep!r}: must be a list of class names")
    if not isinstance(renamed, Mapping):
        raise KeyProblem("classes.map", f'classes.map = {renamed!r}: must be a table of old = "new"')
    for old, new in renamed.items():
        rows = {f"map.{old}.{o}": n for o, n in new.items()} if isinstance(new, Mapping) else {f"map.{old}": new}
        for key, name in rows.items():
            if not isinstance(name, str) or not name:
                raise KeyProblem(f"classes.{key}", f"classes.{key} = {name!r}: must be the new name of a class")
    return {"classes": keep, "class_map": renamed}


def _declared(datasets: Mapping[str, Mapping[str, Any]], folder: Path | None) -> dict[str, dict[str, Any]]:
    """Return the [dataset.NAME] tables with their paths made absolute."""
    result = {}
    for name, options in datasets.items():
        if not isinstance(options, Mapping):
            raise KeyProblem(f"dataset.{name}", f"[dataset.{name}] must be a table, not {options!r}")
        result[name] = dict(options)
        for key in PATHS:
            if isinstance(options.get(key), str) and options[key]:
                result[name][key] = str(((folder or Path()) / Path(options[key]).expanduser()).resolve())
    return result


def _check(sweep: Sweep, registry: Registry) -> None:
    if not _NAME.fullmatch(sweep.name):
        raise KeyProblem("name", f"name = {sweep.name!r}: must be letters, digits, '.', '_' and '-' (it names the output folder)")
    for key, example in (("datasets", '["font-digits", "uci-digits"]'), ("adapters", '["none", "dann"]')):
        values = getattr(sweep, key)
        if not values:
            raise KeyProblem(key, f"{key} is missing; write for example {key} = {example}")
    for key in ("datasets", "adapters", "classes"):
        values = getattr(sweep, key)
        if len(set(values)) < len(values):
            raise KeyProblem("classes.keep" if key == "classes" else key, f"{key} = {list(values)}: a name stands twice")
    if not sweep.backbone:
        raise KeyProblem("backbone", 'backbone is missing; write for example backbone = "conv4"')
    if not sweep.seed_list or len(set(sweep.seed_list)) < len(sweep.seed_list) or min(sweep.seed_list) < 0:
        raise KeyProblem(
            "seeds", f"seeds = {sweep.seeds!r}: must be a number of at least 1, or a list of different numbers from 0"
        )
    for name, new in sweep.class_map.items():
        if isinstance(new, Mapping) and name not in sweep.datasets:
            near = nearest(name, sweep.datasets)
            raise KeyProblem(f"classes.map.{name}", f"[classes.map.{name}]: '{name}' is not in datasets{near}")
    _check_plugins(sweep, registry)
    for i, text in enumerate(sweep.pairs):
        try:
            _pair(text, sweep.datasets)
        except SpecError as e:
            raise KeyProblem("pairs", f"pairs[{i}] = {text!r}: {e}") from e
    if len({(frozenset(sources), target) for sources, target in sweep.tasks}) < len(sweep.tasks):
        raise KeyProblem("pairs", f"pairs = {list(sweep.pairs)}: a pair stands twice")
    build(Augment, sweep.augment, "augment")
    if sweep.test.crops == 10 and not sweep.augment.get("crop", True):
        raise KeyProblem("test.crops", "test.crops = 10 needs augment.crop: ten crops of the whole image are one")


def _check_plugins(sweep: Sweep, registry: Registry) -> None:
    """Make every plugin that the sweep names, so that unknown names and wrong options are found now."""
    unused = [name for name in sweep.options if name not in sweep.adapters and name != sweep.backbone]
    adapters = {entry.name for entry in registry.entries("adapter")}
    asked: list[tuple[str, Callable[[], object]]] = [
        ("datasets", lambda: [make_dataset(sweep, n, registry) for n in (*sweep.datasets, *sweep.dataset)]),
        ("adapters", lambda: [make_adapter(sweep, n, registry) for n in sweep.adapters]),
        ("backbone", lambda: make_backbone(sweep, registry)),
        ("options", lambda: [registry.make("adapter" if n in adapters else "backbone", n, sweep.options[n]) for n in unused]),
    ]
    for key, make in asked:
        try:
            make()
        except PluginError as e:
            raise KeyProblem(key, str(e)) from e


def make_dataset(sweep: Sweep, name: str, registry: Registry) -> Dataset:
    """Return the dataset of that name: a plugin with the options of [dataset.NAME], or what that table declares.

    A table [dataset.NAME] for a name that no plugin has declares one: of the plugin that its key `plugin` names, which is
    image-folder if not set. It reads the raw files of that plugin. The key `drop` of any such table is the list of the
    pictures to leave out.
    """
    options = dict(sweep.dataset.get(name, {}))
    plugin, drop = options.pop("plugin", None), options.pop("drop", "")
    if not isinstance(drop, str):
        raise KeyProblem(f"dataset.{name}.drop", f"dataset.{name}.drop = {drop!r}: must be the path of a list")
    if name in sweep.dataset:
        known = {member for e in registry.entries("dataset") for member in registry.members("dataset", e.name)}
        if name not in known and not _NAME.fullmatch(name):
            raise KeyProblem(f"dataset.{name}", f"[dataset.{name}]: a declared name is letters, digits, '.', '_' and '-'")
        plugin = (name if name in known else "image-folder") if plugin is None else plugin
        if not isinstance(plugin, str):
            raise KeyProblem(f"dataset.{name}.plugin", f"dataset.{name}.plugin = {plugin!r}: must be a text")
        try:
            registry.find("dataset", plugin)
        except PluginError as e:
            raise KeyProblem(f"dataset.{name}.plugin", f"[dataset.{name}] {e}") from e
    try:
        # A copy: what was registered as an instance keeps its own name.
        dataset: Dataset = copy.copy(registry.make("dataset", plugin or name, options))
    except KeyProblem as e:
        key = e.path.removeprefix(plugin or name)
        raise KeyProblem(f"dataset.{name}{key}", f"[dataset.{name}] {e}") from e
    if dataset.name != name:
        if dataset.label == dataset.name.upper() or dataset.label == type(dataset).label:
            dataset.label = name.upper()
        dataset.plugin, dataset.name = dataset.name, name
    dataset.drop = drop or dataset.drop
    return dataset


def make_alone(name: str, overrides: Sequence[str], registry: Registry) -> Dataset:
    """Return the dataset of that name, with `overrides` ("face=true") as its table [dataset.NAME] would have them.

    Raises:
        SpecError, PluginError: there is no such dataset, option or value.
    """
    table: dict[str, Any] = {}
    for override in overrides:
        _override(table, override)
    try:
        return make_dataset(Sweep(dataset=_declared({name: table}, None) if table else {}), name, registry)
    except KeyProblem as e:
        raise SpecError(f"--set: {e}") from e


def make_adapter(sweep: Sweep, name: str, registry: Registry) -> Adapter:
    """Return the adapter of that name with the options of its table."""
    adapter: Adapter = registry.make("adapter", name, sweep.options.get(name))
    return adapter


def make_backbone(sweep: Sweep, registry: Registry) -> Backbone:
    """Return the backbone with the options of its table."""
    backbone: Backbone = registry.make("backbone", sweep.backbone, sweep.options.get(sweep.backbone))
    return backbone


def _pair(text: str, datasets: Sequence[str]) -> tuple[tuple[str, ...], str]:
    parts = _PAIR.split(text.strip())
    if len(parts) != 2:
        raise SpecError('must be "SOURCE -> TARGET" or "SOURCE + SOURCE -> TARGET"')
    sources, target = tuple(p.strip() for p in parts[0].split("+")), parts[1]
    for name in (*sources, target):
        if name not in datasets:
            raise SpecError(f"'{name}' is not in datasets{nearest(name, datasets)}")
    if target in sources or len(set(sources)) < len(sources):
        raise SpecError("sources and target must be different")
    return sources, target


def _override(table: dict[str, Any], text: str) -> None:
    """Put "a.b=value" into `table`; the value is read as TOML, or as text where it is none."""
    key, equals, value = text.partition("=")
    path = [p.strip().strip('"') for p in key.split(".")]
    if not equals or not all(path):
        raise SpecError(f"--set {text!r}: write key=value, for example --set train.epochs=2")
    try:
        parsed = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for part in path[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise SpecError(f"--set {text!r}: '{part}' is a value, not a table")
    table[path[-1]] = parsed


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
    return re.sub(r"[\s\"']", "", key)
