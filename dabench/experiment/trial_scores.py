"""What came of a trial, by the rule of the search, and which trial of a task is chosen."""

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
    """A finished trial.

    Attributes:
        scores: of its checkpoints by the rule, the higher the better.
        score: of the last of them, where the trial ended.
        steps: optimiser steps done, of the run that is tested.
        stopped: whether it was ended early.
    """

    scores: tuple[float, ...]
    score: float
    steps: int
    stopped: bool


def scored(record: StoredRun, target: str, rule: str, labels: LabelArray | None = None) -> ScoredTrial:
    """Return what a rule makes of a finished trial.

    Args:
        labels: of the target's validation split, (N,), for the oracle alone.

    Raises:
        StoreError: the run stored no such score.
    """
    run = record.facts
    scores = _by_labels(record, target, labels) if rule == ORACLE else run.scores.get(target, {}).get(rule)
    if not scores:
        raise StoreError(f"run {run.name} stored no score '{rule}' for '{target}'; run the sweep again with --redo")
    return ScoredTrial(scores, scores[-1], run.steps, run.stopped)


def _by_labels(record: StoredRun, target: str, labels: LabelArray | None) -> tuple[float, ...]:
    """Return the accuracy of each checkpoint on the target's validation split."""
    assert labels is not None
    predicted = record.logits(validation_of(target)).argmax(2)
    return tuple(round(float(np.mean(row == labels)), 6) for row in predicted)


def best_of(trials: Mapping[int, ScoredTrial | None]) -> int | None:
    """Return the number of the trial with the highest score, the first of equally good ones; None where none was scored.

    One that was ended early is none of them: its score is not of where a run with its setting ends.
    """
    found = {number: of.score for number, of in trials.items() if of is not None and not of.stopped}
    return min((n for n, score in found.items() if score == max(found.values())), default=None)


def rungs(checkpoints: int) -> list[int]:
    """Return the numbers of the checkpoints, from 0, at which a trial may be ended: the 1st, 2nd, 4th, 8th, but for the last."""
    return [2**k - 1 for k in range(checkpoints.bit_length()) if 2**k < checkpoints]


def bar(earlier: Sequence[Sequence[float]], checkpoints: int) -> tuple[tuple[int, float], ...]:
    """Return what a trial must reach not to be ended: (checkpoint, score) for each rung that an earlier trial came to.

    Successive halving in the form that stops (after ASHA, Li et al. 2020): at each rung the better half goes on, so the bar is
    the median of the trials that came to it. Only trials of lower numbers count, so that it does not matter what ends first.
    """
    there = {rung: [scores[rung] for scores in earlier if len(scores) > rung] for rung in rungs(checkpoints)}
    return tuple((rung, round(float(np.median(scores)), 6)) for rung, scores in there.items() if scores)
