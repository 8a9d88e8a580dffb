"""The checkpoints of runs, and what each selection rule chooses among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.errors import StoreError
from dabench.selection import ORACLE, RULES, VALIDATORS


@dataclass(frozen=True)
class Checkpoints:
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
        if rule == "last":
            return len(self.accuracy) - 1
        values = self.accuracy if rule == ORACLE else np.asarray(self.score(rule))
        return int(np.flatnonzero(values == values.max())[-1])

    def score(self, rule: str) -> NDArray[np.float64]:
        """Return the score of each checkpoint, (C,); raise StoreError if the run stored none."""
        if rule not in self.scores:
            raise StoreError(f"run {self.name} stored no score '{rule}'; run the sweep again with --redo, or select 'last'")
        return np.asarray(self.scores[rule], dtype=np.float64)


@dataclass(frozen=True)
class Chosen:
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


def what_rules_choose(adapter: str, pairs: Sequence[Sequence[Checkpoints]]) -> list[Chosen]:
    """Return what each rule chooses for an adapter.

    Args:
        pairs: for each (sources, target), the runs of its seeds.
    """
    runs = [run for pair in pairs for run in pair]
    if not runs or any(not run.scores for run in runs):
        return []
    best = np.mean([run.accuracy.max() for run in runs])
    found = []
    for rule in RULES:
        mean = np.mean([run.accuracy[run.choose(rule)] for run in runs])
        scored = rule in VALIDATORS
        within = _mean(correlation(run.score(rule), run.accuracy) for run in runs) if scored else None
        pooled = [
            (np.concatenate([r.score(rule) for r in p]), np.concatenate([r.accuracy for r in p])) for p in pairs if scored and p
        ]
        across = _mean(correlation(*values) for values in pooled)
        found.append(Chosen(adapter, rule, _rounded(100 * mean), _rounded(100 * (best - mean)), within, across, len(runs)))
    return found


def correlation(scores: NDArray[np.float64], accuracy: NDArray[np.float64]) -> float | None:
    """Return Spearman's rank correlation, equal values sharing their mean rank; None where either is constant."""
    from scipy.stats import rankdata

    if len(scores) < 2 or np.ptp(scores) == 0 or np.ptp(accuracy) == 0:
        return None
    return float(np.corrcoef(rankdata(scores), rankdata(accuracy))[0, 1])


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return _rounded(float(np.mean(known))) if known else None


def _rounded(value: Any) -> float:
    return round(float(value), 4) + 0.0
