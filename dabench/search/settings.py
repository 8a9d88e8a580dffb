"""The keys of [search] in a sweep file, with their defaults and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dabench.plugins.options import setting


@dataclass(frozen=True)
class Search:
    """[search]: how the settings of each task, an adapter from its sources to a target, are searched."""

    trials: int = setting(0, "settings to try for each task, the same number for every adapter; 0: no search", low=0)
    select: str = setting("source-accuracy", "the rule that chooses among trials; 'oracle' looks at labels of the target")
    method: Literal["random", "optuna", "grid"] = setting("random", "how settings are proposed")
    early_stopping: bool = setting(False, "end trials that are behind the others half of the time, by `select`")
    seed: int = setting(1000, "of the proposals, and of the trials' trainings; none of the sweep's seeds", low=0)
    space: Mapping[str, Any] = setting(
        {}, '"train.lr" = { loguniform = [1e-3, 1e-1] }, uniform, int, or a list of values; ADAPTER.OPTION of one adapter'
    )
