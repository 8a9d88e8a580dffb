"""Training on shifted sources gains on a target that differs by such a shift, and only by the shifts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dabench.adapters.augmented import Augmented
from planted import Images, accuracy, network, trainer, view

SEEDS = (0, 1)
STEPS = 150


def slanted(images: Images) -> Images:
    """The planted shift: paler patterns whose rows move sideways, the more the further from the middle."""
    rows = [np.roll(images[:, :, y], round(0.25 * (y - 8)), axis=2) for y in range(images.shape[2])]
    return 0.7 * np.stack(rows, axis=2) + 0.2


def gain(seed: int) -> float:
    """Return the gain over `none` of the same seed, in points."""
    source, test = view("source", 400, 1), view("target", 300, 4, slanted)
    nets = [
        trainer(seed, steps=STEPS).supervised(network(seed=seed), [source]),
        Augmented().pretrain(network(seed=seed), [source], trainer(seed, steps=STEPS)),
    ]
    none, augmented = (accuracy(net, test) for net in nets)
    return augmented - none


def test_augmented_gains_on_slanted_patterns_and_not_without_shifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen at seeds 0-1: none 42 and 44 %, augmented 100 and 100 %."""
    gained = np.mean([gain(seed) for seed in SEEDS])
    monkeypatch.setattr("dabench.data.distortions.shifted", lambda images, generator, each: images)
    assert gained > 30
    assert abs(gain(0)) < 1e-9


def test_every_image_of_a_batch_has_its_own_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def record(images: torch.Tensor, generator: torch.Generator, each: bool) -> torch.Tensor:
        asked.append((len(images), each))
        return images

    monkeypatch.setattr("dabench.data.distortions.shifted", record)
    Augmented().pretrain(network(8), [view("source", 100, 1)], trainer(steps=2, batch=20))
    assert asked == [(20, True), (20, True)]
