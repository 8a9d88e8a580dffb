"""Find plugins in first-party folders, entry points and files of the user, and those added with `register()`.

Modules of first-party folders whose name begins with an underscore are helpers and are ignored. Every plugin class is loaded,
its facts are checked, and it is registered under (kind, name). A duplicate name is an error that names both origins. A plugin
that cannot be loaded is kept with its error, which is raised only when the plugin is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.abc
import importlib.metadata
import importlib.util
import inspect
import linecache
import pkgutil
import re
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from dabench.errors import PluginError, nearest
from dabench.plugins.contract import Access, Adapter, Backbone, Dataset, Plugin, PluginKind
from dabench.plugins.options import build
from dabench.plugins.weights import options_of, started

_FIRST_PARTY: Mapping[PluginKind, str] = {
    "dataset": "dabench.datasets",
    "backbone": "dabench.backbones",
    "adapter": "dabench.adapters",
}

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/([A-Za-z0-9][A-Za-z0-9._-]*|\*))?")


@dataclass(frozen=True)
class Entry:
    """A found plugin: its origin, and its class or instance, or its error."""

    kind: PluginKind
    name: str
    origin: str
    plugin: type[Plugin] | Plugin | None
    error: str = ""

    def make(self, options: Mapping[str, Any] | None = None, variant: str = "") -> Plugin:
        """Return an instance with `options` (a table of its Options); raise PluginError if the plugin is broken."""
        if self.plugin is None:
            raise PluginError(f"{self.kind} '{self.name}' ({self.origin}) cannot be used: {self.error}")
        if isinstance(self.plugin, Plugin):
            if not options:
                return self.plugin
            options = {**dataclasses.asdict(self.plugin.options), **options}
        cls = self.plugin if isinstance(self.plugin, type) else type(self.plugin)
        name = (variant and self.name.removesuffix("*") + variant) or self.name
        made = cls(build(options_of(cls), options or {}, name), variant)
        return started(made) if isinstance(made, Backbone) else made


class Registry:
    """The plugins of this process, searched on first use."""

    def __init__(self, first_party: Mapping[PluginKind, str] = _FIRST_PARTY, entry_points: bool = True) -> None:
        self._first_party = first_party
        self._entry_points = entry_points
        self._entries: dict[tuple[PluginKind, str], Entry] = {}
        self._found: set[PluginKind] = set()
        self._files: dict[str, str] = {}
        self._registered: list[type[Plugin] | Plugin] = []

    def entries(self, kind: PluginKind) -> list[Entry]:
        """Return every plugin of a kind, including broken ones, sorted by name."""
        self._discover(kind)
        return sorted((e for (k, _), e in self._entries.items() if k == kind), key=lambda e: e.name)

    def find(self, kind: PluginKind, name: str) -> Entry:
        """Return the plugin with this name; raise PluginError, which gives the nearest names and all names."""
        return self._lookup(kind, name)[0]

    def members(self, kind: PluginKind, name: str) -> list[str]:
        """Return the names of a family with fixed variants, such as office-31/amazon for office-31/*, else the name itself."""
        variants = getattr(self.find(kind, name).plugin, "variants", ()) if name.endswith("*") else ()
        return [name.removesuffix("*") + variant for variant in variants] or [name]

    def make(self, kind: PluginKind, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Return an instance of the plugin with this name and `options`."""
        entry, variant = self._lookup(kind, name)
        return entry.make(options, variant)

    def _lookup(self, kind: PluginKind, name: str) -> tuple[Entry, str]:
        self._discover(kind)
        if (kind, name) in self._entries:
            return self._entries[kind, name], ""
        family, _, variant = name.partition("/")
        if variant and variant != "*" and (kind, f"{family}/*") in self._entries:
            return self._entries[kind, f"{family}/*"], variant
        known = [e.name for e in self.entries(kind)]
        raise PluginError(
            f"unknown {kind} '{name}'{nearest(name, known)}; known: {', '.join(known)} "
            f"(add your own with --plugin FILE, or see: dabench list {kind}s)"
        )

    def register(self, plugin: type[Plugin] | Plugin) -> type[Plugin] | Plugin:
        """Add a plugin class (or an instance) and return it. Can be used as a class decorator.

        Raises:
            PluginError: its facts are incomplete or wrong, or its name is already used.
        """
        cls = plugin if isinstance(plugin, type) else type(plugin)
        if not issubclass(cls, (Dataset, Backbone, Adapter)):
            raise PluginError(f"register({plugin!r}): not a Dataset, Backbone or Adapter; derive the class from one of these")
        problem = facts_problem(plugin)
        if problem:
            raise PluginError(f"register({cls.__qualname__}): {problem}")
        # A notebook cell that is run again replaces its own plugin.
        old = self._entries.get((plugin.kind, plugin.name))
        if old and old.origin == _registered_origin(cls):
            del self._entries[plugin.kind, plugin.name]
        self._add(plugin, _registered_origin(cls))
        self._registered = [p for p in self._registered if (p.kind, p.name) != (plugin.kind, plugin.name)] + [plugin]
        return plugin

    def load_file(self, path: Path, source: str | None = None) -> list[Entry]:
        """Add the plugins that a Python file defines and return them. `source` is the text of a file on another machine.

        Raises:
            PluginError: the file cannot be read or run, or defines no plugin.
        """
        key = str(path if source is not None else Path(path).expanduser().resolve())
        try:
            text = source if source is not None else Path(key).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as e:
            raise PluginError(f"plugin file {path}: cannot be read ({getattr(e, 'strerror', None) or e})") from e
        if self._files.get(key) == text:
            return [e for e in self._entries.values() if e.origin == f"file {key}"]
        # A file that was edited since, for example beside a notebook, is read again.
        self._entries = {place: e for place, e in self._entries.items() if e.origin != f"file {key}"}
        try:
            module = _module(key, text)
        except (Exception, SystemExit) as e:
            raise PluginError(f"plugin file {key}: {_why(e)}") from e
        plugins = plugins_in(module)
        if not plugins:
            raise PluginError(f"plugin file {key}: defines no named class derived from Dataset, Backbone or Adapter")
        for plugin in plugins:
            problem = facts_problem(plugin)
            if problem:
                raise PluginError(f"plugin file {key}: {problem}")
            self._discover(plugin.kind)
        before = dict(self._entries)
        try:
            for plugin in plugins:
                self._add(plugin, f"file {key}")
        except PluginError:  # add all plugins of a file or none
            self._entries = before
            raise
        self._files[key] = text
        return [e for e in self._entries.values() if e.origin == f"file {key}"]

    def shipment(self) -> tuple[list[tuple[str, str]], list[type[Plugin] | Plugin]]:
        """Return what a worker process needs: (path, text) of the plugin files, and the plugins registered in Python."""
        return list(self._files.items()), list(self._registered)

    def receive(self, shipment: tuple[list[tuple[str, str]], list[type[Plugin] | Plugin]]) -> None:
        """Add the plugins of another process's `shipment`."""
        files, registered = shipment
        for path, source in files:
            self.load_file(Path(path), source)
        for plugin in registered:
            self.register(plugin)

    def _add(self, plugin: type[Plugin] | Plugin, origin: str) -> None:
        entry = Entry(plugin.kind, plugin.name, origin, plugin)
        self._discover(entry.kind)
        other = self._entries.get((entry.kind, entry.name))
        if other and other.plugin is plugin:  # installed as a package, and registered by its own test
            return
        if other:
            raise PluginError(
                f"two {entry.kind}s are named '{entry.name}': {other.origin} and {entry.origin}; rename one of them"
            )
        self._entries[entry.kind, entry.name] = entry

    def _discover(self, kind: PluginKind) -> None:
        if kind in self._found:
            return
        self._found.add(kind)
        package = importlib.import_module(self._first_party[kind])
        for info in pkgutil.iter_modules(package.__path__):
            if info.name.startswith("_"):  # a helper module
                continue
            where = f"{package.__name__}.{info.name}"
            self._take(kind, info.name.replace("_", "-"), where, lambda w=where: importlib.import_module(w))
        if self._entry_points:
            for point in importlib.metadata.entry_points(group=f"dabench.{kind}s"):
                package_name = point.dist.name if point.dist else "unknown package"
                self._take(kind, point.name, f"package {package_name} ({point.value})", point.load)

    def _take(self, kind: PluginKind, name: str, origin: str, load: Any) -> None:
        """Load a module, class or instance and add its plugins. A failure becomes a broken entry."""
        try:
            found = load()
            plugins = plugins_in(found) if isinstance(found, types.ModuleType) else [found]
            for plugin in plugins:
                cls = plugin if isinstance(plugin, type) else type(plugin)
                if not issubclass(cls, Plugin):
                    raise PluginError(f"{plugin!r} is not a Dataset, Backbone or Adapter")
                problem = facts_problem(plugin)
                if problem:
                    raise PluginError(problem)
        except (Exception, SystemExit) as e:
            # A separate name, if the entry would hide a working plugin.
            name = name if (kind, name) not in self._entries else f"{name} from {origin}"
            self._entries[kind, name] = Entry(kind, name, origin, None, _why(e))
            return
        for plugin in plugins:
            other = self._entries.get((plugin.kind, plugin.name))
            if other:  # The plugin was found, not requested: the error is raised only when this name is used.
                why = f"two {plugin.kind}s are named '{plugin.name}': {other.origin} and {origin}; remove one of them"
                self._entries[plugin.kind, plugin.name] = Entry(plugin.kind, plugin.name, origin, None, why)
            else:
                self._add(plugin, origin)


class _Text(importlib.abc.ExecutionLoader):
    """Load a module from text in memory, because a worker on another machine does not have the file."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_source(self, fullname: str) -> str:
        return self.text


def _module(path: str, text: str) -> types.ModuleType:
    """Return the module with the source `text`. `inspect` and tracebacks show this text, not the file at `path`."""
    loader = _Text(path, text)
    spec = importlib.util.spec_from_loader(f"dabench_plugin_{hashlib.sha256(path.encode()).hexdigest()[:12]}", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    # Without a time the entry is never read again.
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def plugins_in(module: types.ModuleType) -> list[type[Plugin] | Plugin]:
    """Return the plugins that a module defines itself: named classes, and instances."""
    found: list[type[Plugin] | Plugin] = []
    for value in {id(v): v for v in vars(module).values()}.values():  # each once, even with several names
        if isinstance(value, Plugin) or (
            isinstance(value, type) and issubclass(value, Plugin) and value.__module__ == module.__name__ and value.name
        ):
            found.append(value)
    return found


def facts_problem(plugin: type[Plugin] | Plugin) -> str:
    """Return what is wrong with a plugin's facts, or an empty string."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    name = plugin.name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{cls.__qualname__}.name = {name!r}: use lower case letters, digits, '.', '_' and '-', and at most one '/'"
    if cls.variants and not cls.name.endswith("/*"):
        return f"{plugin.kind} '{name}': only a family has variants; name it '{name}/*', or leave variants empty"
    if inspect.isabstract(cls):
        missing = ", ".join(f"{m}()" for m in sorted(getattr(cls, "__abstractmethods__", ())))
        return f"{plugin.kind} '{name}' does not implement {missing}"
    if not (dataclasses.is_dataclass(cls.Options) and cls.Options.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        return f"{plugin.kind} '{name}': Options must be a frozen dataclass"
    if any(
        f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING for f in dataclasses.fields(cls.Options)
    ):
        return f"{plugin.kind} '{name}': every field of Options needs a default"
    if isinstance(plugin, Adapter) or issubclass(cls, Adapter):
        access = plugin.access  # type: ignore[union-attr]
        if access not in get_args(Access):
            return f"adapter '{name}': access = {access!r} must be one of {', '.join(get_args(Access))}"
    return ""


def _registered_origin(cls: type) -> str:
    return f"register() of {cls.__module__}.{cls.__qualname__}"


def _why(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    where = ""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace and not isinstance(error, PluginError):
        where = f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_filename})"
    return f"{error if isinstance(error, PluginError) else f'{type(error).__name__}: {error}'}{where}"


REGISTRY = Registry()
"""The registry that the commands use."""
