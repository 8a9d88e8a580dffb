"""Metrics against values worked out by hand and against scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from dabench.analysis.attributes import AttributeBins, bin_attributes
from dabench.analysis.intervals import of_seeds
from dabench.analysis.metrics import BINS, Metric, SeedPredictions, calibration_error, confusions, find_metric, rare_classes
from dabench.errors import SpecError

CLASSES = ("ant", "cat", "dog", "elk")
NAMES = ("accuracy", "balanced-accuracy", "macro-f1", "recall:cat")

# True class by predicted class: 4 images of the first, 3 of the second, 2 of the third.
BY_HAND = np.array([[3, 1, 0], [1, 2, 0], [1, 0, 1]])


def outcome(
    labels: Sequence[int] | NDArray[np.int64],
    predicted: Sequence[int] | NDArray[np.int64],
    confidence: Sequence[float] | None = None,
    parts: Mapping[str, AttributeBins] | None = None,
) -> SeedPredictions:
    """Return the outcome of one seed, or of several where `predicted` is of several."""

    def confidences() -> NDArray[Any]:
        assert confidence is not None, "the metric asked for confidences"
        return np.atleast_2d(np.array(confidence, dtype=np.float32))

    return SeedPredictions(np.array(labels), np.atleast_2d(predicted), confidences, parts or {})


def score(metric: str | Metric, of: SeedPredictions, classes: Sequence[str] = CLASSES) -> float:
    """Return the metric of the first seed."""
    found = find_metric(metric, classes, of.parts) if isinstance(metric, str) else metric
    return float(of_seeds(found, found.encode(of))[0])


def by_hand() -> SeedPredictions:
    """Return the images that BY_HAND counts."""
    pairs = [(true, predicted) for true, predicted in np.ndindex(3, 3) for _ in range(BY_HAND[true, predicted])]
    return outcome(*np.array(pairs).T)


def drawn(seed: int, classes: int = 4, n: int = 60) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return labels and predictions of which about half agree; every class has images."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes)
    return labels, np.where(rng.random(n) < 0.5, labels, rng.integers(0, classes, n))


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("accuracy", 6 / 9),
        ("recall:ant", 3 / 4),
        ("recall:cat", 2 / 3),
        ("recall:dog", 1 / 2),
        ("balanced-accuracy", (3 / 4 + 2 / 3 + 1 / 2) / 3),
        # TP, FP, FN: (3, 2, 1), (2, 1, 1), (1, 0, 1)
        ("macro-f1", (6 / 9 + 4 / 6 + 2 / 3) / 3),
    ],
)
def test_a_metric_is_what_it_is_worked_out_by_hand(metric: str, value: float) -> None:
    assert score(metric, by_hand(), CLASSES[:3]) == pytest.approx(value)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(seed: int) -> None:
    labels, predicted = drawn(seed)
    of = outcome(labels, predicted)
    assert confusions(labels, predicted[None], 4)[0] == pytest.approx(confusion_matrix(labels, predicted))
    assert score("accuracy", of) == pytest.approx(accuracy_score(labels, predicted))
    assert score("balanced-accuracy", of) == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert score("macro-f1", of) == pytest.approx(f1_score(labels, predicted, average="macro"))
    recalls = [score(f"recall:{name}", of) for name in CLASSES]
    assert recalls == pytest.approx(recall_score(labels, predicted, average=None))


def test_a_class_that_is_predicted_but_has_no_images_counts_in_macro_f1_as_scikit_learn_counts_it() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    expected = f1_score(labels, predicted, average="macro")
    assert score("macro-f1", outcome(labels, predicted)) == pytest.approx(expected) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_class_without_images_is_left_out_of_balanced_accuracy() -> None:
    assert score("balanced-accuracy", outcome([0, 0, 1, 1], [0, 2, 1, 1])) == pytest.approx((1 / 2 + 1) / 2)


def test_a_class_without_images_has_no_recall() -> None:
    of = outcome([0, 0, 2], [0, 1, 1])
    assert score("recall:ant", of) == 0.5
    assert np.isnan(score("recall:cat", of))


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_of_no_images_is_not_a_number(name: str) -> None:
    metric = find_metric(name, CLASSES)
    sums = metric.tally(metric.encode(by_hand())[0]).sum(0)
    assert np.isnan(metric.value(np.zeros_like(sums, dtype=np.float64)))


@pytest.mark.parametrize("name", NAMES)
def test_metrics_of_many_sums_at_once_are_those_of_each(name: str) -> None:
    metric = find_metric(name, CLASSES)
    kinds = metric.encode(outcome(drawn(0)[0], [drawn(seed)[1] for seed in range(6)]))
    sums = metric.tally(kinds).sum(1).astype(np.float64)
    assert metric.value(sums.reshape(2, 3, -1)).ravel() == pytest.approx([float(metric.value(row)) for row in sums])


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_that_asks_for_no_confidence_is_given_none(name: str) -> None:
    assert np.isfinite(score(name, outcome(*drawn(1))))  # `outcome` fails where confidences are asked for


def test_confusions_count_true_class_by_predicted_class_for_each_row() -> None:
    labels = np.array([0, 0, 1])
    found = confusions(labels, np.array([[0, 1, 1], [1, 1, 0]]), 2)
    assert found.tolist() == [[[1, 1], [0, 1]], [[0, 2], [1, 0]]]


def test_the_calibration_error_is_the_distance_of_confidence_from_accuracy_bin_by_bin() -> None:
    # Four images with confidence 0.9, three right: 0.15 apart. One with 0.5, wrong: 0.5 apart.
    of = outcome([0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [0.9, 0.9, 0.9, 0.9, 0.5])
    assert score("ece", of) == pytest.approx(4 / 5 * 0.15 + 1 / 5 * 0.5)


def test_within_a_bin_too_high_and_too_low_confidences_make_up_for_each_other_and_across_bins_they_do_not() -> None:
    labels, right, wrong = [0, 0], [0, 0], [0, 1]
    assert score("ece", outcome(labels, right, [1, 1])) == 0
    assert score("ece", outcome(labels, wrong, [0.5, 0.5])) == pytest.approx(0)
    assert score("ece", outcome(labels, wrong, [0.45, 0.55])) == pytest.approx((0.55 + 0.55) / 2)


def test_a_bin_holds_its_upper_edge_and_not_its_lower_one() -> None:
    # 0.6 is the upper edge of bin 9: it shares a bin with 0.5999, where right and wrong make up for each other, not with 0.6001.
    together, apart = (score("ece", outcome([0, 0], [0, 1], [0.6, other])) for other in (0.5999, 0.6001))
    assert together == pytest.approx(0.1, abs=1e-3)
    assert apart == pytest.approx((0.4 + 0.6) / 2, abs=1e-3)


def test_the_calibration_error_is_that_of_a_plain_loop_over_fifteen_bins() -> None:
    rng = np.random.default_rng(0)
    labels, confidence = rng.integers(0, 4, 500), rng.uniform(0.25, 1, 500)
    predicted = np.where(rng.random(500) < confidence**2, labels, (labels + 1) % 4)
    expected = 0.0
    for m in range(1, BINS + 1):
        at = (confidence > (m - 1) / 15) & (confidence <= m / 15)
        if at.any():
            expected += at.mean() * abs((predicted == labels)[at].mean() - confidence[at].mean())
    assert score("ece", outcome(labels, predicted, confidence.tolist())) == pytest.approx(expected, abs=1e-6)


def test_of_the_calibration_error_alone_less_is_better() -> None:
    assert [n for n in (*NAMES, "ece") if find_metric(n, CLASSES).lower_is_better] == ["ece"]
    assert calibration_error().better(-0.1)
    assert not calibration_error().better(0.1)
    assert not find_metric("accuracy", CLASSES).better(0.0)


def with_parts(wrong: Mapping[str, int], size: int = 40, groups: NDArray[np.int64] | None = None) -> SeedPredictions:
    """Return an outcome in which `wrong` images of each part of "sex" are wrong."""
    sex = np.repeat(list(wrong), size)
    predicted = np.concatenate([np.arange(size) < n for n in wrong.values()]).astype(np.int64)
    return outcome(np.zeros(len(sex), np.int64), predicted, None, bin_attributes({"sex": sex}, groups)[0])


def test_the_worst_group_is_the_part_with_the_lowest_accuracy() -> None:
    assert score("worst-group:sex", with_parts({"f": 10, "m": 30, "x": 20})) == pytest.approx(10 / 40)


def test_a_part_of_too_few_images_or_of_one_subject_is_not_the_worst_group() -> None:
    few = with_parts({"f": 1, "m": 2}, size=29)
    assert np.isnan(score("worst-group:sex", few))
    subjects = np.concatenate([np.arange(40) % 2, np.full(40, 2)])  # all of m are one subject
    assert score("worst-group:sex", with_parts({"f": 10, "m": 30}, groups=subjects)) == pytest.approx(30 / 40)


def test_where_a_test_set_lacks_the_attribute_there_is_no_worst_group() -> None:
    metric = find_metric("worst-group:age", CLASSES, ["age"])
    assert np.isnan(score(metric, with_parts({"f": 1, "m": 2})))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "acuracy",
            "did you mean 'accuracy'.*known: accuracy, balanced-accuracy, macro-f1, ece, recall:a, recall:b, worst-group:age",
        ),
        ("recall:c", "unknown metric 'recall:c'"),
        ("worst-group:agee", "did you mean 'worst-group:age'"),
        ("worst-group:sex", "unknown metric 'worst-group:sex'.*worst-group:age"),
    ],
)
def test_an_unknown_metric_names_the_nearest_and_all_that_there_are(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        find_metric(name, ("a", "b"), ["age"])


def test_where_no_attribute_makes_groups_it_is_said_why_there_is_no_worst_group() -> None:
    with pytest.raises(SpecError, match=r"worst-group: no attribute has a bin with enough images"):
        find_metric("worst-group:age", ("a", "b"))


@pytest.mark.parametrize(
    ("counts", "rare"),
    [
        ((50, 40, 3, 100), {2: "c"}),
        ((30, 29, 30, 0), {1: "b", 3: "d"}),
        ((100, 5, 5, 5), {}),  # fewer than two classes would be left
    ],
)
def test_a_class_with_under_30_images_is_rare(counts: tuple[int, ...], rare: dict[int, str]) -> None:
    assert rare_classes(np.repeat(np.arange(4), counts), None, "abcd") == rare


def test_a_class_with_under_10_groups_is_rare_where_others_have_more() -> None:
    labels, groups = np.repeat(np.arange(3), 40), np.concatenate([np.arange(40) % 20, np.arange(40) % 10, np.arange(40) % 9])
    assert rare_classes(labels, groups, "abc") == {2: "c"}
    assert rare_classes(labels, groups % 5, "abc") == {}  # such as a test set of five fonts: no class has more than five


def test_images_of_a_rare_class_still_count_against_the_class_they_are_taken_for() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 2]), np.array([[0, 0, 1, 1, 0]])
    metric = find_metric("macro-f1", "abc")
    kinds = metric.encode(SeedPredictions(labels, predicted, lambda: predicted, rare={2: "c"}))
    assert of_seeds(metric, kinds)[0] == pytest.approx((2 * 2 / 5 + 1) / 2)
