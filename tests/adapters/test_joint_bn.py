"""joint-bn is dann without its domain loss: it separates what mixed batches and further steps gain from what the loss gains."""

from __future__ import annotations

import copy

import torch
from dabench.adapters.dann import DANN
from dabench.adapters.joint_bn import JointBatchNorm
from planted import network, target_of, trainer, view


def test_joint_bn_trains_the_network_of_dann_with_weight_0() -> None:
    source, target = view("source", 120, 1), target_of(view("target", 100, 3, lambda images: 0.5 * images))
    net = network(8)
    adapters = (JointBatchNorm(), DANN(DANN.Options(weight=0.0)))
    states = [a.adapt(copy.deepcopy(net), [source], target, trainer(0, steps=10)).state_dict() for a in adapters]
    assert all(torch.allclose(states[0][name].float(), value.float(), atol=1e-5) for name, value in states[1].items())


def test_the_statistics_are_those_of_source_and_target_together() -> None:
    source, target = view("source", 120, 1), view("target", 100, 3, lambda images: 0.5 * images)
    net = network(8)
    near = JointBatchNorm().adapt(copy.deepcopy(net), [source], target_of(source), trainer(0, steps=10)).state_dict()
    far = JointBatchNorm().adapt(copy.deepcopy(net), [source], target_of(target), trainer(0, steps=10)).state_dict()
    assert any(not torch.equal(near[name], far[name]) for name in near if name.endswith("running_mean"))
