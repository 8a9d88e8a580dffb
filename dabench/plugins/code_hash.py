"""Digests of the code that a result depends on: the code of a plugin, and the modules that compute a run.

A module is hashed by the meaning of its source, together with the modules that it imports. Names and order of modules do not
count, so a module may be moved. Comments, docstrings, layout, annotations of functions, messages (of errors, warnings and
logs), the help, the search range and the origin of settings, and imports of dabench do not count, either.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import TypeGuard

from dabench.hashing import digest
from dabench.plugins.contract import Adapter, Backbone, Correction, Dataset, Plugin

CORE = ("dabench.execution.compute", "dabench.experiment.access", "dabench.plugins.contract")
"""The modules that compute a run: training and testing, access (the shots), and the base classes of plugins."""

NUMBERLESS = (
    # Messages, settings (the digest contains their values), and modules that find and describe plugins.
    "dabench.api", "dabench.errors", "dabench.plugins.options", "dabench.plugins.contract", "dabench.plugins.registry",
    "dabench.training.settings", "dabench.experiment.job",
    # Storage, and resuming: a resumed run gives the same results.
    "dabench.hashing", "dabench.storage", "dabench.data.cache", "dabench.training.resume",
    # Where the images of a run lie, and where memory is: batches are the same to the bit.
    "dabench.execution.placement", "dabench.execution.gpu",
    # Progress.
    "dabench.training.progress_line",
)  # fmt: skip
"""Modules and packages of dabench that do not affect results. They are not followed; every other imported module counts."""

_BASES = (Plugin, Dataset, Backbone, Adapter, Correction)

_SAYS = ("say", "_say", "log", "note", "warn", "print")

_INSTALLED = {Path(path).resolve() for path in sysconfig.get_paths().values()}

_LOGS = ("debug", "info", "warning", "error", "exception", "critical")


@functools.lru_cache(maxsize=64)
def modules_digest(*names: str) -> str:
    """Return a digest of the code of these modules of dabench and of all modules that they import, directly or indirectly."""
    return digest(sorted(followed((name, _existing(name)) for name in names).values()))


def core_digest() -> str:
    """Return a digest of the code that computes a run, without plugins."""
    return modules_digest(*CORE)


def code_digest(plugin: Plugin) -> str:
    """Return a digest of the code of a plugin: of the modules that define its class and its base classes.

    Modules that they import also count, if they belong to the plugin's package or folder, or to dabench.
    """
    cls: type = type(plugin)
    return _class_digest(cls)


@functools.lru_cache(maxsize=256)  # called for each run of a sweep
def _class_digest(cls: type) -> str:
    roots = [(c.__module__, _code(c)) for c in cls.__mro__ if issubclass(c, Plugin) and c not in _BASES]
    return digest(sorted(followed(roots).values()))


def _code(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    try:
        # A class in a notebook or script counts by its own source; the rest of that file is not part of it.
        source = inspect.getsource(cls) if cls.__module__ == "__main__" else inspect.getsource(module)  # type: ignore[arg-type]
        source = textwrap.dedent(source)
        ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return f"name = {f'{cls.__module__}.{cls.__qualname__}'!r}"
    return source


def followed(roots: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the meaning of modules, (name, source), and of all modules that they import, directly or indirectly."""
    found: dict[tuple[str, str], str] = {}
    left = list(roots)
    while left:
        name, source = left.pop()
        if (name, source) in found:
            continue
        own, links = _own(source, name), []
        for module, attribute, alias in _imported(source, own, name):
            target, code = _resolved(module, attribute)
            if code is None or f"{target}.".startswith(tuple(f"{n}." for n in NUMBERLESS)):
                continue
            left.append((target, code))
            if not target.startswith("dabench."):  # tells which module is meant if two define the same name
                links.append(f"# {attribute} as {alias} of {digest(_meaning(code, _own(code, target)))}")
        found[name, source] = "\n".join([_meaning(source, own), *sorted(links)])
    return found


def _own(source: str, name: str) -> frozenset[str]:
    """Return the top-level packages that are followed from a module: dabench, its own package, and modules beside its file."""
    tops = {module.partition(".")[0] for level, module, _, _ in _imports(source) if not level}
    return frozenset(top for top in tops if _belongs(top, name))


def _belongs(top: str, importer: str) -> bool:
    if top in ("dabench", importer.partition(".")[0]):
        return True
    file = getattr(sys.modules.get(importer), "__file__", None) or _file(importer)
    folder = Path(file).resolve().parent if file else None
    if folder is None or folder in _INSTALLED:
        return False
    spec, found = _spec(top), _file(top)
    places = spec.submodule_search_locations if spec else None
    return folder in ([Path(place).resolve().parent for place in places] if places else [found.parent] if found else [])


def _spec(module: str) -> ModuleSpec | None:
    """Return the spec of a module, or None if it does not exist. Its parent packages are imported."""
    try:
        return find_spec(module)
    except Exception:  # importing a package can raise any exception
        return None


