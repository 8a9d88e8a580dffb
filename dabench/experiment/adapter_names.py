"""The names of adapters in a sweep: "dann", or "dann@weight=1,hidden=64" for the same method with other options.

The whole text is the name of a row, of runs and of folders. It holds no characters that a file name or an address cannot.
"""

from __future__ import annotations

import re
from typing import Any

from dabench.experiment.overrides import value_of
from dabench.plugins.options import KeyProblem

_OPTION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([A-Za-z0-9._+-]+)")


def plugin_of(name: str) -> str:
    """Return the name of the plugin: "dann" of "dann@weight=1"."""
    return name.partition("@")[0]


def own_options(name: str) -> dict[str, Any]:
    """Return the options that the name gives: {"weight": 1} of "dann@weight=1", none of "dann".

    Raises:
        KeyProblem: the text after "@" is no list of different options with values.
    """
    plugin, at, text = name.partition("@")
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
