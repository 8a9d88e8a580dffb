"""Made-up pictures."""

from __future__ import annotations

import numpy as np
import pytest

from dabench.data.imitation import made_up


@pytest.mark.parametrize(("classes", "side"), [(10, 16), (65, 48)])
def test_classes_can_be_told_apart(classes: int, side: int) -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([[made_up(label, rng, side, side) for _ in range(20)] for label in range(classes)], float)
    means = drawn[:, :10].mean(1).reshape(classes, -1)
    seen = drawn[:, 10:].reshape(classes * 10, -1)
    nearest = ((means**2).sum(1) - 2 * seen @ means.T).argmin(1)
    assert np.mean(nearest == np.repeat(np.arange(classes), 10)) > 0.95


def test_no_two_pictures_of_a_class_are_alike() -> None:
    rng = np.random.default_rng(0)
    assert not np.array_equal(made_up(3, rng), made_up(3, rng))


@pytest.mark.parametrize(("channels", "shape"), [(1, (20, 30)), (3, (20, 30, 3))])
def test_size_and_colours_are_as_asked_for(channels: int, shape: tuple[int, ...]) -> None:
    assert made_up(0, np.random.default_rng(0), 20, 30, channels).shape == shape
