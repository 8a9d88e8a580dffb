"""SHOT: its losses and pseudo-labels by hand, the frozen classifier, and that it gains without a source."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.shot import SHOT, information
from planted import accuracy, barred, network, target_of, trainer, view

from dabench.training.network import TorchNetwork, adapter_network

SEEDS = (0, 1, 2)


def fresh(seed: int = 0) -> TorchNetwork:
    return adapter_network(SHOT(), network(8, seed))


def test_the_bottleneck_of_the_sweep_takes_the_place_of_its_own() -> None:
    net = adapter_network(SHOT(), TorchNetwork(network(8).encoder, 8, 5, bottleneck=6))
    assert [type(m).__name__ for m in net.encoder.children()][1:] == ["Linear", "BatchNorm1d", "ReLU"]
    assert (net.encoder[1].out_features, net.head.in_features) == (6, 6)  # type: ignore[index]
    assert net(torch.rand(2, 1, 16, 16)).shape == (2, 5)


def test_information_is_the_entropy_of_the_mean_minus_the_mean_entropy() -> None:
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).double()
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    entropy, mean = -(p * np.log(p)).sum(1).mean(), p.mean(0)
    assert float(information(logits)) == pytest.approx(-(mean * np.log(mean)).sum() - entropy)


def test_pseudo_labels_are_the_nearest_centroids() -> None:
    net = SHOT().pretrain(fresh(), [view("source", 100, 1)], trainer(steps=30))
    images = view("target", 40, 3, barred)
    found = SHOT().pseudo_labels(net, images, trainer())
    with torch.no_grad():
        features = net.features(images.images.float() / 255).double().numpy()
        logits = net(images.images.float() / 255).double().numpy()
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for _ in range(2):
        centroids = (share.T @ unit) / np.maximum(share.sum(0), 1e-8)[:, None]
        centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
        scores = np.where(share.sum(0) > 0, unit @ centroids.T, -2)
        labels = scores.argmax(1)
        share = np.eye(5)[labels]
    assert np.array_equal(found.numpy(), labels)


def test_the_classifier_does_not_change() -> None:
    net = SHOT().pretrain(fresh(), [view("source", 100, 1)], trainer(steps=20))
    before = copy.deepcopy(net.head.state_dict())
    adapted = SHOT().adapt(net, (), target_of(view("target", 100, 3, barred)), trainer(steps=20))
    assert all(torch.equal(before[name], value) for name, value in adapted.head.state_dict().items())


def test_shot_gains_without_a_source_and_not_without_its_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen at seeds 0 and 1: none 91 and 94 %, with both losses 99 and 99 %, without them (batch norms alone) 93 and 96 %."""
    source, test = view("source", 400, 1), view("target", 300, 4, barred)
    target, gains, still = target_of(view("target", 400, 3, barred)), [], []
    for seed in SEEDS:
        net = SHOT().pretrain(fresh(seed), [source], trainer(seed, steps=150))
        none = accuracy(net, test)  # type: ignore[arg-type]
        gains.append(accuracy(SHOT().adapt(copy.deepcopy(net), (), target, trainer(seed, steps=150, lr=0.01)), test) - none)  # type: ignore[arg-type]
        with monkeypatch.context() as patch:
            patch.setattr("dabench.adapters.shot.information", lambda logits: 0 * logits.sum())
            adapted = SHOT(SHOT.Options(weight=0.0)).adapt(net, (), target, trainer(seed, steps=150, lr=0.01))
        still.append(accuracy(adapted, test) - none)  # type: ignore[arg-type]
    assert np.mean(gains) > np.mean(still) + 1.5
