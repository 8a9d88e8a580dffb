"""MCC: its confusion by hand, and that it gains by it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.mcc import MCC, class_confusion
from planted import accuracy, network, noisy, target_of, trainer, view, without_norms

SEEDS = (0, 1, 2)


def test_the_confusion_is_the_papers() -> None:
    logits = 3 * torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = np.exp(logits.numpy() / 2.5) / np.exp(logits.numpy() / 2.5).sum(1, keepdims=True)
    w = 1 + np.exp((p * np.log(p)).sum(1))
    c = p.T @ np.diag(9 * w / w.sum()) @ p
    c = c / c.sum(1, keepdims=True)
    expected = sum(c[j, k] for j in range(4) for k in range(4) if j != k) / 4
    assert float(class_confusion(logits, 2.5)) == pytest.approx(expected, rel=1e-6)


def test_the_confusion_and_its_gradient_are_those_of_pytorch_adapt() -> None:
    from pytorch_adapt.layers import MCCLoss

    ours = 3 * torch.randn(9, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    theirs = ours.clone().requires_grad_()
    ours.requires_grad_()
    found, expected = class_confusion(ours, 2.5), MCCLoss(T=2.5)(theirs)
    found.backward()
    expected.backward()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert ours.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


def test_certain_predictions_have_no_confusion_and_a_finite_gradient() -> None:
    logits = (1e4 * torch.eye(4)[[0, 1, 1, 2]]).requires_grad_()  # no image of the last class: its probability is exactly 0
    confusion = class_confusion(logits, 1.0)
    confusion.backward()  # type: ignore[no-untyped-call]
    assert float(confusion.detach()) == 0
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


@pytest.mark.slow
def test_mcc_gains_by_its_confusion_on_noisy_patterns() -> None:
    """Seen at seeds 0-5, over weight 0, which shares batch norms and steps: +22 +18 +24 +7 +25 +10 points."""
    source, test = view("source", 400, 1), view("target", 300, 4, noisy)
    target, gains = target_of(view("target", 400, 3, noisy)), []
    for seed in SEEDS:
        net, found = trainer(seed, steps=150, lr=0.02).supervised(network(8, seed), [source]), []
        for weight in (1.0, 0.0):
            method, at = MCC(MCC.Options(weight=weight)), trainer(seed, steps=200, lr=0.02)
            found.append(accuracy(method.adapt(copy.deepcopy(net), [source], target, at), test))  # type: ignore[arg-type]
        gains.append(found[0] - found[1])
    assert np.mean(gains) > 8


def test_its_losses_are_recorded_by_name() -> None:
    at = trainer(steps=2)
    MCC().adapt(without_norms(), [view("source", 64, 1)], target_of(view("target", 64, 3)), at)
    assert set(at.trace.named) == {"classification", "confusion"}
