"""The names of adapters in a sweep: "dann", "dann@weight=1,hidden=64" for the same method with other options, and
"dann+em-prior" for the method with a correction of its predictions.

The whole text is the name of a row, of runs and of folders. It holds no characters that a file name or an address cannot.
"""

from __future__ import annotations

import re
from typing import Any

from dabench.experiment.overrides import value_of
from dabench.plugins.options import KeyProblem

_PLUS = re.compile(r"\s*\+\s*(?=[A-Za-z])")  # "1e+3" is the value of an option

_OPTION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([A-Za-z0-9._+-]+)")


def without_spaces(name: str) -> str:
    """Return the name as runs and folders have it: "dann+em-prior" of "dann + em-prior"."""
    return _PLUS.sub("+", name.strip())


def parts_of(name: str) -> list[str]:
    """Return the method and its corrections: ["dann@weight=1", "em-prior"] of "dann@weight=1+em-prior"."""
    return _PLUS.split(name)


def plugin_of(name: str) -> str:
    """Return the name of the method's plugin: "dann" of "dann@weight=1+em-prior"."""
    return _PLUS.split(name)[0].partition("@")[0]


def plugins_of(name: str) -> list[str]:
    """Return the names of the plugins of the method and of its corrections."""
    return [part.partition("@")[0] for part in parts_of(name)]


def own_options(name: str) -> dict[str, Any]:
    """Return the options that the name gives its method: {"weight": 1} of "dann@weight=1+em-prior", none of "dann".

    Raises:
        KeyProblem: the text after "@" is no list of different options with values.
    """
    plugin, at, text = parts_of(name)[0].partition("@")
    found: dict[str, Any] = {}
    for part in text.split(",") if at else ():
        match = _OPTION.fullmatch(part)
        if not match or match[1] in found:
            raise KeyProblem(
                "adapters",
                f"adapters: '{name}': '{part}' must be OPTION=VALUE, each option once, the value a number, true, false or a "
                f"word; for example '{plugin}@OPTION=1,OTHER=0.5' (see: dabench show adapter {plugin})",
            )
        found[match[1]] = value_of(match[2])
    return found
