"""Compute single results with their intervals: cells, gains, and cells by subgroup (an age range, a sex)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dabench.analysis.attributes import AttributeBins, too_few
from dabench.analysis.intervals import PredictionCodes, percent, spread
from dabench.analysis.metrics import Metric
from dabench.analysis.predictions import EvaluatedNetworks
from dabench.storage.schema import CellKey

_LEAST_LOSS = 1.0
"""Least drop in points for which gap closed is given; with a smaller drop the ratio would be noise."""


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix, in %: networks of an adapter trained on `sources` (for `target`), tested on `test`.

    Attributes:
        label_budget: target labels that the method saw: "0", "5 per class", "all"; "human" for answers of people.
        mean: mean over seeds; low, high: its 95 % interval.
        seeds: number of seeds; for answers of people, of raters. n: number of test images.
        target_images: images of the target that the method was adapted with: "none", "train", "test", "all (tested)"; "" for
            people.
        steps_min, steps_max: least and most optimiser steps of a seed, pretraining included; None if not known.
        interval_over: over what the interval is, such as "seeds and groups"; for one seed "images" or "groups", which says
            nothing of other trainings. None in results of earlier versions.
        omitted_classes: classes that a class-averaged metric leaves out, because they have too few test images or groups.
    """

    name: str
    adapter: str
    backbone: str
    sources: list[str]
    target: str | None
    test: str
    label_budget: str
    selection: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    n: int
    target_images: str = ""
    steps_min: int | None = None
    steps_max: int | None = None
    interval_over: str | None = None
    omitted_classes: list[str] = field(default_factory=list)

    @property
    def key(self) -> CellKey:
        """The key of the cell."""
        return CellKey(self.adapter, tuple(self.sources), self.target, self.test)


@dataclass(frozen=True)
class Gain:
    """Gain of an adapter over `none` on its target, in percentage points: same sources, seeds and test images.

    Attributes:
        mean: result of the adapted network minus that of `none`; below 0 is better if lower values of the metric are better.
        gap_closed: the gain in % of the drop of `none` (in-domain result of the target minus result of `none`); None if the drop
            is under one point, or the in-domain cell is missing. gap_low, gap_high: its 95 % interval; None if it is unbounded,
            because the drop cannot be told from zero.
        improved: number of seeds with which the adapted network is better.
        on_source: change of the result on the sources, compared with `none`, mean over sources; None if not known.
            on_source_low, on_source_high: its 95 % interval (for several sources the means of theirs, which is wide enough).
        selection: the selection rule.
        target_images, steps_min, steps_max: as for a cell; none_steps: most steps of a seed of `none`.
        longer_than_none: whether the networks were trained for more steps than those of `none`; False if not known.
        interval_over, omitted_classes: as for a cell.
    """

    name: str
    adapter: str
    sources: list[str]
    target: str
    label_budget: str
    mean: float
    low: float
    high: float
    gap_closed: float | None
    improved: int
    seeds: int
    on_source: float | None = None
    on_source_low: float | None = None
    on_source_high: float | None = None
    selection: str = ""
    target_images: str = ""
    steps_min: int | None = None
    steps_max: int | None = None
    none_steps: int | None = None
    longer_than_none: bool = False
    gap_low: float | None = None
    gap_high: float | None = None
    interval_over: str | None = None
    omitted_classes: list[str] = field(default_factory=list)

    @property
    def told_from_zero(self) -> bool:
        """Whether the interval excludes 0 and is over trainings, too: a gain of one seed may be that of one training."""
        return (self.low > 0 or self.high < 0) and self.seeds > 1


