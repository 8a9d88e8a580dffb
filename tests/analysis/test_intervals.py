"""Jackknife intervals against a plain loop that leaves out one unit after the other, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from interval_coverage import SETTINGS, coverage
from numpy.typing import NDArray
from scipy.stats import t

from dabench.analysis.intervals import Spread, half_width, of_seeds, point, share_interval, spread, student
from dabench.analysis.metrics import Metric, SeedPredictions, find_metric

Ints = NDArray[np.int64]
K = 3
CLASSES = ("a", "b", "c")
ACCURACY, BALANCED, MACRO_F1, ECE = (find_metric(name, CLASSES) for name in ("accuracy", "balanced-accuracy", "macro-f1", "ece"))


def confidences(predicted: Ints) -> NDArray[np.float32]:
    """Return made-up confidences of predictions, another for every seed, image and class."""
    return np.random.default_rng(0).uniform(0.4, 1, (*predicted.shape, K)).astype(np.float32)[..., 0] - 0.1 * (predicted == 1)


def kinds(metric: Metric, labels: Ints, predicted: Ints, rare: dict[int, str] | None = None) -> NDArray[np.generic]:
    """Return what a metric sees of predictions (S, N)."""
    return metric.encode(SeedPredictions(labels, predicted, lambda: confidences(predicted), rare=rare or {}))


def predictions(labels: Ints, seeds: int, right: float, seed: int) -> Ints:
    """Return (S, N) predictions, each right with a probability around `right` that differs from seed to seed."""
    rng = np.random.default_rng(seed)
    chance = right + 0.15 * np.linspace(-1, 1, seeds)[:, None]
    return np.where(rng.random((seeds, len(labels))) < chance, labels, (labels + 1) % K)


def plain(metric: Metric, models: list[NDArray[np.generic]], weights: list[float], groups: Ints | None) -> tuple[float, float]:
    """Return mean and half width of a weighted sum of models, leaving out one group (or image) after the other."""
    n, seeds = models[0].shape[1], len(models[0])
    members = [np.array([i]) for i in range(n)] if groups is None else [np.flatnonzero(groups == g) for g in np.unique(groups)]
    count = len(members)

    def combined(at: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.sum([w * of_seeds(metric, model[:, at]) for w, model in zip(weights, models, strict=True)], axis=0)

    each = combined(np.arange(n))
    change = np.array([each - combined(np.setdiff1d(np.arange(n), out)) for out in members])
    change -= change.mean(0)
    of_units = (count - 1) / count * sum(np.mean(row) ** 2 for row in change)
    both, of_all = 0.0, 0.0
    if seeds > 1:
        both = (
            (count - 1) / count * sum((row[s] - row.mean()) ** 2 for row in change for s in range(seeds)) / (seeds * (seeds - 1))
        )
        of_all = sum((x - each.mean()) ** 2 for x in each) / (seeds * (seeds - 1))
    t_seeds, t_units = (t.ppf(0.975, k - 1) if k > 1 else 0.0 for k in (seeds, count))
    assert seeds <= count
    squared = t_seeds**2 * of_all + t_units**2 * max(of_units - both, 0)
    return float(each.mean()), float(np.sqrt(max(squared, of_units)))


LABELS: Ints = np.arange(60) % K
GROUPS: Ints = np.arange(60) // 6
CASES = {
    "images": (None, ACCURACY, 3),
    "groups": (GROUPS, ACCURACY, 3),
    "unequal-groups": ((np.arange(60) ** 2 // 400).astype(np.int64), BALANCED, 2),
    "one-seed": (None, BALANCED, 1),
    "macro-f1": (None, MACRO_F1, 3),
    "macro-f1-groups": (GROUPS, MACRO_F1, 2),
    "ece": (None, ECE, 2),
    "ece-groups": (GROUPS, ECE, 2),
}


def single(metric: Metric, model: NDArray[np.generic], groups: Ints | None = None) -> Spread:
    return spread(metric, [model], groups)


@pytest.mark.parametrize("case", CASES)
def test_a_half_width_is_that_of_a_plain_loop(case: str) -> None:
    groups, metric, seeds = CASES[case]
    model = kinds(metric, LABELS, predictions(LABELS, seeds, 0.7, 3))
    found = single(metric, model, groups)
    assert (found.mean([1]), found.half_width([1])) == pytest.approx(plain(metric, [model], [1], groups), rel=1e-4)


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["images", "groups"])
def test_the_half_width_of_a_difference_is_that_of_a_plain_loop(groups: Ints | None) -> None:
    models = [kinds(MACRO_F1, LABELS, predictions(LABELS, 2, right, seed)) for right, seed in ((0.8, 4), (0.5, 5))]
    found = spread(MACRO_F1, models, groups)
    mean, half = plain(MACRO_F1, models, [1, -1], groups)
    assert found.difference() == pytest.approx((max(mean - half, -1), min(mean + half, 1)), rel=1e-6)


def test_the_interval_of_an_accuracy_of_one_seed_is_that_of_wilson() -> None:
    right = np.arange(60) < 45
    low, high = single(ACCURACY, kinds(ACCURACY, LABELS, np.where(right, LABELS, (LABELS + 1) % K)[None])).interval()
    z2, p = t.ppf(0.975, 59) ** 2 / 59, 0.75  # 59: the variance is that of a sample
    arm = np.sqrt(z2 * p * (1 - p) + z2**2 / 4)
    assert (low, high) == pytest.approx(((p + z2 / 2 - arm) / (1 + z2), (p + z2 / 2 + arm) / (1 + z2)))


def test_noise_of_single_predictions_counts_once() -> None:
    # Nothing but this noise: the spreads of seeds, of images and of both are estimates of the same variance.
    right = np.random.default_rng(0).random((50, 4000)) < 0.5
    found = single(ACCURACY, right.astype(np.int64))
    seeds, units, both = (float(part[0, 0]) for part in (found.seeds, found.units, found.both))
    assert (units, both) == pytest.approx((0.25 / 200_000, 0.25 / 200_000), rel=0.1)
    assert found.half_width([1]) == pytest.approx(student(50) * np.sqrt(seeds), rel=0.05)


def test_noise_is_taken_from_the_spread_with_the_smaller_t() -> None:
    few, many = (1.0, 3), (1.0, 100)
    assert half_width(few, many, 0.5) == half_width(many, few, 0.5)
    assert half_width(few, many, 0.5) == pytest.approx(np.sqrt(student(3) ** 2 + 0.5 * student(100) ** 2))


def test_an_interval_has_at_least_the_standard_error_over_units() -> None:
    assert half_width((0.0, 3), (4.0, 100), 4.0) == 2.0


def test_groups_whose_images_agree_give_a_wider_interval() -> None:
    # In each group all images are right or all are wrong: 10 groups say no more than 10 images.
    right = np.repeat(np.arange(10) % 2, 6) == 0
    model = kinds(ACCURACY, LABELS, np.where(right, LABELS, (LABELS + 1) % K)[None])
    images, groups = (single(ACCURACY, model, of).half_width([1]) for of in (None, GROUPS))
    assert groups == pytest.approx(images * np.sqrt(59 / 9) * student(10) / student(60))


def test_groups_of_one_image_each_are_images() -> None:
    model = kinds(ACCURACY, LABELS, predictions(LABELS, 2, 0.7, 3))
    one_each, images = (single(ACCURACY, model, groups).interval() for groups in (np.arange(60), None))
    assert one_each == pytest.approx(images)


def test_images_of_one_group_are_taken_alone_and_the_interval_says_so() -> None:
    model = kinds(ACCURACY, LABELS, predictions(LABELS, 2, 0.7, 3))
    one_group, images = single(ACCURACY, model, 0 * GROUPS), single(ACCURACY, model)
    assert one_group.interval() == images.interval()
    assert (one_group.over, images.over) == ("seeds and images of one group", "seeds and images")


@pytest.mark.parametrize(
    ("seeds", "groups", "over"), [(1, None, "images"), (1, GROUPS, "groups"), (3, GROUPS, "seeds and groups")]
)
def test_an_interval_says_what_it_is_over(seeds: int, groups: Ints | None, over: str) -> None:
    assert single(ACCURACY, kinds(ACCURACY, LABELS, predictions(LABELS, seeds, 0.7, 3)), groups).over == over


def test_the_names_of_groups_do_not_matter() -> None:
    model = kinds(ACCURACY, LABELS, predictions(LABELS, 2, 0.7, 3))
    assert single(ACCURACY, model, GROUPS).interval() == single(ACCURACY, model, 1000 + 7 * GROUPS).interval()


def test_seeds_that_differ_widen_the_interval() -> None:
    good, bad = LABELS, (LABELS + 1) % K
    low, high = single(ACCURACY, kinds(ACCURACY, LABELS, np.stack([good, bad]))).interval()
    assert low < 0.01
    assert high > 0.99


@pytest.mark.parametrize("n", [2, 3, 5, 10, 100])
def test_a_spread_of_n_has_the_t_of_n_minus_1(n: int) -> None:
    assert student(n) == pytest.approx(t.ppf(0.975, n - 1))


def test_a_paired_gain_has_a_narrower_interval_than_two_independent_models() -> None:
    before = predictions(LABELS, 3, 0.6, 3)
    after = before.copy()
    after[:, :6] = LABELS[:6]
    found = spread(ACCURACY, [kinds(ACCURACY, LABELS, side) for side in (after, before)], None)
    assert found.half_width([1, -1]) < 0.6 * np.hypot(found.half_width([1, 0]), found.half_width([0, 1]))


def test_a_model_compared_with_itself_gains_exactly_nothing() -> None:
    model = kinds(ACCURACY, LABELS, predictions(LABELS, 3, 0.6, 3))
    assert spread(ACCURACY, [model, model], GROUPS).difference() == (0, 0)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize(("groups", "count"), [(None, 60), (GROUPS, 10)], ids=["images", "groups"])
def test_an_interval_has_a_width_at_0_and_100_percent(seeds: int, value: int, groups: Ints | None, count: int) -> None:
    same = np.tile(LABELS if value else (LABELS + 1) % K, (seeds, 1))
    low, high = single(ACCURACY, kinds(ACCURACY, LABELS, same), groups).interval()
    width = student(count) ** 2 / (count + student(count) ** 2)
    assert (low, high) == pytest.approx((1 - width, 1) if value else (0, width))


def test_a_gain_of_two_perfect_models_has_a_width() -> None:
    model = kinds(ACCURACY, LABELS, LABELS[None])
    low, high = spread(ACCURACY, [model, model], None).difference()
    assert low < -0.05
    assert high > 0.05


def test_of_one_image_nothing_is_known() -> None:
    assert single(ACCURACY, kinds(ACCURACY, LABELS[:1], LABELS[None, :1])).interval() == (0, 1)


@pytest.mark.parametrize("mean", [0.0, 0.003, 0.5, 1.0])
@pytest.mark.parametrize("half", [0.0, 0.001, 0.3, 2.0, float("inf")])
def test_the_interval_of_a_share_holds_it_and_stays_between_0_and_1(mean: float, half: float) -> None:
    low, high = share_interval(mean, half, 20)
    assert 0 <= low <= mean <= high <= 1
    assert low < high


@pytest.mark.parametrize("metric", [ACCURACY, MACRO_F1, ECE], ids=lambda m: m.name)
@pytest.mark.parametrize("groups", [None, GROUPS], ids=["images", "groups"])
def test_the_order_of_images_does_not_change_the_interval(metric: Metric, groups: Ints | None) -> None:
    model, at = kinds(metric, LABELS, predictions(LABELS, 3, 0.6, 3)), np.random.default_rng(0).permutation(60)
    moved = single(metric, model[:, at], None if groups is None else groups[at]).interval()
    assert moved == pytest.approx(single(metric, model, groups).interval(), abs=1e-6)  # sums of confidences are rounded


def test_a_gain_does_not_depend_on_a_third_model() -> None:
    models = [kinds(BALANCED, LABELS, predictions(LABELS, 3, right, 3)) for right in (0.8, 0.6, 0.9)]
    assert spread(BALANCED, models, GROUPS).difference() == pytest.approx(spread(BALANCED, models[:2], GROUPS).difference())


# Gap closed: the ratio of a gain and a drop.

GAIN, DROP = (1, -1, 0), (0, -1, 1)


def adapted_none_at_home(at_home: float) -> Spread:
    labels = np.arange(600) % K
    models = [predictions(labels, 3, right, seed) for right, seed in ((0.65, 3), (0.5, 4), (at_home, 5))]
    return spread(ACCURACY, [kinds(ACCURACY, labels, model) for model in models], None)


def test_at_the_ends_of_a_ratio_the_interval_of_the_rest_ends_at_0() -> None:
    found = adapted_none_at_home(0.9)
    ends = found.ratio(GAIN, DROP)
    assert ends is not None
    for end in ends:
        rest = [g - end * d for g, d in zip(GAIN, DROP, strict=True)]
        assert abs(found.mean(rest)) == pytest.approx(found.half_width(rest), rel=1e-3)
    assert ends[0] < found.mean(GAIN) / found.mean(DROP) < ends[1]


def test_the_ratio_to_a_drop_that_may_be_zero_has_no_interval() -> None:
    assert adapted_none_at_home(0.52).ratio(GAIN, DROP) is None


# Metrics that are means over classes.


def test_a_class_without_images_leaves_balanced_accuracy_to_the_others() -> None:
    labels = np.array([0, 0, 1, 1] * 5)
    model = kinds(BALANCED, labels, np.where(labels == 0, 0, 2)[None])
    assert point(BALANCED, model) == 0.5


@pytest.mark.parametrize("metric", [BALANCED, MACRO_F1], ids=lambda m: m.name)
def test_a_rare_class_that_is_left_out_changes_neither_value_nor_interval(metric: Metric) -> None:
    labels = np.concatenate([np.arange(60) % 2, [2] * 3])
    predicted = np.concatenate([predictions(labels[:60], 2, 0.7, 3) % 2, np.full((2, 3), 2)], axis=1)
    found = single(metric, kinds(metric, labels, predicted, {2: "c"}))
    without = single(metric, kinds(metric, labels[:60], predicted[:, :60]))
    assert found.mean([1]) == pytest.approx(without.mean([1]))
    assert found.interval() == pytest.approx(without.interval(), rel=0.05)


def test_no_interval_of_balanced_accuracy_reaches_the_value_without_a_class() -> None:
    # Recalls 0.5, 0.5 and 0, the last of 3 images: resamples without them once were at 0.5, where the interval ended.
    labels = np.array([0] * 500 + [1] * 500 + [2] * 3)
    predicted = np.where(np.arange(1003) % 2 == 0, labels, (labels + 1) % K)
    predicted[1000:] = 0
    low, high = single(BALANCED, kinds(BALANCED, labels, predicted[None])).interval()
    assert low < 1 / 3 < high < 0.4


def test_images_of_other_classes_do_not_count_for_a_recall() -> None:
    recall = find_metric("recall:a", CLASSES)
    labels = np.array([0] * 20 + [1] * 500)
    predicted = np.where(np.arange(520) % 2 == 0, labels, 2)
    alone, among = (single(recall, kinds(recall, labels[:n], predicted[None, :n])) for n in (20, 520))
    assert (among.count, among.interval()) == (20, pytest.approx(alone.interval(), rel=0.01))


def test_the_point_is_the_mean_over_seeds() -> None:
    model = np.stack([LABELS, (LABELS + 1) % K, LABELS])
    assert point(ACCURACY, kinds(ACCURACY, LABELS, model)) == pytest.approx(2 / 3)


# How often the truth lies within the interval.

QUICK = ("gain, 3 seeds, 10 subjects, both", "gap closed, 3 seeds", "balanced accuracy, 1 seed, random counts")


@pytest.mark.parametrize("name", QUICK)
def test_intervals_hold_the_truth_about_as_often_as_promised(name: str) -> None:
    held, _ = coverage(SETTINGS[name], 200)
    assert 0.91 <= held <= 0.99


FEW = [n for n in SETTINGS if n.startswith("accuracy, 2 seeds") or "4 raters" in n]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in SETTINGS if n not in FEW])
def test_intervals_hold_the_truth_as_often_as_promised(name: str) -> None:
    held, width = coverage(SETTINGS[name], 1000)
    assert 0.93 <= held <= 0.98
    assert width <= 1.25


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_intervals_of_few_seeds_or_raters_are_wide_rather_than_wrong(name: str) -> None:
    held, width = coverage(SETTINGS[name], 1000)
    assert held >= 0.93
    assert width <= 1.7
