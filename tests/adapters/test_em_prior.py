"""EM on class shares: Saerens et al.'s equations by hand, and that it gains where only the shares of classes differ."""

from __future__ import annotations

import numpy as np
from dabench.adapters.em_prior import EMPrior, shares
from label_shift import gains_under_label_shift, given


def test_one_iteration_is_the_papers_two_steps() -> None:
    p, trained = np.array([[0.7, 0.3], [0.2, 0.8], [0.4, 0.6]]), np.array([0.6, 0.4])
    first = p / trained * trained  # the shares begin with those of the labelled images
    expected = (first / first.sum(1, keepdims=True)).mean(0)
    np.testing.assert_allclose(shares(p, trained, 1), expected)
    second = p / trained * expected
    np.testing.assert_allclose(shares(p, trained, 2), (second / second.sum(1, keepdims=True)).mean(0))


def test_it_finds_the_shares_of_a_target_from_exact_probabilities() -> None:
    known = given(target_shares=(0.7, 0.2, 0.1))
    np.testing.assert_allclose(EMPrior().ratios(known) * known.shares, (0.7, 0.2, 0.1), atol=0.02)


def test_it_gains_under_label_shift() -> None:
    assert np.mean(gains_under_label_shift(EMPrior())) > 4  # seen: +6.3, +6.0, +10.7
