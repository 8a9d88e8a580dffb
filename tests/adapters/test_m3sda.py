"""M3SDA: its moment distance by hand, a classifier for each source, and that it gains from two sources."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from dabench.adapters.m3sda import M3SDA, moment_distance
from planted import CLASSES, Images, accuracy, barred, target_of, trainer, view
from torch import nn

from dabench.training.network import TorchNetwork, adapter_network


def pale(images: Images) -> Images:
    """The second source: less contrast."""
    return 0.7 * images + 0.1


def made(seed: int = 0, sources: int = 2, **options: Any) -> tuple[M3SDA, TorchNetwork]:
    """Return the adapter and its network, without batch norm, whose statistics would adapt it whatever the distance does."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 32), nn.ReLU(),
    )  # fmt: skip
    adapter = M3SDA(M3SDA.Options(**options))
    adapter.source_count = sources
    return adapter, adapter_network(adapter, TorchNetwork(encoder, 32, len(CLASSES)))


@pytest.mark.parametrize("sources", [1, 2, 3])
def test_the_moment_distance_is_the_papers_equation_1(sources: int) -> None:
    generator = torch.Generator().manual_seed(0)
    of = [torch.randn(10, 6, generator=generator).double() for _ in range(sources + 1)]
    *parts, target = [f.numpy() for f in of]
    expected = 0.0
    for k in (1, 2):
        means, goal = [(s**k).mean(0) for s in parts], (target**k).mean(0)
        expected += np.mean([np.linalg.norm(m - goal) for m in means])
        pairs = [np.linalg.norm(means[i] - means[j]) for i in range(sources) for j in range(i)]
        expected += np.mean(pairs) if pairs else 0.0
    assert float(moment_distance(of[:-1], of[-1])) == pytest.approx(expected)


@pytest.mark.parametrize(("beta", "heads"), [(False, 3), (True, 6)])
def test_each_source_has_one_classifier_or_two(beta: bool, heads: int) -> None:
    _, net = made(sources=3, beta=beta)
    assert len(net.head.heads) == heads  # type: ignore[arg-type,union-attr]


def test_a_classifier_learns_its_own_source_only() -> None:
    adapter, net = made()
    batches = [next(trainer().stream([view(name, 40, seed)])) for name, seed in (("one", 1), ("two", 2))]
    features = [net.features(b.images) for b in batches]
    adapter.classified(net, [features[0], 0 * features[1].detach()], batches, trainer()).backward()  # type: ignore[no-untyped-call]
    first, second = net.head.heads  # type: ignore[union-attr]
    assert float(first.weight.grad.abs().sum()) > 0
    assert float(second.weight.grad.abs().sum()) == 0


def test_the_prediction_is_the_mean_of_the_probabilities() -> None:
    _, net = made()
    features = torch.randn(4, 32)
    mean = torch.stack([head(features).softmax(1) for head in net.head.heads]).mean(0)  # type: ignore[union-attr]
    torch.testing.assert_close(net.classify(features).softmax(1), mean)


def test_a_step_without_beta_is_the_papers_equation_2() -> None:
    sources = [view("one", 64, 1), view("two", 64, 2, pale)]
    target = target_of(view("target", 64, 3, barred))
    assert target.unlabelled is not None
    plain = {"momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "lr": 0.05, "batch": 30}
    adapter, net = made(weight=0.5)
    twin = copy.deepcopy(net)
    adapter.adapt(net, sources, target, trainer(steps=1, **plain))
    again = trainer(steps=1, **plain)
    batches = [next(again.stream([v], 10)) for v in [*sources, target.unlabelled]]
    features = [twin.features(b.images) for b in batches]
    losses = [
        nn.functional.cross_entropy(head(f), b.labels)
        for head, f, b in zip(twin.head.heads, features[:2], batches[:2], strict=True)  # type: ignore[union-attr,arg-type]
    ]
    total = sum(losses) + 0.5 * moment_distance(features[:2], features[2])
    parameters = list(twin.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(total, parameters), strict=True):
        parameter.data -= 0.05 * gradient
    for (name, one), other in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [False, True])
def test_m3sda_gains_from_two_sources(beta: bool) -> None:
    sources, test = [view("one", 300, 1), view("two", 300, 2, pale)], view("target", 300, 4, barred)
    target, gains = target_of(view("target", 400, 3, barred)), []
    for seed in range(3):
        adapter, net = made(seed, beta=beta)
        net = adapter.pretrain(net, sources, trainer(seed, steps=150, lr=0.02))  # type: ignore[assignment]
        none, control = copy.deepcopy(net), made(seed, beta=beta, weight=0.0)[0]
        before = accuracy(control.pretrain(none, sources, trainer(seed, steps=200, lr=0.02)), test)  # type: ignore[arg-type]
        gains.append(accuracy(adapter.adapt(net, sources, target, trainer(seed, steps=200, lr=0.02)), test) - before)  # type: ignore[arg-type]
    assert np.mean(gains) > 5
