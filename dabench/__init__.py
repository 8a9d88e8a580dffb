"""Domain-adaptation benchmark: the train x test cross matrix of your datasets, and the gain of each adapter.

Each command is a function of the same name: `dabench.sweep("quick")`, `dabench.report("runs/quick")`. The names that a plugin
needs are here, too; docs/writing-plugins.md and `dabench.plugins.contract` describe them. Importing dabench loads neither torch
nor ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dabench.errors import DataError, PluginError
from dabench.plugins.contract import (
    FACES,
    Access,
    Adapter,
    Augment,
    Backbone,
    Batch,
    ClassPredictions,
    Correction,
    Dataset,
    Images,
    Network,
    RemoteFile,
    Samples,
    Splits,
    Target,
    Trainer,
    View,
)
from dabench.plugins.options import setting

if TYPE_CHECKING:
    from dabench.analysis.baselines import read_baseline as baseline
    from dabench.api import (
        audit,
        check,
        cite,
        compare,
        drop,
        export,
        export_network,
        figures,
        human,
        human_export,
        human_page,
        human_serve,
        human_status,
        leaderboard,
        load,
        network,
        new,
        new_sweep,
        predict,
        predictions_template,
        prepare,
        register,
        report,
        score,
        show,
        status,
        sweep,
    )
    from dabench.data.lazy import LazyImages
    from dabench.data.python_sets import dataset_from

    __version__: str

_API = (
    "audit check cite compare drop export export_network figures human leaderboard load network new new_sweep predict "
    "predictions_template prepare register report score show status sweep"
)
_API += " human_export human_page human_serve human_status"
_WORDS = {name: ("dabench.api", name) for name in _API.split()}
_WORDS |= {"list": ("dabench.api", "listing"), "baseline": ("dabench.analysis.baselines", "read_baseline")}
_WORDS["LazyImages"] = ("dabench.data.lazy", "LazyImages")
_WORDS["dataset_from"] = ("dabench.data.python_sets", "dataset_from")

__all__ = [
    "FACES",
    "Access",
    "Adapter",
    "Augment",
    "Backbone",
    "Batch",
    "ClassPredictions",
    "Correction",
    "DataError",
    "Dataset",
    "Images",
    "LazyImages",
    "Network",
    "PluginError",
    "RemoteFile",
    "Samples",
    "Splits",
    "Target",
    "Trainer",
    "View",
    "__version__",
    "audit",
    "baseline",
    "check",
    "cite",
    "compare",
    "dataset_from",
    "drop",
    "export",
    "export_network",
    "figures",
    "human",
    "human_export",
    "human_page",
    "human_serve",
    "human_status",
    "leaderboard",
    "load",
    "network",
    "new",
    "new_sweep",
    "predict",
    "predictions_template",
    "prepare",
    "register",
    "report",
    "score",
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


def __dir__() -> list[str]:
    return sorted({*__all__, *_WORDS, *(name for name in globals() if name.startswith("__"))})
