"""Samplers: propose the settings of the trials of a search.

With the methods random and grid, the settings of a trial depend only on its number, not on the scores of other trials. The
common settings are the same for every adapter, so adapters share the pretrainings of a trial. With Optuna, they depend on the
scores of earlier trials of the same task.
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
"""The number of random trials before Optuna uses scores."""


class Sampler(Protocol):
    """Proposes the settings of the trials of one task."""

    def ask(self, number: int) -> Settings:
        """Return the settings of a trial. Called once per number, in increasing order."""

    def tell(self, number: int, score: float | None) -> None:
        """Report the score of a trial, higher is better; None if it failed."""


def sampler_of(search: SearchConfig, adapter: str) -> Sampler:
    """Return the sampler for one task of an adapter."""
    kinds: dict[str, Callable[[SearchConfig, Mapping[str, SearchRange]], Sampler]] = {
        "random": _RandomSampler,
        "grid": _GridSampler,
        "optuna": _OptunaSampler,
    }
    return kinds[search.method](search, ranges(search, adapter))


def random_sampler(search: SearchConfig, adapter: str) -> Sampler:
    """Return a random sampler for any search method, with which a plan estimates trials that are not yet known."""
    return _RandomSampler(search, ranges(search, adapter))


def ranges(search: SearchConfig, adapter: str) -> dict[str, SearchRange]:
    """Return the ranges that are searched for an adapter, common settings first."""
    tables = ("train.", f"{adapter}.")
    return {key: read_range(value, key) for key, value in search.space.items() if key.startswith(tables)}


def is_sequential(search: SearchConfig) -> bool:
    """Whether a trial needs the scores of earlier trials, so that the trials of a task run one after another."""
    return search.method == "optuna" or search.early_stopping


def grid_size(search: SearchConfig, adapter: str) -> int:
    """Return the number of points of an adapter's grid."""
    return math.prod(len(r.grid()) for r in ranges(search, adapter).values())


class _RandomSampler:
    def __init__(self, search: SearchConfig, space: Mapping[str, SearchRange]) -> None:
        self.seed, self.space = search.seed, space

    def ask(self, number: int) -> Settings:
        return tuple((key, of.at(self._part(number, key))) for key, of in self.space.items())

    def _part(self, number: int, key: str) -> float:
        """Return a number in [0, 1) that depends only on the seed, the trial and the key."""
        drawn = hashlib.sha256(f"{self.seed}/{number}/{key}".encode()).digest()
        return int.from_bytes(drawn[:6], "big") / 2**48

    def tell(self, number: int, score: float | None) -> None:
        """Ignore the score: random settings do not depend on scores."""


class _GridSampler:
    def __init__(self, search: SearchConfig, space: Mapping[str, SearchRange]) -> None:
        self.space = space

    def ask(self, number: int) -> Settings:
        """Return a grid point. The first (common) keys change fastest. A grid smaller than the trials is repeated."""
        found = []
        for key, of in self.space.items():
            number, at = divmod(number, len(of.grid()))
            found.append((key, of.grid()[at]))
        return tuple(found)

    def tell(self, number: int, score: float | None) -> None:
        """Ignore the score: grid points do not depend on scores."""


class _OptunaSampler:
    """Optuna's tree-structured Parzen estimators (Bergstra et al. 2011); the first trials are random."""

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
    if of.kind == "choice":  # its index, because Optuna does not accept lists as values
        return of.values[trial.suggest_categorical(key, range(len(of.values)))]
    if of.kind == "int":
        return trial.suggest_int(key, int(of.low), int(of.high))
    value = trial.suggest_float(key, of.low, of.high, log=of.kind == "loguniform")
    return float(f"{value:.4g}")
