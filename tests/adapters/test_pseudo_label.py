"""Pseudo-labels: the loss by hand, its rise, and that it gains."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.pseudo_label import PseudoLabel, confident_cross_entropy
from planted import accuracy, barred, network, target_of, trainer, view

SEEDS = (0, 1, 2)


def test_the_loss_is_the_cross_entropy_with_confident_classes_over_the_batch() -> None:
    logits, teacher = 2 * torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(0)).double()
    log_p, q = (x.numpy() - np.log(np.exp(x.numpy()).sum(1, keepdims=True)) for x in (logits, teacher))
    counted = np.exp(q).max(1) >= 0.7
    assert 5 < counted.sum() < 25
    expected = -(log_p[np.arange(30), q.argmax(1)] * counted).sum() / 30
    assert float(confident_cross_entropy(logits, teacher, 0.7)) == pytest.approx(expected)


def test_no_gradient_goes_through_the_pseudo_labels() -> None:
    teacher = torch.randn(6, 4, requires_grad=True)
    confident_cross_entropy(torch.randn(6, 4, requires_grad=True), teacher, 0.0).backward()
    assert teacher.grad is None


def test_the_weight_rises_and_the_losses_are_recorded_by_name() -> None:
    at, source = trainer(steps=40, lr=1e-6, checkpoints=8), view("source", 64, 1)
    PseudoLabel(PseudoLabel.Options(threshold=0.0)).adapt(network(8), [source], target_of(view("target", 64, 3)), at)
    assert set(at.trace.named) == {"classification", "pseudo-labels"}
    found = [float(loss or 0) for loss in at.trace.named["pseudo-labels"]]
    assert found[0] == 0
    assert np.mean(found[5:15]) / np.mean(found[20:]) == pytest.approx(0.475, abs=0.06)  # the mean of 5/20 to 14/20


@pytest.mark.slow
def test_pseudo_labels_gain_on_barred_patterns_over_the_same_training_without() -> None:
    """Seen at seeds 0-5, against weight 0: +8 +8 +5 +6 +3 +5 points."""
    source, test = view("source", 400, 1), view("target", 300, 4, barred)
    target = target_of(view("target", 400, 3, barred))
    gains = []
    for seed in SEEDS:
        net, found = trainer(seed, steps=150, lr=0.02).supervised(network(8, seed), [source]), []
        for weight in (1.0, 0.0):
            method = PseudoLabel(PseudoLabel.Options(weight=weight))
            found.append(accuracy(method.adapt(copy.deepcopy(net), [source], target, trainer(seed, steps=200, lr=0.02)), test))
        gains.append(found[0] - found[1])
    assert np.mean(gains) > 2
