"""JAN: its joint discrepancy by hand, and that it gains by it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.jan import JAN, joint_mmd
from planted import accuracy, shaded, target_of, trainer, view, without_norms

SEEDS = (0, 1, 2)


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features and probabilities of 12 images."""
    generator = torch.Generator().manual_seed(seed)
    x, z = (torch.randn(12, size, generator=generator, dtype=torch.float64) for size in (6, 4))
    return x, z.softmax(1)


def kernel(x: np.ndarray) -> np.ndarray:
    distances = np.square(x[:, None] - x[None]).sum(2)
    return np.exp(-distances / np.sort(distances, axis=None)[(distances.size - 1) // 2])


def test_the_discrepancy_is_that_of_the_product_of_both_kernels() -> None:
    x, p = drawn(0)
    k = kernel(x.numpy()) * kernel(p.numpy())
    source, target = (k[a, a] for a in (slice(5), slice(5, 12)))
    expected = (source.sum() - 5) / 20 + (target.sum() - 7) / 42 - 2 * k[:5, 5:].mean()  # the diagonals are 1
    assert float(joint_mmd(x, p, 5)) == pytest.approx(expected, rel=1e-4)


def test_it_sees_a_change_of_the_pairing_alone() -> None:
    """Features and probabilities that each have equal distributions, but other pairs."""
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    p, other = torch.stack([x[:, 0] > 0, x[:, 0] <= 0], 1).float(), torch.stack([x[:, 0] <= 0, x[:, 0] > 0], 1).float()
    again = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))
    same = torch.stack([again[:, 0] > 0, again[:, 0] <= 0], 1).float()
    both = torch.cat([x, again])
    assert abs(float(joint_mmd(both, torch.cat([p, same]), 400))) < 0.01
    assert float(joint_mmd(both, torch.cat([other, same]), 400)) > 0.05


@pytest.mark.slow
def test_jan_gains_on_shaded_patterns_and_not_without_weight() -> None:
    """Seen at seeds 0-5, against none: weight 1 +28 +24 +18 +15 +27 +24 points; weight 0 +4 0 -4 -5 +1 +4."""
    source, test = view("source", 400, 1), view("target", 300, 4, shaded)
    target = target_of(view("target", 400, 3, shaded))
    gains: dict[float, list[float]] = {1.0: [], 0.0: []}
    for seed in SEEDS:
        net = trainer(seed, steps=150, lr=0.02).supervised(without_norms(seed), [source])
        none = accuracy(net, test)  # type: ignore[arg-type]
        for weight, found in gains.items():
            method, at = JAN(JAN.Options(weight=weight)), trainer(seed, steps=200, lr=0.02)
            found.append(accuracy(method.adapt(copy.deepcopy(net), [source], target, at), test) - none)  # type: ignore[arg-type]
    assert np.mean(gains[1.0]) > 12
    assert np.mean(gains[0.0]) < 4


def test_its_losses_are_recorded_by_name() -> None:
    at = trainer(steps=2)
    JAN().adapt(without_norms(), [view("source", 64, 1)], target_of(view("target", 64, 3)), at)
    assert set(at.trace.named) == {"classification", "discrepancy"}
