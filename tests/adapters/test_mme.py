"""MME: its classifier, the direction of both gradients of the entropy, and that it gains over its shots alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.mme import MME
from planted import accuracy, barred, network, noisy, target_of, trainer, view
from torch.nn import functional as F

from dabench.training.network import TorchNetwork, adapter_network


def fresh(seed: int = 0) -> TorchNetwork:
    return adapter_network(MME(), network(8, seed))


def test_the_classifier_is_that_of_normalised_features() -> None:
    net = fresh()
    features = torch.randn(3, net.head.in_features)
    expected = features / features.norm(dim=1, keepdim=True) @ net.head.weight.T / 0.05
    torch.testing.assert_close(net.classify(features), expected)
    assert net.head.bias is None


def test_a_step_raises_the_entropy_by_the_classifier_and_lowers_it_by_the_encoder() -> None:
    """One step of plain descent, equal to both objectives by hand."""
    source, train = view("source", 64, 1), view("target", 64, 3, barred)
    target = target_of(train, shots=4)
    plain = {"momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "lr": 0.01, "batch": 32}
    net = fresh()
    twin = copy.deepcopy(net).train()
    MME(MME.Options(weight=0.5)).adapt(net, [source], target, trainer(steps=1, **plain))
    again = trainer(steps=1, **plain)
    assert target.shots is not None
    assert target.unlabelled is not None
    first, few, many = (
        next(again.stream(views, n)) for views, n in (([source], 8), ([target.shots], 8), ([target.unlabelled], 16))
    )
    classified = sum(F.cross_entropy(twin(b.images), b.require_labels()) for b in (first, few)) / 2
    logits = twin(many.images)
    entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
    encoder, head = list(twin.encoder.parameters()), list(twin.head.parameters())
    down = torch.autograd.grad(classified + 0.5 * entropy, encoder, retain_graph=True)
    up = torch.autograd.grad(classified - 0.5 * entropy, head)
    for parameter, gradient in zip([*encoder, *head], [*down, *up], strict=True):
        parameter.data -= 0.01 * gradient
    for (name, one), other in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.slow
def test_mme_gains_more_than_its_labels_alone() -> None:
    source, test = view("source", 400, 1), view("target", 300, 4, noisy)
    target, gains = target_of(view("target", 400, 3, noisy), shots=1), []
    for seed in range(4):
        net = MME().pretrain(fresh(seed), [source], trainer(seed, steps=150, lr=0.02))
        found = []
        for weight in (0.3, 0.0):
            method, at = MME(MME.Options(weight=weight)), trainer(seed, steps=200, lr=0.01)
            found.append(accuracy(method.adapt(copy.deepcopy(net), [source], target, at), test))  # type: ignore[arg-type]
        gains.append(found[0] - found[1])
    assert np.mean(gains) > 1  # seen: 3.8 over seven seeds (-5.4 to 13.6); with the sign of the entropy turned, -7.3 over four
