"""Digests: of plain values, of files, and of the code that a result depends on."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dabench.protocols import Adapter, Backbone, Dataset, Plugin

_CORE = (Plugin, Dataset, Backbone, Adapter)


def digest(value: Any) -> str:
    """Return 64 hex digits that identify a JSON-able value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def code_digest(plugin: Plugin) -> str:
    """Return a digest of the code of a plugin: of the modules that define its class and the classes it builds on.

    Of a dataset, the modules of dabench.data and the vocabulary that they import count, too: they make its images.
    Comments, docstrings, layout and where a search looks for a setting do not count, so only a change that can change a
    result makes finished work stale.
    """
    classes = [c for c in type(plugin).__mro__ if issubclass(c, Plugin) and c not in _CORE]
    texts = [_code(c) for c in classes]
    return digest([*texts, *(_used(texts) if isinstance(plugin, Dataset) else [])])


def _used(texts: list[str]) -> list[str]:
    """Return the code of the modules that make images and that `texts` import, directly or through each other, by name."""
    found: dict[str, str] = {}
    left = list(texts)
    while left:
        for name in _imported(left.pop()) - found.keys():
            spec = find_spec(name)
            if spec and spec.origin:
                found[name] = _meaning(Path(spec.origin).read_text(encoding="utf-8"))
                left.append(found[name])
    return [found[name] for name in sorted(found)]


@functools.lru_cache(maxsize=256)
def _imported(text: str) -> frozenset[str]:
    modules = [n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) and n.module]
    return frozenset(m for m in modules if m.startswith("dabench.data.") or m == "dabench.datasets._emotions")


def _code(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    try:
        # A class made in a notebook or a script: its own text, since the rest of that file is not part of it.
        source = inspect.getsource(cls) if cls.__module__ == "__main__" else inspect.getsource(module)  # type: ignore[arg-type]
        return _meaning(source)
    except (OSError, TypeError, SyntaxError):
        return f"{cls.__module__}.{cls.__qualname__}"


@functools.lru_cache(maxsize=256)  # asked for each run of a sweep
def _meaning(source: str) -> str:
    """Return Python source in one layout, without comments, docstrings and the `search` of settings."""
    tree = ast.parse(textwrap.dedent(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "setting" in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")):
            node.keywords = [k for k in node.keywords if k.arg != "search"]
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)  # ast.dump differs between versions of Python


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
