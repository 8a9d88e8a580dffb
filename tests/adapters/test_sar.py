"""SAR: one batch by hand, what it leaves out and when it starts again, and that it gains."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from dabench.adapters.sar import SAR
from dabench.adapters.tent import entropy_of_each
from planted import CPU, SIZE, network, noisy, trainer, view
from torch import nn

from dabench.data.augment import Augmenter
from dabench.errors import PluginError
from dabench.plugins.contract import Augment, View
from dabench.training.network import TorchNetwork
from dabench.training.settings import EvalConfig
from dabench.training.test_stream import StreamPredictor

AUGMENTER = Augmenter(Augment(), SIZE, SIZE, CPU)


def trained(seed: int = 0, steps: int = 150) -> TorchNetwork:
    net = trainer(seed, steps=steps).supervised(network(16, seed), [view("source", 400, 1)])
    assert isinstance(net, TorchNetwork)
    return net


def of_norms(net: TorchNetwork) -> list[nn.Parameter]:
    return [p for m in net.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()]


def test_a_batch_is_the_papers_equations_2_and_4() -> None:
    net, images = trained(steps=40), view("target", 40, 4, noisy).images.float() / 255
    twin = copy.deepcopy(net).train()
    found = SAR(SAR.Options(lr=0.1, radius=0.3, recovery=0.0)).predict(net, images)
    said, parameters, margin = twin(images), of_norms(twin), 0.4 * math.log(5)
    torch.testing.assert_close(found, said.detach(), rtol=1e-4, atol=1e-5)
    entropies = entropy_of_each(said)
    reliable = entropies < margin
    assert 5 < reliable.sum() < 35
    up = torch.autograd.grad(entropies[reliable].mean(), parameters)
    length = torch.cat([g.flatten() for g in up]).norm()
    start = [p.detach().clone() for p in parameters]
    for p, g in zip(parameters, up, strict=True):
        p.data += 0.3 * g / length
    there = entropy_of_each(twin(images))[reliable]
    assert (there < margin).sum() < len(there)
    down = torch.autograd.grad(there[there < margin].mean(), parameters)
    for p, first, g in zip(parameters, start, down, strict=True):
        p.data = first - 0.1 * g
    for (name, one), expected in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-3, atol=1e-5, msg=name)


def test_without_a_reliable_image_nothing_is_learned() -> None:
    net = network(8).eval()
    before = copy.deepcopy(list(net.parameters()))
    SAR(SAR.Options(lr=1.0, margin=1e-3)).predict(net, torch.rand(20, 1, 16, 16))
    assert all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_a_collapsed_network_starts_again() -> None:
    images = view("target", 40, 4, noisy).images.float() / 255
    for recovery, starts_again in ((0.9, True), (0.0, False)):
        net = trained(steps=40)
        before = [p.detach().clone() for p in of_norms(net)]
        SAR(SAR.Options(lr=0.1, recovery=recovery)).predict(net, images)
        assert all(torch.equal(old, new) for old, new in zip(before, of_norms(net), strict=True)) == starts_again


def test_a_network_without_norms_is_refused() -> None:
    plain = TorchNetwork(nn.Sequential(nn.Flatten(), nn.Linear(256, 4)), 4, 5)
    with pytest.raises(PluginError, match="this backbone has none; choose another backbone"):
        SAR().predict(plain, torch.rand(3, 1, 16, 16))


def adapted(lr: float, seed: int, net: TorchNetwork, test: View) -> float:
    """Return the accuracy of SAR on the test stream, in percent."""
    stream = StreamPredictor(lambda: SAR(SAR.Options(lr=lr)), AUGMENTER, EvalConfig(stream_batch=50), "fp32", seed)
    assert test.labels is not None
    return 100 * float((stream.logits(net, test.images.numpy()).argmax(1) == test.labels.numpy()).mean())


def test_its_steps_gain_over_the_statistics_alone() -> None:
    """Seen at seeds 0-5: +0.8 +2.0 +2.5 +0.8 +0.3 +2.1 points."""
    test, gains = view("target", 600, 4, noisy), []
    for seed in (0, 1, 2):
        net = trained(seed)
        gains.append(adapted(1.0, seed, net, test) - adapted(1e-12, seed, net, test))
    assert np.mean(gains) > 0.7