def _file(module: str) -> Path | None:
    spec = _spec(module)
    return Path(spec.origin).resolve() if spec and spec.origin and spec.origin.endswith(".py") else None


def _source(module: str) -> str | None:
    file = _file(module)
    return file.read_text(encoding="utf-8") if file else None


def _existing(module: str) -> str:
    source = _source(module)
    if source is None:
        raise LookupError(f"code_hash: module {module} does not exist; name the module that replaced it")
    return source


def _is_package(module: str) -> bool:
    spec = _spec(module)
    return spec is not None and spec.submodule_search_locations is not None


def _resolved(module: str, attribute: str) -> tuple[str, str | None]:
    """Return the name and the source of the imported module: `module.attribute` if it exists, else `module`."""
    if module == "dabench":
        module = _exports().get(attribute, f"dabench.{attribute}")
    elif attribute and _is_package(module) and (source := _source(f"{module}.{attribute}")) is not None:
        return f"{module}.{attribute}", source
    return module, _source(module)


@functools.cache
def _exports() -> dict[str, str]:
    """Return the exports of `dabench`: name -> module that defines it."""
    nodes = [n for n in ast.walk(ast.parse(_existing("dabench"))) if isinstance(n, ast.ImportFrom)]
    return {a.asname or a.name: n.module for n in nodes for a in n.names if n.module and n.module.startswith("dabench.")}


def _imported(source: str, own: frozenset[str], name: str) -> Iterator[tuple[str, str, str]]:
    """Yield (module, attribute, alias) for each import of the module `name` from the packages `own`."""
    for level, module, attribute, alias in _imports(source):
        if level:
            package = name.split(".") if _is_package(name) else name.split(".")[:-1]
            yield ".".join([*package[: len(package) - level + 1], *([module] if module else [])]), attribute, alias
        elif module.partition(".")[0] in own:
            yield module, attribute, alias


@functools.lru_cache(maxsize=512)
def _imports(source: str) -> frozenset[tuple[int, str, str, str]]:
    """Return (level, module, attribute, alias) of all imports at run time, and of attributes read from `dabench`."""
    found: set[tuple[int, str, str, str]] = set()
    left: list[ast.AST] = [ast.parse(source)]
    while left:
        node = left.pop()
        left += node.orelse if _for_types(node) else ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom):
            found |= {(node.level, node.module or "", a.name, a.asname or "") for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {(0, a.name, "", a.asname or "") for a in node.names if a.name != "dabench"}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dabench":
            found.add((0, "dabench", node.attr, ""))
    return frozenset(found)


def _for_types(node: ast.AST) -> TypeGuard[ast.If]:
    """Whether a statement is only for type checkers. At run time its `else` branch counts."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


@functools.lru_cache(maxsize=512)
def _meaning(source: str, own: frozenset[str]) -> str:
    """Return the source in a fixed layout, without parts that do not affect results and without imports from `own`."""
    return ast.unparse(_Meaning(own).visit(ast.parse(source)))  # not ast.dump, which differs between versions of Python


class _Taking(ast.NodeTransformer):
    """Remove statements from a tree. An empty body becomes `pass`."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node


class _Meaning(_Taking):
    """Remove the parts of a tree that do not affect results."""

    def __init__(self, own: frozenset[str]) -> None:
        self.own = own
        self.names: dict[str, str] = {}

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        self.generic_visit(node)
        return _Unread(node).visit(node) if any(isinstance(n, ast.Raise) for n in ast.walk(node)) else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        return [self.visit(s) for s in node.orelse] if _for_types(node) else self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if not node.level and (node.module or "").partition(".")[0] not in self.own:
            return None if node.module in ("__future__", "typing", "collections.abc") else node
        if (node.module or "").startswith("dabench"):
            self.names |= {a.asname: f"imported.{a.name}" for a in node.names if a.asname}
        return None

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [a for a in node.names if a.name.partition(".")[0] not in self.own]
        return node if node.names else None

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return self.generic_visit(_Untold().visit(node))

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        owner = ast.unparse(node.func.value).lower() if isinstance(node.func, ast.Attribute) else ""
        if name == "setting":
            node.args = [*node.args[:1], *node.args[2:]]
            node.keywords = [k for k in node.keywords if k.arg not in ("doc", "search", "origin")]
        elif name in _SAYS or (name in _LOGS and "log" in owner):
            node = _Untold().visit(node)
        return self.generic_visit(node)


class _Unread(_Taking):
    """Remove unread variables from a function: they were parts of removed messages."""

    def __init__(self, function: ast.FunctionDef) -> None:
        self.read: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Global | ast.Nonlocal):
                self.read |= {*node.names}
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self.read.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        unread = all(isinstance(target, ast.Name) and target.id not in self.read for target in node.targets)
        return None if unread and not any(isinstance(n, ast.Call) for n in ast.walk(node.value)) else node


class _Untold(ast.NodeTransformer):
    """Replace every text by an empty one."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node
