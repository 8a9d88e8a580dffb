"""Results by group: each cell of the matrix for the parts of its test set that an attribute names (an age band, a sex)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attribute_bins import AttributeBins, too_few
from dabench.analysis.bootstrap import Resampler, interval, percent
from dabench.analysis.results import EncodedCell


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


def subgroup_results(
    cells: Sequence[EncodedCell], parts: Mapping[str, AttributeBins], draws: Resampler
) -> Iterator[SubgroupCell]:
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
