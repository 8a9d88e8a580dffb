"""How often 95 % intervals hold the true value, and how wide they are, in simulations.

    python tests/analysis/interval_coverage.py [TIMES]

prints one line for each setting: the share of TIMES (1,000) made results whose interval holds the true value, and the factor by
which all of these intervals could be narrowed and still hold it in 95 %. The factor is 1 for ideal intervals, and above 1 for
intervals that are too wide.

Every prediction has a chance to be right that depends on its class, its image, its subject and its seed; the true value is that
over all images, subjects and seeds that there could be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from dabench.analysis.answer_rows import AnswerRows
from dabench.analysis.answers import HumanAnswers
from dabench.analysis.intervals import Interval, spread
from dabench.analysis.metrics import SeedPredictions, find_metric, rare_classes
from dabench.storage.reader import StoredLabels

Ints = NDArray[np.int64]
COUNTS = (50, 40, 3, 1100, 50, 70, 1350)
RECALLS = (0.6, 0.3, 0.3, 0.9, 0.25, 0.5, 0.95)
CLASSES = tuple("abcdefg")


class Made(NamedTuple):
    """A made result: its mean, its interval and the true value."""

    mean: float
    interval: Interval
    truth: float

    @property
    def distance(self) -> float:
        """Distance from mean to truth in parts of the distance from mean to the end of the interval on that side."""
        end = self.interval[self.truth > self.mean]
        return abs(self.truth - self.mean) / max(abs(end - self.mean), 1e-9)


@dataclass(frozen=True)
class Effects:
    """Deviations due to seeds, subjects and images, as multiples of the deviation of each single prediction."""

    seeds: float = 0.0
    subjects: float = 0.0
    images: float = 1.0


def right(
    rng: np.random.Generator, seeds: int, subjects: Ints, chance: float | NDArray[np.float64], of: Effects, shared: Ints
) -> Ints:
    """Return (seeds, N) right (1) or wrong (0), with this overall chance.

    Args:
        subjects: (N,) subject of each image; shared: (N,) difficulty of images that all models of a comparison share.
    """
    deviation = np.sqrt(1 + of.seeds**2 + of.subjects**2 + of.images**2)
    sums = norm.ppf(chance) * deviation + rng.normal(size=(seeds, len(subjects))) + of.images * shared
    sums += of.seeds * rng.normal(size=(seeds, 1)) + of.subjects * rng.normal(size=subjects.max() + 1)[subjects]
    return (sums > 0).astype(np.int64)


def accuracy(rng: np.random.Generator, seeds: int, of: Effects, chance: float = 0.7, subjects: Ints | None = None) -> Made:
    """Return an accuracy on 2,000 images, or on these subjects."""
    units = np.arange(2000) if subjects is None else subjects
    codes = right(rng, seeds, units, chance, of, rng.normal(size=len(units)))
    found = spread(find_metric("accuracy", CLASSES), [codes], subjects)
    return Made(found.mean([1]), found.interval(), chance)


def gain(rng: np.random.Generator, seeds: int, subjects: int, of: Effects, equal: bool = True) -> Made:
    """Return a gain of 10 points on about 30 images of each subject."""
    each = np.full(subjects, 30) if equal else np.maximum(2, 30 * subjects * rng.dirichlet(np.ones(subjects))).astype(int)
    groups = np.repeat(np.arange(subjects), each)
    shared = rng.normal(size=len(groups))
    models = [right(rng, seeds, groups, chance, of, shared) for chance in (0.7, 0.6)]
    found = spread(find_metric("accuracy", CLASSES), models, groups)
    return Made(found.mean([1, -1]), found.difference(), 0.1)


def gap_closed(rng: np.random.Generator, seeds: int, of: Effects) -> Made:
    """Return how much of a drop from 90 to 50 % is closed by a gain of 15 points on 1,000 images."""
    images, shared = np.arange(1000), rng.normal(size=1000)
    models = [right(rng, seeds, images, chance, of, shared) for chance in (0.65, 0.5, 0.9)]
    found = spread(find_metric("accuracy", CLASSES), models, None)
    part, whole = (1, -1, 0), (0, -1, 1)
    ends = found.ratio(part, whole) or (-np.inf, np.inf)
    return Made(found.mean(part) / found.mean(whole), ends, 0.15 / 0.4)


def balanced(rng: np.random.Generator, seeds: int, random: bool) -> Made:
    """Return the balanced accuracy of seven classes, of which one has 3 images and is left out."""
    counts = rng.multinomial(sum(COUNTS), np.array(COUNTS) / sum(COUNTS)) if random else np.array(COUNTS)
    labels = np.repeat(np.arange(len(COUNTS)), counts)
    rare = rare_classes(labels, None, CLASSES)
    codes = right(rng, seeds, np.arange(len(labels)), np.array(RECALLS)[labels], Effects(0.1 if seeds > 1 else 0), 0 * labels)
    metric = find_metric("balanced-accuracy", CLASSES)
    predicted = np.where(codes == 1, labels, (labels + 1) % len(CLASSES))
    found = spread(metric, [metric.encode(SeedPredictions(labels, predicted, lambda: codes, rare=rare))], None)
    return Made(found.mean([1]), found.interval(), float(np.mean([r for i, r in enumerate(RECALLS) if i not in rare])))


def people(rng: np.random.Generator, raters: int, seeds: int, share: float = 1.0) -> Made:
    """Return people, right in 70 %, minus networks, right in 60 %, on 200 images of which each rater answered a share."""
    images, shared = np.arange(200), rng.normal(size=200)
    of_people, of_networks = (right(rng, n, images, c, Effects(0.2), shared) for n, c in ((raters, 0.7), (seeds, 0.6)))
    rater, image = np.nonzero(rng.random((raters, 200)) < share)
    answers = HumanAnswers(rater, image, 1 - of_people[rater, image], 0)
    rows = AnswerRows(answers, StoredLabels(0 * images, None, {}, {}), find_metric("accuracy", CLASSES))  # type: ignore[arg-type]
    found = rows.minus(1 - of_networks)
    assert found is not None
    return Made(found.mean, found.interval, 0.1)


Setting = Callable[[np.random.Generator], Made]

_SIZES = {"": Effects(), ", seeds differ": Effects(0.15), ", subjects differ": Effects(0, 0.3), ", both": Effects(0.15, 0.3)}

SETTINGS: dict[str, Setting] = {
    "accuracy, 1 seed, of its own network": partial(accuracy, seeds=1, of=Effects()),
    "accuracy of 99.5 %, 1 seed": partial(accuracy, seeds=1, of=Effects(), chance=0.995),
    **{f"accuracy, {n} seeds that differ by 3 points": partial(accuracy, seeds=n, of=Effects(0.13)) for n in (2, 3, 5, 10)},
    **{f"accuracy, {n} seeds that do not differ": partial(accuracy, seeds=n, of=Effects()) for n in (2, 3, 5, 10)},
    **{
        f"accuracy, 10 seeds, {n} subjects": partial(accuracy, seeds=10, of=Effects(0.1, 0.7), subjects=np.arange(20 * n) // 20)
        for n in (5, 10, 30)
    },
    **{f"gain, 3 seeds, 10 subjects{name}": partial(gain, seeds=3, subjects=10, of=of) for name, of in _SIZES.items()},
    "gain, 3 seeds, 10 unequal subjects, both": partial(gain, seeds=3, subjects=10, of=_SIZES[", both"], equal=False),
    "gain, 3 seeds, 5 subjects, both": partial(gain, seeds=3, subjects=5, of=_SIZES[", both"]),
    "gain, 5 seeds, 10 subjects, both": partial(gain, seeds=5, subjects=10, of=_SIZES[", both"]),
    "gap closed, 3 seeds": partial(gap_closed, seeds=3, of=Effects()),
    "gap closed, 3 seeds that differ": partial(gap_closed, seeds=3, of=Effects(0.15)),
    "gap closed, 5 seeds that differ": partial(gap_closed, seeds=5, of=Effects(0.15)),
    **{
        f"balanced accuracy, {n} seed{'s' * (n > 1)}, {counts} counts": partial(balanced, seeds=n, random=counts == "random")
        for n in (1, 3)
        for counts in ("fixed", "random")
    },
    "people - network, 4 raters, 5 seeds": partial(people, raters=4, seeds=5),
    "people - network, 12 raters, 5 seeds": partial(people, raters=12, seeds=5),
    "people - network, 12 raters, 5 seeds, half of the images each": partial(people, raters=12, seeds=5, share=0.5),
}  # fmt: skip


def coverage(setting: Setting, times: int = 1000) -> tuple[float, float]:
    """Return the share of made results whose interval holds the truth, and the width of intervals in parts of the ideal."""
    rng = np.random.default_rng(7)
    distances = np.array([setting(rng).distance for _ in range(times)])
    return float((distances <= 1).mean()), float(1 / max(np.quantile(distances, 0.95), 1e-9))


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{'setting':<62} holds the truth   width / ideal   ({many} times; nominal 95 %)")
    for name, setting in SETTINGS.items():
        share, width = coverage(setting, many)
        print(f"{name:<62} {100 * share:>12.1f} % {width:>14.2f}", flush=True)
