"""Domain-adaptation benchmark: the train x test cross matrix of your datasets, and what each adapter wins back.

What the commands do are functions with the same words: `dabench.sweep("quick")`, `dabench.report("runs/quick")`. Importing
dabench loads neither torch nor ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dabench.protocols import FACES, Access, Adapter, Augment, Backbone, Dataset, RemoteFile, Samples
from dabench.typed import setting

if TYPE_CHECKING:
    from dabench.api import (
        audit,
        check,
        cite,
        compare,
        drop,
        export,
        human,
        load,
        new,
        prepare,
        register,
        report,
        show,
        status,
        sweep,
    )
    from dabench.committed import read_baseline as baseline
    from dabench.data.lazy import LazyImages

    __version__: str

_API = "audit check cite compare drop export human load new prepare register report show status sweep"
_WORDS = {name: ("dabench.api", name) for name in _API.split()}
_WORDS |= {"list": ("dabench.api", "listing"), "baseline": ("dabench.committed", "read_baseline")}
_WORDS["LazyImages"] = ("dabench.data.lazy", "LazyImages")

__all__ = [
    "FACES",
    "Access",
    "Adapter",
    "Augment",
    "Backbone",
    "Dataset",
    "LazyImages",
    "RemoteFile",
    "Samples",
    "__version__",
    "audit",
    "baseline",
    "check",
    "cite",
    "compare",
    "drop",
    "export",
    "human",
    "load",
    "new",
    "prepare",
    "register",
    "report",
    "setting",
    "show",
    "status",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # pyproject.toml says it
        from importlib.metadata import version

        return version("dabench")
    if name not in _WORDS:
        raise AttributeError(f"module 'dabench' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _WORDS[name]
    return getattr(import_module(module), attribute)
