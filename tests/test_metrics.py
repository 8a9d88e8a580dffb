"""Metrics against values worked out by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from dabench.errors import SpecError
from dabench.metrics import METRICS, accuracy, balanced_accuracy, confusions, find_metric, macro_f1, recalls

# True class by predicted class: 4 images of the first, 3 of the second, 2 of the third.
BY_HAND = np.array([[3.0, 1, 0], [1, 2, 0], [1, 0, 1]])


def drawn(seed: int, classes: int = 4, n: int = 60) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return labels and predictions of which about half agree; every class has images."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes)
    return labels, np.where(rng.random(n) < 0.5, labels, rng.integers(0, classes, n))


def test_accuracy_is_the_share_of_the_diagonal() -> None:
    assert accuracy(BY_HAND) == pytest.approx(6 / 9)


def test_recall_is_the_diagonal_over_its_row() -> None:
    assert recalls(BY_HAND) == pytest.approx([3 / 4, 2 / 3, 1 / 2])


def test_balanced_accuracy_is_the_mean_recall() -> None:
    assert balanced_accuracy(BY_HAND) == pytest.approx((3 / 4 + 2 / 3 + 1 / 2) / 3)


def test_macro_f1_is_the_mean_of_each_classes_f1() -> None:
    # TP, FP, FN: (3, 2, 1), (2, 1, 1), (1, 0, 1)
    assert macro_f1(BY_HAND) == pytest.approx((6 / 9 + 4 / 6 + 2 / 3) / 3)


def test_recall_by_name_is_that_of_the_class() -> None:
    assert find_metric("recall:cat", ("ant", "cat", "dog"))(BY_HAND) == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(seed: int) -> None:
    labels, predicted = drawn(seed)
    counts = confusions(labels, predicted[None], 4)[0]
    assert counts == pytest.approx(confusion_matrix(labels, predicted))
    assert accuracy(counts) == pytest.approx(accuracy_score(labels, predicted))
    assert balanced_accuracy(counts) == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert macro_f1(counts) == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert recalls(counts) == pytest.approx(recall_score(labels, predicted, average=None))


def test_a_class_that_is_predicted_but_has_no_images_counts_in_macro_f1_as_scikit_learn_counts_it() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    counts = confusions(labels, predicted[None], 3)[0]
    assert macro_f1(counts) == pytest.approx(f1_score(labels, predicted, average="macro")) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_class_without_images_is_left_out_of_balanced_accuracy() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert balanced_accuracy(confusions(labels, predicted[None], 3)[0]) == pytest.approx((1 / 2 + 1) / 2)


def test_a_class_without_images_has_no_recall() -> None:
    assert np.isnan(recalls(np.array([[2.0, 0], [0, 0]]))).tolist() == [False, True]


def test_every_metric_of_no_images_is_not_a_number() -> None:
    assert all(np.isnan(metric(np.zeros((3, 3)))) for metric in METRICS.values())


def test_metrics_of_many_matrices_at_once_are_those_of_each() -> None:
    stack = np.stack([BY_HAND, BY_HAND.T, np.eye(3)]).reshape(3, 1, 3, 3)
    for metric in METRICS.values():
        assert metric(stack)[:, 0] == pytest.approx([float(metric(BY_HAND)), float(metric(BY_HAND.T)), 1.0])


def test_confusions_count_true_class_by_predicted_class_for_each_row() -> None:
    labels = np.array([0, 0, 1])
    found = confusions(labels, np.array([[0, 1, 1], [1, 1, 0]]), 2)
    assert found.tolist() == [[[1, 1], [0, 1]], [[0, 2], [1, 0]]]


def test_an_unknown_metric_names_the_nearest_and_all_that_there_are() -> None:
    with pytest.raises(SpecError, match=r"did you mean 'accuracy'.*known: accuracy, balanced-accuracy, macro-f1, recall:a"):
        find_metric("acuracy", ("a",))


def test_the_recall_of_an_unknown_class_is_an_unknown_metric() -> None:
    with pytest.raises(SpecError, match="unknown metric 'recall:c'"):
        find_metric("recall:c", ("a", "b"))
