"""Write the package of a new plugin. dabench finds the plugin once the package is installed with pip."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from string import Template

from dabench.checks.templates import TEST
from dabench.errors import PluginError, StoreError
from dabench.plugins.contract import PluginKind

_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


def scaffold(kind: PluginKind, name: str, folder: Path) -> list[Path]:
    """Write the package of a new plugin into the new folder `folder` and return its files.

    Raises:
        PluginError: `name` is not a valid plugin name.
        StoreError: `folder` exists, or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise PluginError(f"{name!r} is not a valid plugin name: use lower case letters and digits, with '-' between words")
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
        f"tests/test_{module}.py": TEST,
    }
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(Template(text).substitute(words), encoding="utf-8")
    except FileExistsError as e:
        raise StoreError(f"{folder} exists already; nothing was changed; give another folder with --to") from e
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

# dabench finds the plugin by this entry point.
[project.entry-points."dabench.${kind}s"]
"$name" = "$module:$cls"

[tool.setuptools]
py-modules = ["$module"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""
