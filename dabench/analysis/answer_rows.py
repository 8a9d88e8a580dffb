"""Compute a metric of answers of people, and people minus networks on the same images, with intervals.

Intervals are those of `dabench.analysis.intervals`, with raters as one more factor beside seeds and units (groups, or single
images). Each factor is left out one at a time. The noise of single answers is in the spread of raters and in that of units; it
counts once. It is found from blocks, the answers of a rater on a unit: with f_ru the change of the result without a block, less
its mean over the units of the rater, and m_u raters of unit u,

    V_both = sum_u m_u / (m_u - 1) sum_r (f_ru - f_u)^2      f_u: mean of f_ru over the raters of u

Units with one rater add nothing to it, so that intervals are rather too wide where few images have several raters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.answers import HumanAnswers
from dabench.analysis.attributes import AttributeBins
from dabench.analysis.intervals import Interval, difference_bounds, share_interval, student
from dabench.analysis.metrics import Metric, SeedPredictions
from dabench.errors import SpecError
from dabench.storage.reader import StoredLabels

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Jackknife:
    """A result, and by how much it changes without each rater, without each unit and without each block."""

    value: float
    raters: Floats
    units: Floats
    blocks: Floats


@dataclass(frozen=True)
class HumanDifference:
    """People minus the networks of a cell on the same images, as shares.

    Attributes:
        interval: 95 % interval over seeds, raters and units; same_raters: for these raters alone, over seeds and units.
    """

    people: float
    network: float
    mean: float
    interval: Interval
    same_raters: Interval


class AnswerRows:
    """Answers as rows of one metric, to which the predictions of networks on the same images are added row by row.

    Args:
        parts: attribute -> its bins on the test images.
        rare: number -> name of the classes that class-averaged metrics leave out on the test split.
    """

    def __init__(
        self,
        answers: HumanAnswers,
        truth: StoredLabels,
        metric: Metric,
        parts: Mapping[str, AttributeBins] | None = None,
        rare: Mapping[int, str] | None = None,
    ) -> None:
        self.metric, self.image, self.answer = metric, answers.image, answers.answer
        self.parts, self.rare = parts or {}, rare or {}
        self.labels = truth.labels[answers.image]
        self._bins = {name: replace(p, bin_of=p.bin_of[answers.image]) for name, p in self.parts.items()}
        groups = answers.image if truth.groups is None else truth.groups[answers.image]
        self.rater, self.unit = (np.unique(of, return_inverse=True)[1].reshape(-1) for of in (answers.rater, groups))
        self.raters, self.units = int(self.rater.max()) + 1, int(self.unit.max()) + 1
        block, self.block = np.unique(self.rater * self.units + self.unit, return_inverse=True)
        self.block_rater, self.block_unit = np.divmod(block, self.units)

    def _without_each(self, predicted: NDArray[np.int64]) -> _Jackknife:
        """Return the metric of predictions (A,) on the rows, and its changes without each rater, unit and block."""
        outcome = SeedPredictions(self.labels, predicted[None], _no_confidence, self._bins, self.rare)
        tally = self.metric.tally(self.metric.encode(outcome)[0]).astype(np.float64)
        total = tally.sum(0)
        value = float(self.metric.value(total))

        def changes(of: NDArray[np.int64], count: int) -> Floats:
            sums = np.zeros((count, tally.shape[1]))
            np.add.at(sums, of, tally)
            return np.nan_to_num(value - self.metric.value(total - sums))

        of_units, of_raters = changes(self.unit, self.units), changes(self.rater, self.raters)
        return _Jackknife(value, of_raters, of_units, changes(self.block, len(self.block_rater)))

    def of_people(self) -> tuple[float, float, float] | None:
        """Return the metric of all answers together, as a share, and its 95 % interval; None if it is undefined."""
        found = self._without_each(self.answer)
        if np.isnan(found.value):
            return None
        half = self._half_width(found, np.array([found.value]), found.units[None])
        return found.value, *share_interval(found.value, half, self.units)

    def minus(self, predicted: NDArray[np.int64]) -> HumanDifference | None:
        """Return people minus network; None if one of both is undefined.

        Args:
            predicted: (S, N) predicted classes of the networks of each seed on the test images.
        """
        people = self._without_each(self.answer)
        networks = [self._without_each(row[self.image]) for row in predicted]
        each = np.array([n.value for n in networks])
        if np.isnan([people.value, *each]).any():
            return None
        left = [_Jackknife(people.value - n.value, people.raters - n.raters, people.units - n.units, people.blocks - n.blocks)
                for n in networks]  # fmt: skip
        mean = _Jackknife(*(np.mean([getattr(of, name) for of in left], 0) for name in ("value", "raters", "units", "blocks")))
        halves = (self._half_width(mean, each, np.stack([of.units for of in left]), same_raters=s) for s in (False, True))
        bounds = (difference_bounds(mean.value, half, [people.value, *each], self.units) for half in halves)
        return HumanDifference(people.value, float(each.mean()), float(mean.value), *bounds)

    def _half_width(self, found: _Jackknife, each: Floats, units: Floats, *, same_raters: bool = False) -> float:
        """Return the half width of the interval of a result.

        Args:
            found: the result, a mean over S seeds; each: (S,) the results of the seeds; units: (S, U) their changes without each
                unit.
            same_raters: of these raters alone, as if there were no others.
        """
        seeds, raters, u = len(each), 1 if same_raters else self.raters, self.units
        units = units - units.mean(1, keepdims=True)
        of_units, scale = units.mean(0), (u - 1) / u
        v_units = scale * float((of_units**2).sum())
        if max(seeds, raters, u) < 2:
            return float("inf")
        pairs = max(seeds * (seeds - 1), 1)
        v_seeds, both_seeds = (
            float(((each - each.mean()) ** 2).sum()) / pairs,
            scale * float(((units - of_units) ** 2).sum()) / pairs,
        )
        v_raters, both_raters = (
            (float(found.raters.var()) * (raters - 1), self._noise(found.blocks)) if raters > 1 else (0.0, 0.0)
        )
        rest, squared = v_units, 0.0
        for variance, both, n in ((v_seeds, both_seeds, seeds), (v_raters, both_raters, raters)):
            # The noise is taken from the spread with the smaller factor, as in dabench.analysis.intervals.
            rest, variance = (rest - both, variance) if n <= u else (rest, variance - both)
            squared += student(n) ** 2 * max(variance, 0.0)
        return float(np.sqrt(max(squared + student(u) ** 2 * max(rest, 0.0), v_units)))

    def _noise(self, blocks: Floats) -> float:
        """Return the variance of the result due to the noise of single answers, from its changes without each block."""
        of_rater = np.bincount(self.block_rater, blocks) / np.bincount(self.block_rater)
        centred = blocks - of_rater[self.block_rater]
        raters = np.bincount(self.block_unit)
        rest = centred - (np.bincount(self.block_unit, centred) / raters)[self.block_unit]
        several = raters > 1
        sums = np.bincount(self.block_unit, rest**2)[several]
        return float((sums * raters[several] / (raters[several] - 1)).sum())


def _no_confidence() -> NDArray[np.floating]:
    raise SpecError("--human: answers of people have no confidences; use another --metric than ece")
