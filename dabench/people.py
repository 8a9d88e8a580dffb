"""The human row: how well people do on test images, with an interval over raters and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.answers import Answers, read_answers
from dabench.digests import file_digest
from dabench.errors import SpecError, nearest
from dabench.matrix import Cell, Matrix, key_of
from dabench.metrics import Metric, confusions, find_metric
from dabench.statistics import RESAMPLES, interval, percent, point
from dabench.stored import TestSet

HUMAN = "human"
_AT_ONCE = 2**22


@dataclass(frozen=True)
class People:
    """What the human number of one dataset is of.

    Attributes:
        images: how many were shown and answered, of `of` in the test split.
        digest: SHA-256 of the file of answers.
        networks: name of a cell of networks that were not adapted -> its number in % on the answered images alone.
    """

    raters: int
    images: int
    of: int
    answers: int
    unanswered: int
    digest: str
    networks: Mapping[str, float]


def with_people(matrix: Matrix, files: Mapping[str, Path]) -> Matrix:
    """Return the matrix with a cell "human" for each dataset of which there is a file of answers.

    Args:
        files: dataset -> a CSV as dabench.answers describes it; "" stands for the only dataset that there is.

    Raises:
        SpecError: a dataset is not in the sweep, or none is named where there are several.
        DataError: a file cannot be read, or a line of it is wrong.
    """
    measure = find_metric(matrix.metric, matrix.classes)
    cells, confusion, people = list(matrix.cells), dict(matrix.confusion), dict(matrix.people)
    for given, path in files.items():
        name = _dataset(given, path, tuple(matrix.datasets))
        truth, facts = matrix.predictions.tests[name], matrix.datasets[name]
        answers = read_answers(path, name, facts["digest"], len(truth.labels), matrix.classes)
        mean, low, high = measured(answers, truth, measure, len(matrix.classes))
        cells.append(
            Cell(
                f"Human-None-{facts['label']}", HUMAN, HUMAN, [], None, name, HUMAN, HUMAN, matrix.metric,
                percent(mean), percent(low), percent(high), answers.raters, len(answers.images),
            )
        )  # fmt: skip
        confusion[key_of(HUMAN, [], None, name)] = _confusion(answers, truth, len(matrix.classes))
        people[name] = People(
            answers.raters,
            len(answers.images),
            len(truth.labels),
            len(answers.answer),
            answers.unanswered,
            file_digest(path),
            _networks(matrix, name, answers.images, measure),
        )
    return replace(matrix, cells=cells, confusion=confusion, people=people)


def _dataset(given: str, path: Path, known: tuple[str, ...]) -> str:
    if not given and len(known) == 1:
        return known[0]
    if given not in known:
        example = f"write --human {known[0]}={path}"
        what = f"'{given}' is not in this sweep{nearest(given, known)}" if given else "this sweep has several datasets"
        raise SpecError(f"--human {path}: {what}; name one of {', '.join(known)}: {example}")
    return given


def measured(answers: Answers, truth: TestSet, metric: Metric, classes: int) -> tuple[float, float, float]:
    """Return the metric of all answers together, as a share, and its 95 % interval.

    A resample draws as many raters as there are, and as many groups of the answered images (images where there are no groups),
    with replacement; an answer counts as often as its rater and its group were drawn.
    """
    groups = answers.image if truth.groups is None else truth.groups[answers.image]
    unit = np.unique(groups, return_inverse=True)[1].reshape(-1)
    flat = truth.labels[answers.image] * classes + answers.answer
    counts = np.zeros((answers.raters, int(unit.max()) + 1, classes * classes))
    np.add.at(counts, (answers.rater, unit, flat), 1)
    values = [metric(drawn.reshape(-1, classes, classes)) for drawn in _resamples(counts)]
    mean = float(metric(counts.sum((0, 1)).reshape(classes, classes)))
    return mean, *interval(np.concatenate(values))


def _resamples(counts: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the sums over drawn raters and units of counts (raters, units, T), (some resamples, T), for all resamples in turn."""
    rng = np.random.default_rng(0)
    raters, units, sums = counts.shape
    step = max(1, _AT_ONCE // (units * sums))
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        of_raters, of_units = (rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64) for n in (raters, units))
        drawn = (of_raters @ counts.reshape(raters, -1)).reshape(size, units, sums)
        yield np.einsum("bu,but->bt", of_units, drawn)


def _confusion(answers: Answers, truth: TestSet, classes: int) -> NDArray[np.float64]:
    """Return how often each answer was given to images of each class, (K, K)."""
    counts: NDArray[np.float64] = confusions(truth.labels[answers.image], answers.answer[None], classes)[0]
    return counts


def _networks(matrix: Matrix, test: str, images: NDArray[np.int64], metric: Metric) -> dict[str, float]:
    """Return what networks that were not adapted do on the same images: of others, people's number says nothing."""
    runs, classes = matrix.predictions, len(matrix.classes)
    labels = runs.tests[test].labels[images]
    plain = [c for c in matrix.cells if c.test == test and c.target is None and runs.method(c.adapter) != c.adapter]
    found = {}
    for cell in plain:
        tested = runs.tested(cell.adapter, cell.sources, None, test)
        if tested:
            found[cell.name] = percent(point(labels, tested.predicted[:, images], metric, classes))
    return found
