"""Apply the selection rules to the checkpoints of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.intervals import percent
from dabench.errors import StoreError
from dabench.training.selection import LAST, ORACLE, RULES, VALIDATORS


@dataclass(frozen=True)
class RunCheckpoints:
    """The checkpoints of one run, scored for one of its targets.

    Attributes:
        name: name of the run, for messages.
        scores: rule -> (C,) score of each checkpoint; empty if the run stored none.
        accuracy: (C,) accuracy on the test split of the target.
    """

    name: str
    scores: Mapping[str, Sequence[float]]
    accuracy: NDArray[np.float64]

    def choose(self, rule: str) -> int:
        """Return the index of the checkpoint that a rule chooses; ties go to the latest checkpoint.

        Raises:
            StoreError: the run stored no score of this rule.
        """
        if rule == LAST:
            return len(self.accuracy) - 1
        values = self.accuracy if rule == ORACLE else np.asarray(self.score(rule))
        return int(np.flatnonzero(values == values.max())[-1])

    def score(self, rule: str) -> NDArray[np.float64]:
        """Return the score of each checkpoint, (C,); raise StoreError if the run stored none."""
        if rule not in self.scores:
            raise StoreError(f"run {self.name}: has no score '{rule}'; run the sweep again with --redo, or use the rule 'last'")
        return np.asarray(self.scores[rule], dtype=np.float64)


@dataclass(frozen=True)
class RuleOutcome:
    """Results of a selection rule for an adapter, over all pairs of datasets and seeds.

    Attributes:
        accuracy: mean accuracy on the test split of the target, in %.
        below_oracle: accuracy of the oracle minus `accuracy`, in points.
        within: Spearman correlation of score and accuracy over the checkpoints of a run, mean over runs; None if undefined
            (last, oracle, or constant scores).
        across: the same over all checkpoints of all seeds of a pair, mean over pairs.
        runs: number of runs.
    """

    adapter: str
    rule: str
    accuracy: float
    below_oracle: float
    within: float | None
    across: float | None
    runs: int


def what_rules_choose(adapter: str, pairs: Sequence[Sequence[RunCheckpoints]]) -> list[RuleOutcome]:
    """Return the results of each rule for an adapter.

    Args:
        pairs: for each (sources, target), the runs of its seeds.
    """
    runs = [run for pair in pairs for run in pair]
    if not runs or any(not run.scores for run in runs):
        return []
    best = float(np.mean([run.accuracy.max() for run in runs]))
    within, across = _mean_correlations([[run] for run in runs]), _mean_correlations([pair for pair in pairs if pair])
    chosen = {rule: float(np.mean([run.accuracy[run.choose(rule)] for run in runs])) for rule in RULES}
    return [
        RuleOutcome(adapter, rule, percent(mean), percent(best - mean), within.get(rule), across.get(rule), len(runs))
        for rule, mean in chosen.items()
    ]


def _mean_correlations(groups: Sequence[Sequence[RunCheckpoints]]) -> dict[str, float | None]:
    """Return for each validator its correlation with accuracy over the checkpoints of a group of runs, mean over groups."""
    rows = []
    for runs in groups:
        scores = np.stack([np.concatenate([run.score(rule) for run in runs]) for rule in VALIDATORS])
        rows.append(correlations(scores, np.concatenate([run.accuracy for run in runs])))
    known = ([v for v in values if v is not None] for values in zip(*rows, strict=True))
    return {rule: round(float(np.mean(v)), 4) + 0.0 if v else None for rule, v in zip(VALIDATORS, known, strict=True)}


def correlations(scores: NDArray[np.float64], accuracy: NDArray[np.float64]) -> list[float | None]:
    """Return the Spearman rank correlation of each row of `scores` (R, C) with `accuracy` (C,); None if either is constant.

    Equal values share their mean rank.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([scores, accuracy[None]]), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(1))
    products = ranks[:-1] @ ranks[-1]
    return [float(p / (s * spread[-1])) if s and spread[-1] else None for p, s in zip(products, spread, strict=False)]
