"""Apply the selection rules to the checkpoints of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.intervals import percent
from dabench.errors import StoreError
from dabench.training.selection import DEV, DEV_ESS, LAST, ORACLE, RULES, VALIDATORS


@dataclass(frozen=True)
class RunCheckpoints:
    """The checkpoints of one run, scored for one of its targets.

    Attributes:
        name: name of the run, for messages.
        scores: rule -> (C,) score of each checkpoint, None where the rule has no value; empty if the run stored none.
        accuracy: (C,) accuracy on the test split of the target.
    """

    name: str
    scores: Mapping[str, Sequence[float | None]]
    accuracy: NDArray[np.float64]

    def choose(self, rule: str) -> int:
        """Return the index of the checkpoint that a rule chooses; ties go to the latest checkpoint.

        Checkpoints for which the rule has no value are left out. If it has a value for none, the last one is taken.

        Raises:
            StoreError: the run stored no score of this rule.
        """
        if rule == LAST or not self.has_value(rule):
            return len(self.accuracy) - 1
        values = self.accuracy if rule == ORACLE else self.score(rule)
        return int(np.flatnonzero(values == np.nanmax(values))[-1])

    def has_value(self, rule: str) -> bool:
        """Whether a rule has a value for some checkpoint; raise StoreError if the run stored no score of it."""
        return rule in (LAST, ORACLE) or not bool(np.isnan(self.score(rule)).all())

    def score(self, rule: str) -> NDArray[np.float64]:
        """Return the score of each checkpoint, (C,), NaN where there is no value; raise StoreError if the run stored none."""
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
        unscored: number of runs for which the rule has no value at any checkpoint, so that their last one counts.
        sample_size: of "dev": median effective sample size of its weights over all checkpoints; None: not stored.
    """

    adapter: str
    rule: str
    accuracy: float
    below_oracle: float
    within: float | None
    across: float | None
    runs: int
    unscored: int = 0
    sample_size: float | None = None


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
    unscored = {rule: sum(not run.has_value(rule) for run in runs) for rule in RULES}
    sizes = [size for run in runs for size in run.scores.get(DEV_ESS, ()) if size is not None]
    weighted = {DEV: round(float(np.median(sizes)), 1)} if sizes else {}
    return [
        RuleOutcome(
            adapter,
            rule,
            accuracy=percent(mean),
            below_oracle=percent(best - mean),
            within=within.get(rule),
            across=across.get(rule),
            runs=len(runs),
            unscored=unscored[rule],
            sample_size=weighted.get(rule),
        )
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

    Equal values share their mean rank. Checkpoints where a score is NaN are left out of its correlation.
    """
    return [_correlation(row[known], accuracy[known]) for row, known in ((row, ~np.isnan(row)) for row in scores)]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (one, other)]
    spread = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / spread if spread else None
