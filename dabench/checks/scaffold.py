"""A new plugin as a small package of its own, which `pip install` makes known to dabench."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from string import Template

from dabench.errors import PluginError, StoreError
from dabench.plugins.contract import PluginKind

_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


def scaffold(kind: PluginKind, name: str, folder: Path) -> list[Path]:
    """Write the package of a new plugin into `folder`, which must not be there, and return its files.

    Raises:
        PluginError: `name` cannot be a plugin's.
        StoreError: `folder` is there already, or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise PluginError(f"{name!r} cannot be a plugin's name: use lower case letters and digits, with '-' between words")
    module = f"dabench_{re.sub('[.-]', '_', name)}"
    words = {
        "kind": kind,
        "article": f"{'An' if kind == 'adapter' else 'A'} {kind}",
        "name": name,
        "module": module,
        "package": module.replace("_", "-"),
        "cls": "".join(w.capitalize() for w in re.split(r"[._-]", name))
        if not name[0].isdigit()
        else f"{kind.capitalize()}{name}",
        "short_name": re.sub(r"[._-]", "", name).upper(),
        "folder": folder.name,
    }
    words["cls"] = re.sub(r"\W|_", "", words["cls"])
    texts = import_module(f"dabench.checks.templates.{kind}")
    files = {
        "pyproject.toml": _PYPROJECT,
        "README.md": texts.README,
        f"{module}.py": texts.MODULE,
        f"tests/test_{module}.py": texts.TEST,
    }
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(Template(text).substitute(words), encoding="utf-8")
    except FileExistsError as e:
        raise StoreError(f"{folder} is there already, and nothing of it was changed; give another folder with --to") from e
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --to") from e
    return [folder / path for path in files]


_PYPROJECT = """[build-system]
requires = ["setuptools>=77,<82"]
build-backend = "setuptools.build_meta"

[project]
name = "$package"
version = "0.1.0"
description = "$article for dabench"
requires-python = ">=3.11"
dependencies = ["dabench"]

# This is how dabench finds it.
[project.entry-points."dabench.${kind}s"]
"$name" = "$module:$cls"

[tool.setuptools]
py-modules = ["$module"]
"""
