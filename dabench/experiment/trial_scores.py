"""Score trials by the selection rule of a search, and find the best trials of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.errors import StoreError
from dabench.experiment.plan import validation_of
from dabench.storage.reader import StoredRun
from dabench.training.selection import ORACLE

LabelArray = NDArray[np.int64]


@dataclass(frozen=True)
class ScoredTrial:
    """A complete trial.

    Attributes:
        scores: the scores of its checkpoints by the rule; higher is better, None: the rule has no value.
        score: the score of the last checkpoint.
        steps: the optimiser steps of the tested run.
        stopped: whether it was stopped early.
    """

    scores: tuple[float | None, ...]
    score: float | None
    steps: int
    stopped: bool


def scored(record: StoredRun, target: str, rule: str, labels: LabelArray | None = None) -> ScoredTrial:
    """Return the scores of a complete trial by a rule.

    Args:
        labels: labels of the target's validation split, (N,), only for the oracle.

    Raises:
        StoreError: the run did not store this score.
    """
    run = record.facts
    scores = _by_labels(record, target, labels) if rule == ORACLE else run.scores.get(target, {}).get(rule)
    if not scores:
        raise StoreError(f"run {run.name} has no score '{rule}' for '{target}'; run the sweep again with --redo")
    return ScoredTrial(scores, scores[-1], run.steps, run.stopped)


def _by_labels(record: StoredRun, target: str, labels: LabelArray | None) -> tuple[float, ...]:
    """Return the accuracy of each checkpoint on the target's validation split."""
    assert labels is not None
    predicted = record.logits(validation_of(target)).argmax(2)
    return tuple(round(float(np.mean(row == labels)), 6) for row in predicted)


def best_trials(trials: Mapping[int, ScoredTrial | None]) -> list[int]:
    """Return the numbers of the trials with the highest score, in order.

    Trials that were stopped early are left out, because their score is not that of a full run.
    """
    found = {number: of.score for number, of in trials.items() if of and not of.stopped and of.score is not None}
    return sorted(n for n, score in found.items() if score == max(found.values()))


def rungs(checkpoints: int) -> list[int]:
    """Return the checkpoints, from 0, at which a trial may be stopped: the 1st, 2nd, 4th, 8th, ..., except the last."""
    return [2**k - 1 for k in range(checkpoints.bit_length()) if 2**k < checkpoints]


def bar(earlier: Sequence[Sequence[float | None]], checkpoints: int) -> tuple[tuple[int, float], ...]:
    """Return the scores that a trial must reach to continue: (checkpoint, score) for each rung that an earlier trial reached.

    This is successive halving by early stopping (after ASHA, Li et al. 2020): at each rung the better half continues, so the
    bar is the median score of the earlier trials there. Only trials with lower numbers count, so results do not depend on which
    trial ends first.
    """
    there = {
        rung: [score for scores in earlier if len(scores) > rung and (score := scores[rung]) is not None]
        for rung in rungs(checkpoints)
    }
    return tuple((rung, round(float(np.median(scores)), 6)) for rung, scores in there.items() if scores)
