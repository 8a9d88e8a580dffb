"""DAN: its kernels and its discrepancy by hand, and that it gains by them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.dan import DAN, MULTIPLES, gaussian_kernel, squared_mmd
from planted import accuracy, shaded, target_of, trainer, view, without_norms

SEEDS = (0, 1, 2)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(x: np.ndarray, multiples: tuple[float, ...]) -> np.ndarray:
    """The mean of Gaussian kernels in float64, their bandwidths multiples of the lower median of squared distances."""
    distances = np.square(x[:, None] - x[None]).sum(2)
    median = np.sort(distances, axis=None)[(distances.size - 1) // 2]
    return np.mean([np.exp(-distances / (m * median)) for m in multiples], axis=0)


def test_there_are_33_bandwidths_from_2_to_the_minus_8_to_2_to_the_8() -> None:
    assert np.allclose(np.log2(MULTIPLES), np.linspace(-8, 8, 33))


@pytest.mark.parametrize("multiples", [(1,), MULTIPLES])
@pytest.mark.parametrize("away", [0, 100])
def test_the_kernel_is_the_mean_of_gaussians_also_far_from_zero(multiples: tuple[float, ...], away: float) -> None:
    x = drawn(9, 6) + away
    with torch.autocast("cpu", torch.bfloat16):
        found = gaussian_kernel(x, multiples)
    assert np.allclose(found.numpy(), by_hand(x.double().numpy(), multiples), atol=1e-4)


def test_the_discrepancy_is_the_unbiased_estimate() -> None:
    k = by_hand(drawn(9, 6).double().numpy(), MULTIPLES)
    pairs = {
        (a, b): [k[i, j] for i in range(9) for j in range(9) if i != j and (i < 4, j < 4) == (a, b)]
        for a in (True, False)
        for b in (True, False)
    }
    expected = np.mean(pairs[True, True]) + np.mean(pairs[False, False]) - 2 * np.mean(pairs[True, False])
    assert float(squared_mmd(torch.from_numpy(k), 4)) == pytest.approx(expected, rel=1e-12)


def test_the_discrepancy_is_that_of_pytorch_adapt() -> None:
    from pytorch_adapt.layers import MMDLoss

    x, scales = drawn(12, 6).double(), torch.tensor(MULTIPLES).double()
    distances = torch.cdist(x, x).square()
    theirs = MMDLoss(kernel_scales=1 / scales, mmd_type="quadratic", bandwidth=float(distances.median()))
    assert float(squared_mmd(gaussian_kernel(x, MULTIPLES), 5)) == pytest.approx(float(theirs(x[:5], x[5:])), rel=1e-4)


def test_equal_features_have_a_finite_gradient() -> None:
    x = torch.ones(8, 3, requires_grad=True)
    squared_mmd(gaussian_kernel(x, MULTIPLES), 4).backward()
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


@pytest.mark.slow
def test_dan_gains_on_shaded_patterns_and_not_without_weight() -> None:
    """Seen at seeds 0-5, against none: weight 1 +28 +22 +18 +16 +26 +24 points; weight 0 +4 0 -4 -5 +1 +4."""
    source, test = view("source", 400, 1), view("target", 300, 4, shaded)
    target = target_of(view("target", 400, 3, shaded))
    gains: dict[float, list[float]] = {1.0: [], 0.0: []}
    for seed in SEEDS:
        net = trainer(seed, steps=150, lr=0.02).supervised(without_norms(seed), [source])
        none = accuracy(net, test)  # type: ignore[arg-type]
        for weight, found in gains.items():
            method, at = DAN(DAN.Options(weight=weight)), trainer(seed, steps=200, lr=0.02)
            found.append(accuracy(method.adapt(copy.deepcopy(net), [source], target, at), test) - none)  # type: ignore[arg-type]
    assert np.mean(gains[1.0]) > 12
    assert np.mean(gains[0.0]) < 4


def test_its_losses_are_recorded_by_name() -> None:
    at = trainer(steps=2)
    DAN().adapt(without_norms(), [view("source", 64, 1)], target_of(view("target", 64, 3)), at)
    assert set(at.trace.named) == {"classification", "discrepancy"}
