"""The settings that a search tries, one after another.

Random and grid: a trial's settings depend on its number alone, not on what came of the others, and the common ones are the
same for every adapter, which then share the pretrainings of a trial. Optuna's depend on the scores of the task's own trials.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dabench.experiment.config import SearchConfig
from dabench.experiment.search_space import SearchRange, read_range
from dabench.storage.schema import Settings

_STARTUP = 4
"""Trials of Optuna that are random."""


class Sampler(Protocol):
    """What the trials of one task are to be."""

    def ask(self, number: int) -> Settings:
        """Return the settings of a trial; numbers are asked for in their order, each once."""

    def tell(self, number: int, score: float | None) -> None:
        """Say what came of a trial: its score, higher is better; None where it failed."""


def sampler_of(search: SearchConfig, adapter: str) -> Sampler:
    """Return the proposals for one task of an adapter."""
    kinds: dict[str, Callable[[SearchConfig, Mapping[str, SearchRange]], Sampler]] = {
        "random": _RandomSampler,
        "grid": _GridSampler,
        "optuna": _OptunaSampler,
    }
    return kinds[search.method](search, ranges(search, adapter))


def random_sampler(search: SearchConfig, adapter: str) -> Sampler:
    """Return random proposals, whatever the method of the search: what a plan counts with that is not yet known."""
    return _RandomSampler(search, ranges(search, adapter))


def ranges(search: SearchConfig, adapter: str) -> dict[str, SearchRange]:
    """Return what is searched for an adapter, the common settings first."""
    tables = ("train.", f"{adapter}.")
    return {key: read_range(value, key) for key, value in search.space.items() if key.startswith(tables)}


def is_sequential(search: SearchConfig) -> bool:
    """Whether a trial needs the scores of those before it, so that the trials of a task run one after another."""
    return search.method == "optuna" or search.early_stopping


def grid_size(search: SearchConfig, adapter: str) -> int:
    """Return how many points an adapter's grid has."""
    return math.prod(len(r.grid()) for r in ranges(search, adapter).values())


class _RandomSampler:
    def __init__(self, search: SearchConfig, space: Mapping[str, SearchRange]) -> None:
        self.seed, self.space = search.seed, space

    def ask(self, number: int) -> Settings:
        return tuple((key, of.at(self._part(number, key))) for key, of in self.space.items())

    def _part(self, number: int, key: str) -> float:
        """Return a number from 0 to below 1 that belongs to the key, whatever else is searched."""
        drawn = hashlib.sha256(f"{self.seed}/{number}/{key}".encode()).digest()
        return int.from_bytes(drawn[:6], "big") / 2**48

    def tell(self, number: int, score: float | None) -> None:
        """Its draws do not depend on scores."""


class _GridSampler:
    def __init__(self, search: SearchConfig, space: Mapping[str, SearchRange]) -> None:
        self.space = space

    def ask(self, number: int) -> Settings:
        """Return a point; the first keys, the common ones, change fastest. A small grid begins anew until all trials are made."""
        found = []
        for key, of in self.space.items():
            number, at = divmod(number, len(of.grid()))
            found.append((key, of.grid()[at]))
        return tuple(found)

    def tell(self, number: int, score: float | None) -> None:
        """Its points do not depend on scores."""


class _OptunaSampler:
    """Tree-structured Parzen estimators (Bergstra et al. 2011) of Optuna; the first trials are random."""

    def __init__(self, search: SearchConfig, space: Mapping[str, SearchRange]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=_STARTUP)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.space = space
        self.asked: list[Any] = []

    def ask(self, number: int) -> Settings:
        trial = self.study.ask()
        self.asked.append(trial)
        return tuple((key, _suggested(trial, key, of)) for key, of in self.space.items())

    def tell(self, number: int, score: float | None) -> None:
        from optuna.trial import TrialState

        if score is None:
            self.study.tell(self.asked[number], state=TrialState.FAIL)
        else:
            self.study.tell(self.asked[number], score)


def _suggested(trial: Any, key: str, of: SearchRange) -> Any:
    if of.kind == "choice":  # its place, since Optuna keeps no lists
        return of.values[trial.suggest_categorical(key, range(len(of.values)))]
    if of.kind == "int":
        return trial.suggest_int(key, int(of.low), int(of.high))
    value = trial.suggest_float(key, of.low, of.high, log=of.kind == "loguniform")
    return float(f"{value:.4g}")
