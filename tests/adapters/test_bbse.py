"""BBSE: the paper's equation by hand, and that it gains where only the shares of classes differ."""

from __future__ import annotations

import numpy as np
from dabench.adapters.bbse import BBSE
from label_shift import gains_under_label_shift, given

from dabench.plugins.contract import ClassPredictions


def test_the_ratios_solve_the_papers_equation() -> None:
    source, labels = np.eye(2)[[0, 0, 0, 1, 0, 1, 1, 1]], np.array([0, 0, 0, 0, 1, 1, 1, 1])
    target = np.eye(2)[[0, 0, 0, 0, 0, 1, 1, 1]]
    joint, predicted = np.array([[3, 1], [1, 3]]) / 8, np.array([5, 3]) / 8
    expected = np.linalg.inv(joint) @ predicted
    np.testing.assert_allclose(BBSE().ratios(ClassPredictions(np.full(2, 0.5), source, labels, target)), expected)


def test_a_negative_ratio_is_0() -> None:
    source, labels = np.eye(2)[[0, 0, 0, 1, 0, 1, 1, 1]], np.array([0, 0, 0, 0, 1, 1, 1, 1])
    ratios = BBSE().ratios(ClassPredictions(np.full(2, 0.5), source, labels, np.eye(2)[[0] * 8]))
    assert ratios[0] > 1
    assert ratios[1] == 0


def test_it_finds_the_shares_of_a_target() -> None:
    known = given(target_shares=(0.7, 0.2, 0.1))
    np.testing.assert_allclose(BBSE().ratios(known) * known.shares, (0.7, 0.2, 0.1), atol=0.03)


def test_it_gains_under_label_shift() -> None:
    assert np.mean(gains_under_label_shift(BBSE())) > 4  # seen: +7.7, +6.5, +10.5
