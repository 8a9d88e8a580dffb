"""AFN: one step by hand, longer features, and that it gains by them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.afn import AFN
from planted import accuracy, barred, shaded, target_of, trainer, view, without_norms
from torch.nn import functional as F

from dabench.training.network import TorchNetwork, adapter_network

SEEDS = (0, 1, 2, 3)


def fresh(seed: int = 0) -> TorchNetwork:
    return adapter_network(AFN(), without_norms(seed))


def test_the_bottleneck_of_the_sweep_takes_the_place_of_its_own() -> None:
    net = adapter_network(AFN(), TorchNetwork(without_norms().encoder, 32, 5, bottleneck=6))
    assert [type(m).__name__ for m in net.encoder.children()][1:] == ["Linear", "BatchNorm1d", "ReLU"]
    assert (net.encoder[1].out_features, net.head.in_features) == (6, 6)  # type: ignore[index]
    assert net(torch.rand(2, 1, 16, 16)).shape == (2, 5)


def test_a_step_is_the_papers() -> None:
    """The gradient of (|f| - (|f|_0 + r))^2 at |f| = |f|_0 is -2 r times that of |f|."""
    source, target = view("source", 64, 1), target_of(view("target", 64, 3, shaded))
    plain = {"momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "lr": 0.1, "batch": 32, "steps": 1}
    net = fresh()
    twin = copy.deepcopy(net).train()
    AFN(AFN.Options(weight=0.3, radius=2)).adapt(net, [source], target, trainer(**plain))
    again = trainer(**plain)
    assert target.unlabelled is not None
    ours, theirs = (next(again.stream([v], 16)) for v in (source, target.unlabelled))
    features = [twin.features(batch.images) for batch in (ours, theirs)]  # batch norm sees each domain by itself
    lengths = [f.square().sum(1).sqrt().mean() for f in features]
    classified = F.cross_entropy(twin.head(features[0]), ours.require_labels())
    parameters = list(twin.parameters())
    gradients = torch.autograd.grad(classified - 0.3 * 2 * 2 * (lengths[0] + lengths[1]), parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.data -= 0.1 * gradient
    for (name, one), other in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, msg=name)


def test_the_loss_of_lengths_is_always_twice_weight_times_the_squared_radius() -> None:
    at = trainer(steps=4)
    AFN(AFN.Options(weight=0.3, radius=2)).adapt(fresh(), [view("source", 64, 1)], target_of(view("target", 64, 3)), at)
    assert set(at.trace.named) == {"classification", "lengths"}
    assert np.allclose(at.trace.named["lengths"], 0.3 * 2 * 4, rtol=1e-5)


@pytest.mark.slow
def test_afn_gains_by_longer_features_on_barred_patterns() -> None:
    """Seen at seeds 0-5, over weight 0, which shares network and steps: +4 +14 +10 +5 +6 +13 points; each reaches 100 %."""
    source, test = view("source", 400, 1), view("target", 300, 4, barred)
    target, gains = target_of(view("target", 400, 3, barred)), []
    for seed in SEEDS:
        net, found = AFN().pretrain(fresh(seed), [source], trainer(seed, steps=150, lr=0.02)), []
        for weight in (0.05, 0.0):
            method, at = AFN(AFN.Options(weight=weight)), trainer(seed, steps=200, lr=0.02)
            found.append(accuracy(method.adapt(copy.deepcopy(net), [source], target, at), test))  # type: ignore[arg-type]
        gains.append(found[0] - found[1])
    assert np.mean(gains) > 4
