"""TENT: one batch by hand, what it may change, and that it gains on a shifted stream."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dabench.adapters.tent import TENT, entropy
from planted import CPU, SIZE, Images, network, noisy, trainer, view
from torch import nn

from dabench.data.augment import Augmenter
from dabench.errors import PluginError
from dabench.plugins.contract import Augment, View
from dabench.training.evaluate import logits
from dabench.training.network import TorchNetwork
from dabench.training.settings import EvalConfig
from dabench.training.test_stream import StreamPredictor

AUGMENTER = Augmenter(Augment(), SIZE, SIZE, CPU)


def dark(images: Images) -> Images:
    """The planted shift: little light."""
    return 0.25 * images


def right(found: np.ndarray, test: View) -> float:
    assert test.labels is not None
    return 100 * float((found.argmax(1) == test.labels.numpy()).mean())


def test_entropy_is_that_of_the_predictions() -> None:
    p = np.array([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    assert float(entropy(torch.from_numpy(np.log(p)))) == pytest.approx(-(p * np.log(p)).sum(1).mean())


def test_the_first_batch_is_predicted_by_its_own_statistics_and_then_one_step_is_taken() -> None:
    net, images = network(8).eval(), torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    twin, method = copy.deepcopy(net).train(), TENT(TENT.Options(lr=0.01))
    found = method.predict(net, images)
    expected = twin(images)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)
    norms = [m for m in twin.modules() if isinstance(m, nn.BatchNorm2d)]
    parameters = [p for norm in norms for p in norm.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    entropy(expected).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    for (name, one), other in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4, msg=name)


def test_only_weights_and_biases_of_norms_change() -> None:
    net = network(8).eval()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    method = TENT(TENT.Options(lr=0.1))
    for _ in range(2):
        method.predict(net, torch.rand(20, 1, 16, 16))
    inside = {f"{name}.{p}" for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d) for p in ("weight", "bias")}
    assert {name for name, p in net.named_parameters() if not torch.equal(p, before[name])} == inside


def test_a_network_without_norms_is_refused() -> None:
    plain = TorchNetwork(nn.Sequential(nn.Flatten(), nn.Linear(256, 4)), 4, 5)
    with pytest.raises(PluginError, match="this backbone has none; choose another backbone"):
        TENT().predict(plain, torch.rand(3, 1, 16, 16))


def test_tent_gains_on_a_shifted_stream() -> None:
    source, test = view("source", 400, 1), view("target", 300, 4, dark)
    gains = [adapted(1e-3, seed, source, test) - unadapted(seed, source, test) for seed in range(3)]
    assert np.mean(gains) > 10


def test_its_steps_gain_over_the_statistics_alone() -> None:
    source, test = view("source", 400, 1), view("target", 1000, 4, noisy)
    gains = [adapted(0.03, seed, source, test) - adapted(1e-12, seed, source, test) for seed in range(4)]
    assert np.mean(gains) > 0.5  # seen: +1.8, +0.5, +1.2, +3.5


def trained(seed: int, source: View) -> TorchNetwork:
    net = trainer(seed, steps=150).supervised(network(16, seed), [source])
    assert isinstance(net, TorchNetwork)
    return net


def unadapted(seed: int, source: View, test: View) -> float:
    return right(logits(trained(seed, source), test.images.numpy(), AUGMENTER, EvalConfig(), "fp32"), test)


def adapted(lr: float, seed: int, source: View, test: View) -> float:
    """Return the accuracy of TENT on the test stream, in percent."""
    stream = StreamPredictor(lambda: TENT(TENT.Options(lr=lr)), AUGMENTER, EvalConfig(stream_batch=50), "fp32", seed)
    return right(stream.logits(trained(seed, source), test.images.numpy()), test)
