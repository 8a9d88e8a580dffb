"""MCD: its three steps by hand, and that it gains by them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from dabench.adapters.mcd import MCD, discrepancy
from planted import accuracy, barred, network, target_of, trainer, view

from dabench.training.network import TorchNetwork, adapter_network

SEEDS = (0, 1, 2)


def fresh(seed: int = 0) -> TorchNetwork:
    return adapter_network(MCD(), network(8, seed))


def test_the_discrepancy_is_the_mean_absolute_difference() -> None:
    net, images = fresh(), torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = net.eval().features(images).numpy()
        found = float(discrepancy(net, images))
    p = []
    for head in net.head.heads:  # type: ignore[union-attr]
        logits = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
        p.append(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
    assert found == pytest.approx(np.abs(p[0] - p[1]).mean(), rel=1e-5)


def test_the_logits_are_the_mean_of_both_classifiers() -> None:
    net, features = fresh(), torch.randn(4, 8 * 4)
    features = torch.randn(4, net.head.in_features)
    both = torch.stack([head(features) for head in net.head.heads])  # type: ignore[union-attr]
    torch.testing.assert_close(net.classify(features), both.mean(0))


def by_hand(net: TorchNetwork, source: Any, other: Any, lr: float, repeats: int) -> TorchNetwork:
    """Do steps A, B and C with plain gradient descent, on copies of the batches."""
    encoder, heads = list(net.encoder.parameters()), list(net.head.parameters())

    def descend(loss: torch.Tensor, parameters: list[torch.nn.Parameter]) -> None:
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.data -= lr * gradient

    def classified() -> torch.Tensor:
        features = net.features(source.images)
        both = net.head.heads  # type: ignore[union-attr]
        return sum(torch.nn.functional.cross_entropy(head(features), source.labels) for head in both)  # type: ignore[return-value]

    descend(classified(), encoder + heads)
    descend(classified() - discrepancy(net, other.images), heads)
    for _ in range(repeats):
        descend(discrepancy(net, other.images), encoder)
    return net


def test_a_step_is_the_papers_three_steps() -> None:
    source, target = view("source", 64, 1), target_of(view("target", 64, 3, barred))
    plain = {"momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "lr": 0.1, "batch": 32}
    at, net = trainer(steps=1, **plain), fresh()
    assert target.unlabelled is not None
    twin = copy.deepcopy(net).train()
    adapted = MCD(MCD.Options(encoder_steps=2)).adapt(net, [source], target, at)
    again = trainer(steps=1, **plain)
    batches = next(again.stream([source], 16)), next(again.stream([target.unlabelled], 16))
    expected = by_hand(twin, *batches, 0.1, 2)
    for (name, one), other in zip(adapted.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
def test_mcd_gains_by_its_discrepancy() -> None:
    """Against the same training without steps B and C, which shares everything else."""
    source, test = view("source", 400, 1), view("target", 300, 4, barred)
    target = target_of(view("target", 400, 3, barred))
    gains = []
    for seed in SEEDS:
        net = MCD().pretrain(fresh(seed), [source], trainer(seed, steps=150, lr=0.02))
        none = accuracy(MCD().pretrain(copy.deepcopy(net), [source], trainer(seed, steps=200, lr=0.02)), test)  # type: ignore[arg-type]
        adapted = MCD().adapt(net, [source], target, trainer(seed, steps=200, lr=0.02))
        gains.append(accuracy(adapted, test) - none)  # type: ignore[arg-type]
    assert np.mean(gains) > 5


def test_its_losses_are_recorded_by_name() -> None:
    at, source = trainer(steps=4), view("source", 64, 1)
    MCD().adapt(fresh(), [source], target_of(view("target", 64, 3)), at)
    assert set(at.trace.named) == {"classification", "discrepancy"}
