"""The learning rates of [train] and the bottleneck of [network] hold for every adapter: with a frozen encoder, it stays."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from planted import network, target_of, trainer, view
from torch import nn

from dabench.plugins.contract import Adapter, Target
from dabench.plugins.registry import Registry
from dabench.training.network import TorchNetwork, adapter_network

NAMES = [entry.name for entry in Registry(entry_points=False).entries("adapter")]
INNER = {"maml"}
"""Methods whose adaptation takes gradient steps of its own, at a rate of its own."""


def weights(encoder: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in encoder.parameters()]


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_encoder_stays_below_a_bottleneck_that_learns(name: str) -> None:
    adapter: Adapter = Registry(entry_points=False).make("adapter", name)
    sources = [replace(view("source", 60, 1), groups=torch.arange(60) % 4)]
    encoder = network(8).encoder
    net = adapter_network(adapter, TorchNetwork(encoder, 8, 5, bottleneck=6))
    before, bottleneck = weights(encoder), weights(net.encoder[1])  # type: ignore[index]
    settings = {"steps": 2, "encoder_lr_factor": 0.0, "head_lr_factor": 2.0}
    net = adapter.pretrain(net, sources, trainer(**settings))  # type: ignore[assignment, arg-type]
    own = next(net.encoder.children())
    assert all(map(torch.equal, weights(own), before))
    assert not all(map(torch.equal, weights(net.encoder[1]), bottleneck))  # type: ignore[index]
    images = view("target", 60, 3)
    given = {"unlabelled": target_of(images), "few-shot": target_of(images, shots=5), "full": target_of(images, shots=5)}
    target = given.get(adapter.access, Target("target", images.classes))
    adapted = adapter.adapt(copy.deepcopy(net), sources if adapter.uses_sources else [], target, trainer(**settings))  # type: ignore[arg-type]
    assert name in INNER or all(map(torch.equal, weights(next(adapted.encoder.children())), before))
