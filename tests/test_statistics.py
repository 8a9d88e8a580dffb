"""Bootstrap intervals against a plain loop that draws seeds, groups and images one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dabench.metrics import Metric, accuracy, balanced_accuracy, confusions, find_metric
from dabench.statistics import RESAMPLES, interval, point, resampled

Ints = NDArray[np.int64]
K = 3


def predictions(labels: Ints, seeds: int, right: float, seed: int) -> Ints:
    """Return (S, N) predictions, each right with a probability around `right` that differs from seed to seed."""
    rng = np.random.default_rng(seed)
    chance = right + 0.15 * np.linspace(-1, 1, seeds)[:, None]
    return np.where(rng.random((seeds, len(labels))) < chance, labels, (labels + 1) % K)


def plain(
    labels: Ints, models: list[Ints], groups: Ints | None, metric: Metric, resamples: int, seed: int = 1
) -> NDArray[np.float64]:
    """Return what `resampled` returns, drawing one seed and one group (or image) after the other."""
    rng = np.random.default_rng(seed)
    members = [np.array([i]) for i in range(len(labels))]
    if groups is not None:
        members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    result = np.empty((len(models), resamples))
    for r in range(resamples):
        at = np.concatenate([members[rng.integers(len(members))] for _ in members])
        seeds = [rng.integers(len(models[0])) for _ in range(len(models[0]))]
        for m, model in enumerate(models):
            counts = confusions(labels[at], model[:, at], K)
            result[m, r] = np.mean([metric(counts[s]) for s in seeds])
    return result


LABELS: Ints = np.arange(60) % K
GROUPS: Ints = np.arange(60) // 6
CASES = {
    "images": (None, accuracy, 3),
    "groups": (GROUPS, accuracy, 3),
    "unequal-groups": ((np.arange(60) ** 2 // 400).astype(np.int64), balanced_accuracy, 2),
    "one-seed": (None, balanced_accuracy, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_resampled_values_spread_as_those_of_a_plain_loop(case: str) -> None:
    groups, metric, seeds = CASES[case]
    model = predictions(LABELS, seeds, 0.7, 3)
    fast = resampled(LABELS, [model], groups, metric, K, 4000)[0]
    slow = plain(LABELS, [model], groups, metric, 1500)[0]
    # Standard errors of a mean, a deviation and a 2.5 % quantile of 1,500 draws, four times over.
    deviation = slow.std()
    assert fast.mean() == pytest.approx(slow.mean(), abs=4 * deviation / np.sqrt(1500))
    assert fast.std() == pytest.approx(deviation, rel=0.1)
    assert interval(fast) == pytest.approx(interval(slow), abs=4 * 2.7 * deviation / np.sqrt(1500) + 1 / 60)


def test_the_interval_of_a_difference_spreads_as_that_of_a_plain_loop() -> None:
    models = [predictions(LABELS, 2, 0.8, 4), predictions(LABELS, 2, 0.5, 5)]
    fast, slow = resampled(LABELS, models, GROUPS, accuracy, K, 4000), plain(LABELS, models, GROUPS, accuracy, 1500)
    deviation = (slow[0] - slow[1]).std()
    assert (fast[0] - fast[1]).std() == pytest.approx(deviation, rel=0.1)
    assert interval(fast[0] - fast[1]) == pytest.approx(interval(slow[0] - slow[1]), abs=0.3 * deviation + 1 / 60)


def width(values: NDArray[np.float64]) -> float:
    low, high = interval(values)
    return high - low


def test_groups_whose_images_agree_give_a_wider_interval() -> None:
    # In each group all images are right or all are wrong: 10 groups say no more than 10 images.
    right = np.repeat(np.arange(10) % 2, 6) == 0
    model = np.where(right, LABELS, (LABELS + 1) % K)[None]
    single = resampled(LABELS, [model], None, accuracy, K)[0]
    grouped = resampled(LABELS, [model], GROUPS, accuracy, K)[0]
    assert width(grouped) == pytest.approx(np.sqrt(6) * width(single), rel=0.25)


def test_groups_of_one_image_each_are_images() -> None:
    model = predictions(LABELS, 2, 0.7, 3)
    one_each = resampled(LABELS, [model], np.arange(60), accuracy, K, 4000)[0]
    images = resampled(LABELS, [model], None, accuracy, K, 4000)[0]
    assert one_each.std() == pytest.approx(images.std(), rel=0.08)


def test_the_names_of_groups_do_not_matter() -> None:
    model = predictions(LABELS, 2, 0.7, 3)
    assert np.array_equal(
        resampled(LABELS, [model], GROUPS, accuracy, K), resampled(LABELS, [model], 1000 + 7 * GROUPS, accuracy, K)
    )


def test_seeds_that_differ_widen_the_interval() -> None:
    good, bad = LABELS, (LABELS + 1) % K
    alike = np.stack([good, good])
    assert width(resampled(LABELS, [alike], None, accuracy, K)[0]) == 0
    assert interval(resampled(LABELS, [np.stack([good, bad])], None, accuracy, K)[0]) == (0, 1)


def test_a_paired_gain_has_a_narrower_interval_than_two_models_drawn_apart() -> None:
    before = predictions(LABELS, 3, 0.6, 3)
    after = before.copy()
    after[:, :6] = LABELS[:6]
    paired = resampled(LABELS, [after, before], None, accuracy, K)
    apart = plain(LABELS, [after], None, accuracy, 1000, seed=1)[0] - plain(LABELS, [before], None, accuracy, 1000, seed=2)[0]
    assert width(paired[0] - paired[1]) < 0.6 * width(apart)


def test_a_model_compared_with_itself_gains_exactly_nothing() -> None:
    model = predictions(LABELS, 3, 0.6, 3)
    values = resampled(LABELS, [model, model], GROUPS, accuracy, K)
    assert interval(values[0] - values[1]) == (0, 0)


def test_the_same_predictions_give_the_same_interval_every_time() -> None:
    model = predictions(LABELS, 3, 0.6, 3)
    assert np.array_equal(resampled(LABELS, [model], GROUPS, accuracy, K), resampled(LABELS, [model], GROUPS, accuracy, K))


def test_the_order_of_images_does_not_change_the_interval() -> None:
    model, at = predictions(LABELS, 3, 0.6, 3), np.random.default_rng(0).permutation(60)
    for groups in (None, GROUPS):
        moved = None if groups is None else groups[at]
        a = resampled(LABELS, [model], groups, accuracy, K)
        b = resampled(LABELS[at], [model[:, at]], moved, accuracy, K)
        assert np.array_equal(a, b)


def test_a_class_without_images_leaves_balanced_accuracy_to_the_others() -> None:
    labels = np.array([0, 0, 1, 1] * 5)
    model = np.where(labels == 0, 0, 2)[None]
    assert point(labels, model, balanced_accuracy, K) == 0.5
    assert interval(resampled(labels, [model], None, balanced_accuracy, K)[0]) == pytest.approx((0.5, 0.5))


def test_resamples_that_miss_a_class_are_left_out_of_its_recalls_interval() -> None:
    labels = np.array([0] + [1] * 9)
    recall = find_metric("recall:a", ("a", "b"))
    values = resampled(labels, [labels[None]], None, recall, 2)[0]
    missed = float(np.isnan(values).mean())
    assert missed == pytest.approx(0.9**10, abs=0.05)  # nine of ten draws are of another image, ten times
    assert interval(values) == (1, 1)


def test_the_point_is_the_mean_over_seeds() -> None:
    model = np.stack([LABELS, (LABELS + 1) % K, LABELS])
    assert point(LABELS, model, accuracy, K) == pytest.approx(2 / 3)


def test_an_interval_is_the_middle_95_percent() -> None:
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


def test_any_number_of_resamples_can_be_asked_for() -> None:
    model = predictions(LABELS, 2, 0.6, 3)
    assert resampled(LABELS, [model, model], None, accuracy, K, 501).shape == (2, 501)
    assert resampled(LABELS, [model], None, accuracy, K).shape == (1, RESAMPLES)


def test_the_true_accuracy_lies_within_the_interval_about_as_often_as_promised() -> None:
    # 200 test sets of 100 images, each right with probability 0.7: the interval holds 0.7 in 95 % of them, give or take.
    rng = np.random.default_rng(9)
    labels = np.zeros(100, np.int64)
    held = 0
    for _ in range(200):
        low, high = interval(resampled(labels, [(rng.random(100) > 0.7).astype(np.int64)[None]], None, accuracy, 2, 300)[0])
        held += low <= 0.7 <= high
    assert 0.88 <= held / 200 <= 0.99
