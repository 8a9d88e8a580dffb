"""The checkpoints of runs, and what each selection rule chooses among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.errors import StoreError
from dabench.training.selection import LAST, ORACLE, RULES, VALIDATORS


@dataclass(frozen=True)
class RunCheckpoints:
    """The checkpoints of one run, as one of its targets sees them.

    Attributes:
        name: of the run, for messages.
        scores: rule -> (C,) the score of each checkpoint; empty if the run stored none.
        accuracy: (C,) on the target's test split.
    """

    name: str
    scores: Mapping[str, Sequence[float]]
    accuracy: NDArray[np.float64]

    def choose(self, rule: str) -> int:
        """Return the checkpoint that a rule chooses, the latest of equally good ones.

        Raises:
            StoreError: the run stored no such score.
        """
        if rule == LAST:
            return len(self.accuracy) - 1
        values = self.accuracy if rule == ORACLE else np.asarray(self.score(rule))
        return int(np.flatnonzero(values == values.max())[-1])

    def score(self, rule: str) -> NDArray[np.float64]:
        """Return the score of each checkpoint, (C,); raise StoreError if the run stored none."""
        if rule not in self.scores:
            raise StoreError(f"run {self.name} stored no score '{rule}'; run the sweep again with --redo, or select 'last'")
        return np.asarray(self.scores[rule], dtype=np.float64)


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule would have chosen for an adapter, over all pairs of datasets and seeds.

    Attributes:
        accuracy: mean accuracy on the target's test split, in %.
        below_oracle: what is lost by choosing so, in points.
        within: mean over runs of Spearman's correlation of score and accuracy over the checkpoints of a run; None where it
            is not defined (last, oracle, or constant scores).
        across: the same over all checkpoints of all seeds of a pair, mean over pairs.
        runs: how many runs were looked at.
    """

    adapter: str
    rule: str
    accuracy: float
    below_oracle: float
    within: float | None
    across: float | None
    runs: int


def what_rules_choose(adapter: str, pairs: Sequence[Sequence[RunCheckpoints]]) -> list[RuleOutcome]:
    """Return what each rule chooses for an adapter.

    Args:
        pairs: for each (sources, target), the runs of its seeds.
    """
    runs = [run for pair in pairs for run in pair]
    if not runs or any(not run.scores for run in runs):
        return []
    best = np.mean([run.accuracy.max() for run in runs])
    within = _over([_correlations([run]) for run in runs])
    across = _over([_correlations(pair) for pair in pairs if pair])
    found = []
    for rule in RULES:
        mean = np.mean([run.accuracy[run.choose(rule)] for run in runs])
        going = within.get(rule), across.get(rule)
        found.append(RuleOutcome(adapter, rule, _rounded(100 * mean), _rounded(100 * (best - mean)), *going, len(runs)))
    return found


def _correlations(runs: Sequence[RunCheckpoints]) -> list[float | None]:
    """Return the correlation of each validator with accuracy over all checkpoints of these runs."""
    scores = np.stack([np.concatenate([run.score(rule) for run in runs]) for rule in VALIDATORS])
    return correlations(scores, np.concatenate([run.accuracy for run in runs]))


def _over(rows: Sequence[Sequence[float | None]]) -> dict[str, float | None]:
    """Return the mean of each validator's correlations."""
    return {rule: _mean(values) for rule, values in zip(VALIDATORS, zip(*rows, strict=True), strict=True)}


def correlations(scores: NDArray[np.float64], accuracy: NDArray[np.float64]) -> list[float | None]:
    """Return Spearman's rank correlation of each row of `scores` (R, C) with `accuracy` (C,), equal values sharing their mean
    rank; None where either is constant.
    """  # fmt: skip
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([scores, accuracy[None]]), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(1))
    products = ranks[:-1] @ ranks[-1]
    return [float(p / (s * spread[-1])) if s and spread[-1] else None for p, s in zip(products, spread, strict=False)]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return _rounded(float(np.mean(known))) if known else None


def _rounded(value: Any) -> float:
    return round(float(value), 4) + 0.0