@dataclass(frozen=True)
class SubgroupCell:
    """Result of a subgroup in %: a cell of the matrix on the images of `test` whose `attribute` is `value`.

    Attributes:
        mean: mean over seeds; low, high: its 95 % interval. None if the metric is undefined, such as the recall of a class
            without images in the bin.
        n: test images in the bin; subjects: groups in the bin, None if not known.
        label_budget: target labels that the method saw.
        target_images, steps_min, steps_max: as for a cell of the matrix.
        interval_over, omitted_classes: as for a cell. The classes are those of the whole test split, so that bins are comparable.
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
    label_budget: str
    selection: str
    target_images: str = ""
    steps_min: int | None = None
    steps_max: int | None = None
    interval_over: str | None = None
    omitted_classes: list[str] = field(default_factory=list)

    @property
    def too_few(self) -> bool:
        """Whether the bin has fewer than 30 images or a single subject, too few for a conclusion."""
        return too_few(self.n, self.subjects)


@dataclass(frozen=True)
class EncodedCell:
    """The predictions of a cell, encoded for a metric, (S, N)."""

    tested: EvaluatedNetworks
    codes: PredictionCodes

    def of(self, seeds: Sequence[int]) -> PredictionCodes:
        """Return the codes of these seeds; all must exist."""
        return self.codes[[self.tested.seeds.index(s) for s in seeds]]


def omitted_in(of: EvaluatedNetworks, metric: Metric) -> list[str]:
    """Return the names of the classes that a metric leaves out on a test split."""
    return list(of.outcome.rare.values()) if metric.class_averaged else []


def cell_of(measured: EncodedCell, metric: Metric, name: str) -> Cell | None:
    """Return a cell of the matrix, or None if the metric is undefined."""
    of, found = measured.tested, spread(metric, [measured.codes], measured.tested.groups)
    mean = float(found.each.mean())
    if np.isnan(mean):
        return None
    low, high = found.interval()
    return Cell(
        name, of.key.adapter, of.backbone, list(of.key.sources), of.key.target, of.key.test, of.label_budget, of.selection,
        metric.name, percent(mean), percent(low), percent(high), len(of.seeds), measured.codes.shape[1],
        of.target_images, *span(of.steps), found.over, omitted_in(of, metric),
    )  # fmt: skip


_GAIN, _DROP = (1, -1, 0), (0, -1, 1)
"""Weights of adapted networks, `none` and in-domain networks in a gain and in the drop of `none`."""


def gain_of(adapted: EncodedCell, none: EncodedCell, at_home: EncodedCell | None, metric: Metric, name: str) -> Gain | None:
    """Return the gain of `adapted` over `none` on their common seeds; None if there are none, or the metric is undefined.

    Args:
        at_home: the in-domain networks on the same test split.
    """
    of, seeds = adapted.tested, _common(adapted, none)
    if not seeds:
        return None
    inside = at_home if at_home and set(seeds) <= set(at_home.tested.seeds) else none  # without one, the drop is zero
    found = spread(metric, [c.of(seeds) for c in (adapted, none, inside)], of.groups)
    if np.isnan(found.each[:2]).any():
        return None
    low, high = found.difference()
    closed = gap_closed_percent(100 * found.mean(_GAIN), 100 * found.mean(_DROP), metric)
    gap = found.ratio(_GAIN, _DROP) if closed is not None else None
    gap_low, gap_high = (percent(end) for end in gap) if gap else (None, None)
    changes = found.each[0] - found.each[1]
    (least, most), (_, none_most) = span(of.steps), span(none.tested.steps)
    return Gain(
        name, of.key.adapter, list(of.key.sources), of.key.test, of.label_budget,
        percent(found.mean(_GAIN)), percent(low), percent(high), closed, sum(metric.better(c) for c in changes.tolist()),
        len(seeds), gap_low=gap_low, gap_high=gap_high, interval_over=found.over, omitted_classes=omitted_in(of, metric),
        selection=of.selection, target_images=of.target_images, steps_min=least, steps_max=most, none_steps=none_most,
        longer_than_none=most is not None and none_most is not None and most > none_most,
    )  # fmt: skip


def gap_closed_percent(gain: float, lost: float, metric: Metric) -> float | None:
    """Return a gain in % of the drop `lost`, both in points; None if the drop is under one point."""
    return round(100 * gain / lost, 4) + 0.0 if metric.won(lost) >= _LEAST_LOSS else None  # + 0.0 turns -0.0 into 0.0


def span(steps: Iterable[int | None]) -> tuple[int | None, int | None]:
    """Return the least and the most steps; None if some are not known."""
    found = list(steps)
    known = [n for n in found if n is not None]
    return (min(known), max(known)) if known and len(known) == len(found) else (None, None)


def change_of(adapted: EncodedCell, none: EncodedCell, metric: Metric) -> tuple[float, float, float] | None:
    """Return the mean change over common seeds and its 95 % interval, in points; None if undefined or without seeds."""
    seeds = _common(adapted, none)
    if not seeds:
        return None
    found = spread(metric, [adapted.of(seeds), none.of(seeds)], adapted.tested.groups)
    change = found.mean((1, -1))
    low, high = found.difference()
    return None if np.isnan(change) else (percent(change), percent(low), percent(high))


def _common(a: EncodedCell, b: EncodedCell) -> list[int]:
    return [s for s in a.tested.seeds if s in b.tested.seeds]


def subgroups_of(cells: Sequence[EncodedCell], parts: Mapping[str, AttributeBins], metric: Metric) -> Iterator[SubgroupCell]:
    """Yield the results of cells for every bin of every attribute, cell by cell.

    Args:
        cells: cells of one test split.
        parts: attribute -> its bins on the N test images.
    """
    for cell in cells:
        for attribute, divided in parts.items():
            for number in range(len(divided.names)):
                yield _of_part(cell, attribute, divided, number, metric)


def _of_part(cell: EncodedCell, attribute: str, parts: AttributeBins, number: int, metric: Metric) -> SubgroupCell:
    """Return the result of a cell on the images of one bin."""
    of, at = cell.tested, np.flatnonzero(parts.bin_of == number)
    found = spread(metric, [cell.codes[:, at]], None if of.groups is None else of.groups[at])
    share = float(found.each.mean())
    bounds = (share, share) if np.isnan(share) else found.interval()
    mean, low, high = (None if np.isnan(v) else percent(v) for v in (share, *bounds))
    subjects = parts.subjects[number] if parts.subjects else None
    return SubgroupCell(
        of.key.adapter, of.backbone, list(of.key.sources), of.key.target, of.key.test, attribute, parts.names[number],
        metric.name, mean, low, high, len(of.seeds), len(at), subjects, of.label_budget, of.selection,
        of.target_images, *span(of.steps), found.over, omitted_in(of, metric),
    )  # fmt: skip
