"""Adapters take the same steps as the hooks of pytorch-adapt, where both define a method alike."""

from __future__ import annotations

import copy

import hooks
import pytest
import torch
from planted import noisy, target_of, trainer, view, without_norms

from dabench.plugins.contract import Adapter
from dabench.training.network import TorchNetwork, adapter_network

ALIKE = [hooks.DANNHook, hooks.MCDHook, hooks.MCCHook, hooks.BNMHook, hooks.CORALHook, hooks.AFNHook]
OTHERWISE = [hooks.CDANHook, hooks.DANHook, hooks.JANHook]


def adapted(method: Adapter, net: TorchNetwork, steps: int = 4) -> dict[str, torch.Tensor]:
    """Return the weights after a few steps from `net` with a seed of their own."""
    source, target = view("source", 96, 1), target_of(view("target", 96, 3, noisy))
    torch.manual_seed(5)
    method.adapt(net, [source], target, trainer(steps=steps, lr=0.02))
    return dict(net.state_dict())


def moved(hook: type[hooks.HookAdapter]) -> tuple[list[torch.Tensor], ...]:
    """Return by how much the weights change by the adapter of dabench, and by the hook."""
    ours = next(base for base in hook.__mro__ if base.__module__.startswith("dabench.adapters"))
    torch.manual_seed(1)
    net = adapter_network(ours(), without_norms())
    before = copy.deepcopy(net.state_dict())
    found = [adapted(method, copy.deepcopy(net)) for method in (ours(), hook())]
    return tuple([after[name] - value for name, value in before.items() if value.is_floating_point()] for after in found)


@pytest.mark.parametrize("hook", ALIKE, ids=lambda hook: hook.name)
def test_steps_are_those_of_the_hook(hook: type[hooks.HookAdapter]) -> None:
    ours, theirs = moved(hook)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
    assert all(bool(one.abs().max() > 1e-4) for one in ours if one.dim() > 1)  # a bias below a batch norm has no gradient


def test_the_encoder_of_adda_only_learns_against_a_strong_discriminator() -> None:
    ours, theirs = moved(hooks.ADDAHook)
    assert all(bool(one.any()) for one in ours[:-2])
    assert not any(bool(one.any()) for one in theirs)  # in the first steps the discriminator only guesses
    assert not any(bool(one.any()) for one in ours[-2:])  # the classifier


@pytest.mark.parametrize("hook", OTHERWISE, ids=lambda hook: hook.name)
def test_other_hooks_train_the_same_parameters(hook: type[hooks.HookAdapter]) -> None:
    ours, theirs = moved(hook)
    assert [bool(one.any()) for one in ours] == [bool(other.any()) for other in theirs]
