"""The numbers of the matrix, one by one: cells, gains, and cells by group (an age band, a sex), with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import AttributeBins, too_few
from dabench.analysis.bootstrap import PredictionCodes, Resampler, interval, percent, point
from dabench.analysis.metrics import Metric
from dabench.analysis.predictions import EvaluatedNetworks
from dabench.storage.schema import CellKey


@dataclass(frozen=True)
class HumanResult:
    """What the human number of one dataset is of.

    Attributes:
        images: how many were shown and answered, of `of` in the test split.
        digest: SHA-256 of the file of answers.
        networks: name of a cell of networks that were not adapted -> its number in % on the answered images alone.
    """

    raters: int
    images: int
    of: int
    answer_count: int
    unanswered: int
    digest: str
    networks: Mapping[str, float]


_LEAST_LOSS = 1.0
"""Points that must be lost for a gain to be told as a part of them; as a part of less it would be noise over noise."""


@dataclass(frozen=True)
class Cell:
    """One number of the matrix, in %: an adapter's network trained on `sources` (for `target`), tested on `test`.

    Attributes:
        label_budget: how many target labels the method saw: "0", "5 per class", "all"; "human" of people's answers.
        mean: over seeds; low and high bound its 95 % interval, which is over test images alone where there is one seed.
        seeds: how many; of people's answers the number of people. n: test images.
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

    @property
    def key(self) -> CellKey:
        """Which cell it is."""
        return CellKey(self.adapter, tuple(self.sources), self.target, self.test)


@dataclass(frozen=True)
class Gain:
    """What an adapter changes on its target over `none`: same sources, seeds and test images; in percentage points.

    Attributes:
        mean: adapted minus `none`; where a lower metric is better, a gain is below 0.
        gap_closed: the gain as % of what is lost out of domain (in-domain number of the target minus `none`); None where
            less than a point is lost, or the in-domain cell is missing.
        improved: with how many of the seeds the adapted network is better.
        on_source: what adapting cost: the change on the sources over `none`, mean over them; None where it is not known.
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


@dataclass(frozen=True)
class SubgroupCell:
    """One number in %: a cell of the matrix on those images of `test` whose `attribute` is `value`.

    Attributes:
        mean: over seeds; low and high bound its 95 % interval, which is over seeds alone where the part is of one subject. None
            where the metric has no value, such as the recall of a class without images in this part.
        n: test images of the part; subjects: groups of them, None where groups are not known.
        label_budget: how many target labels the method saw.
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

    @property
    def too_few(self) -> bool:
        """Whether it is of fewer than 30 images or of a single subject: such a number says nothing about a group."""
        return too_few(self.n, self.subjects)


@dataclass(frozen=True)
class EncodedCell:
    """A cell's predictions as a metric sees them, (S, N)."""

    tested: EvaluatedNetworks
    codes: PredictionCodes

    def of(self, seeds: Sequence[int]) -> PredictionCodes:
        """Return the kinds of these seeds, all of which must be there."""
        return self.codes[[self.tested.seeds.index(s) for s in seeds]]


def cell_of(measured: EncodedCell, draws: Resampler, name: str) -> Cell | None:
    """Return a number of the matrix, or None where the metric has no value."""
    of, found = measured.tested, draws.resample([measured.codes], measured.tested.groups)
    mean = float(found.each.mean())
    if np.isnan(mean):
        return None
    low, high = interval(found.values[0])
    return Cell(
        name, of.key.adapter, of.backbone, list(of.key.sources), of.key.target, of.key.test, of.label_budget, of.selection,
        draws.metric.name,
        percent(mean), percent(low), percent(high), len(of.seeds), measured.codes.shape[1],
    )  # fmt: skip


def gain_of(adapted: EncodedCell, none: EncodedCell, at_home: EncodedCell | None, draws: Resampler, name: str) -> Gain | None:
    """Return what `adapted` gains over `none`, of the seeds that both have; None where there are none, or no value.

    Args:
        at_home: the in-domain networks of the same test set.
    """
    of, metric, seeds = adapted.tested, draws.metric, _common(adapted, none)
    if not seeds:
        return None
    (after, before), values = draws.resample([adapted.of(seeds), none.of(seeds)], of.groups)
    changes = after - before
    if np.isnan(changes).any():
        return None
    low, high = interval(values[0] - values[1], least=-1.0)
    mean = float(changes.mean())
    inside = at_home is not None and set(seeds) <= set(at_home.tested.seeds)
    lost = 100 * (point(metric, at_home.of(seeds)) - float(before.mean())) if at_home and inside else 0.0
    return Gain(
        name, of.key.adapter, list(of.key.sources), of.key.test, of.label_budget, percent(mean), percent(low), percent(high),
        gap_closed_percent(100 * mean, lost, metric), sum(metric.better(c) for c in changes.tolist()), len(seeds),
    )  # fmt: skip


def gap_closed_percent(gain: float, lost: float, metric: Metric) -> float | None:
    """Return a gain as % of what was lost, both in points; None where less than a point was lost."""
    return round(100 * gain / lost, 4) + 0.0 if metric.won(lost) >= _LEAST_LOSS else None  # no -0.0


def change_of(adapted: EncodedCell, none: EncodedCell, metric: Metric) -> float | None:
    """Return the mean change over the seeds that both have, in points; None where there are none, or no value."""
    seeds = _common(adapted, none)
    change = point(metric, adapted.of(seeds)) - point(metric, none.of(seeds)) if seeds else np.nan
    return None if np.isnan(change) else percent(change)


def _common(a: EncodedCell, b: EncodedCell) -> list[int]:
    return [s for s in a.tested.seeds if s in b.tested.seeds]


def subgroups_of(cells: Sequence[EncodedCell], parts: Mapping[str, AttributeBins], draws: Resampler) -> Iterator[SubgroupCell]:
    """Yield the results of cells for every part of every attribute: cell by cell, attributes and parts in order.

    Args:
        cells: of one and the same test set.
        parts: attribute -> what it divides the N test images into.
    """
    found: list[list[SubgroupCell]] = [[] for _ in cells]
    # Part by part: all cells share the drawing of a part's resamples.
    for attribute, divided in parts.items():
        for number in range(len(divided.names)):
            at = np.flatnonzero(divided.bin_of == number)
            for row, cell in zip(found, cells, strict=True):
                row.append(_of_part(cell, attribute, divided, number, at, draws))
    for row in found:
        yield from row


def _of_part(
    cell: EncodedCell, attribute: str, parts: AttributeBins, number: int, at: NDArray[np.int64], draws: Resampler
) -> SubgroupCell:
    """Return the result of a cell on the images `at`."""
    of, kinds = cell.tested, cell.codes[:, at]
    found = draws.resample([kinds], None if of.groups is None else of.groups[at])
    share = float(found.each.mean())
    bounds = (share, share) if np.isnan(share) else interval(found.values[0])
    mean, low, high = (None if np.isnan(v) else percent(v) for v in (share, *bounds))
    subjects = parts.subjects[number] if parts.subjects else None
    return SubgroupCell(
        of.key.adapter, of.backbone, list(of.key.sources), of.key.target, of.key.test, attribute, parts.names[number],
        draws.metric.name, mean, low, high, len(of.seeds), len(at), subjects, of.label_budget, of.selection,
    )  # fmt: skip
