"""The results of people on one dataset: of all together, of each rater, and beside each network on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dabench.analysis.agreement import Agreement


@dataclass(frozen=True)
class RaterResult:
    """The result of one rater in %.

    Attributes:
        mean: the metric of the first answers; low, high: its 95 % interval over groups or images. None if it is undefined on the
            images that this rater answered.
        repeats: number of images that were answered twice; same: on how many of them both answers are the same.
    """

    rater: str
    answer_count: int
    mean: float | None
    low: float | None
    high: float | None
    interval_over: str
    repeats: int
    same: int


@dataclass(frozen=True)
class HumanComparison:
    """People minus one network on the same images.

    Attributes:
        name, adapter, sources, target, label_budget, selection, target_images, steps_min, steps_max, seeds: as for a cell.
        raters: number of raters.
        people, network: results in %. An image counts as often as people answered it, for both.
        mean: the difference in points; low, high: its 95 % interval.
        low_same_raters, high_same_raters: its 95 % interval for these raters alone, over seeds and units.
        interval_over: over what it is, such as "seeds, raters and images". A single seed or rater is not named.
    """

    name: str
    adapter: str
    sources: list[str]
    target: str | None
    label_budget: str
    selection: str
    target_images: str
    steps_min: int | None
    steps_max: int | None
    seeds: int
    raters: int
    people: float
    network: float
    mean: float
    low: float
    high: float
    low_same_raters: float
    high_same_raters: float
    interval_over: str


@dataclass(frozen=True)
class HumanResult:
    """What the human result on one dataset is based on, and its details.

    Attributes:
        images: number of answered images, of `of` in the test split.
        digest: SHA-256 of the file of answers, or a digest of those of several files.
        agreement: that of the raters; None if no image has two answers.
        by_rater: one result for each rater, by name.
        comparisons: one for each cell tested on this dataset, in the order of the matrix.
    """

    raters: int
    images: int
    of: int
    answer_count: int
    unanswered: int
    digest: str
    agreement: Agreement | None
    by_rater: Sequence[RaterResult]
    comparisons: Sequence[HumanComparison]
