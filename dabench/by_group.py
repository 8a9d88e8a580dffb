"""Results by group: each cell of the matrix for the parts of its test set that an attribute names (an age band, a sex)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dabench.metrics import Metric, accuracy
from dabench.parts import Parts
from dabench.predictions import Tested
from dabench.statistics import interval, percent, point, resampled

FEWEST = 30
"""Test images that a part needs to say something."""
_COUNTS = 2**26


@dataclass(frozen=True)
class GroupCell:
    """One number in %: a cell of the matrix on those images of `test` whose `attribute` is `value`.

    Attributes:
        mean: over seeds; low and high bound its 95 % interval, which is over seeds alone where the part is of one subject. None
            where the metric has no value, such as the recall of a class without images in this part.
        n: test images of the part; subjects: groups of them, None where groups are not known.
        labels: how many target labels the method saw.
    """

    adapter: str
    backbone: str
    sources: list[str]
    target: str | None
    test: str
    attribute: str
    value: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None
    seeds: int
    n: int
    subjects: int | None
    labels: str
    selection: str

    @property
    def too_few(self) -> bool:
        """Whether it is of fewer than 30 images or of a single subject: such a number says nothing about a group."""
        return self.n < FEWEST or self.subjects == 1


def by_group(
    cells: Iterable[Tested], parts: Mapping[str, Parts], metric: str, measure: Metric, classes: int
) -> Iterator[GroupCell]:
    """Yield the results of cells for every part of every attribute: cell by cell, attributes and parts in order.

    Args:
        cells: of one and the same test set.
        parts: attribute -> what it divides the N test images into.
        metric: the name of `measure`.
    """
    if not parts:
        return
    if measure is accuracy:
        cells, classes = map(_right_or_wrong, cells), 2
    n = len(next(iter(parts.values())).of)
    for seeds, alike in itertools.groupby(cells, key=lambda c: len(c.predicted)):
        # Some at a time, as memory allows: they share the drawing of the resamples, which would be most of the work.
        at_once = max(1, min(16, _COUNTS // (n * seeds * classes**2)))
        while some := list(itertools.islice(alike, at_once)):
            found: list[list[GroupCell]] = [[] for _ in some]
            for attribute, divided in parts.items():
                for number, value in enumerate(divided.names):
                    part = (metric, attribute, value, np.flatnonzero(divided.of == number))
                    for row, cell in zip(found, _of_part(some, *part, measure, classes), strict=True):
                        row.append(cell)
            yield from itertools.chain.from_iterable(found)


def _right_or_wrong(cell: Tested) -> Tested:
    """Return the cell with two classes, right and wrong: accuracy asks no more, and there is far less to count."""
    labels = cell.truth.labels
    wrong = (cell.predicted != labels).astype(np.int64)
    return replace(cell, predicted=wrong, truth=replace(cell.truth, labels=np.zeros_like(labels)))


def _of_part(
    cells: Sequence[Tested],
    metric: str,
    attribute: str,
    value: str,
    at: NDArray[np.int64],
    measure: Metric,
    classes: int,
) -> Iterator[GroupCell]:
    """Yield the result of each cell, all of one test set and of as many seeds, on the images `at`."""
    truth = cells[0].truth
    labels, models = truth.labels[at], [c.predicted[:, at] for c in cells]
    subjects = None if truth.groups is None else len(np.unique(truth.groups[at]))
    # Without groups each image is one: so what is drawn is the same for every cell.
    groups = np.arange(len(at)) if truth.groups is None else truth.groups[at]
    for cell, model, values in zip(cells, models, resampled(labels, models, groups, measure, classes), strict=True):
        share = point(labels, model, measure, classes)
        bounds = (share, share) if np.isnan(share) else interval(values)
        mean, low, high = (None if np.isnan(v) else percent(v) for v in (share, *bounds))
        yield GroupCell(
            cell.adapter, cell.backbone, cell.sources, cell.target, cell.test, attribute, value, metric, mean, low, high,
            len(model), len(at), subjects, cell.labels, cell.selection,
        )  # fmt: skip
