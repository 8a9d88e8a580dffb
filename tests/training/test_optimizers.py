"""The learning rates of the encoder and of everything else, and a frozen encoder."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from dabench.adapters.shot import SHOT
from planted import network, trainer, view
from torch import Tensor, nn

from dabench.plugins.contract import Batch
from dabench.training.network import TorchNetwork, adapter_network
from dabench.training.optimizers import made_for, parameters_of
from dabench.training.trainer import RunTrainer

FACTORS: dict[str, Any] = {"encoder_lr_factor": 0.1, "head_lr_factor": 2.0}
PLAIN: dict[str, Any] = {"schedule": "constant", "momentum": 0.0, "weight_decay": 0.0, "lr": 0.5}


def moves(net: nn.Module, at: RunTrainer, *more: nn.Module, **fit: Any) -> dict[str, Tensor]:
    """Return by how much one step moves each parameter, relative to `lr` 0.5, for a loss whose gradients are 1."""
    both = nn.ModuleList([net, *more])
    before = {name: p.detach().clone() for name, p in both.named_parameters()}
    at.fit(
        net,  # type: ignore[arg-type]
        lambda progress: sum(p.sum() for p in both.parameters()),  # type: ignore[arg-type, return-value]
        steps=1,
        trainable=list(both),
        **fit,
    )
    return {name.removeprefix("0."): (before[name] - p.detach()) / 0.5 for name, p in both.named_parameters()}


def all_move_by(found: dict[str, Tensor], where: str, expected: float) -> None:
    chosen = [move for name, move in found.items() if name.startswith(where)]
    assert chosen
    for move in chosen:
        torch.testing.assert_close(move, torch.full_like(move, expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("where", "expected"), [("encoder", 0.1), ("head", 2.0)])
def test_the_encoder_and_the_head_have_rates_of_their_own(where: str, expected: float) -> None:
    all_move_by(moves(network(8), trainer(**PLAIN, **FACTORS)), where, expected)


def test_modules_of_an_adapter_have_the_rate_of_the_head() -> None:
    all_move_by(moves(network(8), trainer(**PLAIN, **FACTORS), nn.Linear(4, 1)), "1.", 2.0)


@pytest.mark.parametrize(("where", "expected"), [("encoder.0.", 0.1), ("encoder.1.", 2.0), ("encoder.2.", 2.0)])
def test_a_bottleneck_that_an_adapter_puts_after_the_encoder_has_the_rate_of_the_head(where: str, expected: float) -> None:
    all_move_by(moves(adapter_network(SHOT(), network(8)), trainer(**PLAIN, **FACTORS)), where, expected)


@pytest.mark.parametrize(("where", "expected"), [("encoder.0.", 0.1), ("encoder.1.", 2.0), ("encoder.2.", 2.0)])
def test_the_bottleneck_of_a_sweep_has_the_rate_of_the_head(where: str, expected: float) -> None:
    net = TorchNetwork(network(8).encoder, 8, 5, bottleneck=4)
    all_move_by(moves(net, trainer(**PLAIN, **FACTORS)), where, expected)


def test_a_copy_of_an_encoder_and_a_part_of_it_have_its_rate() -> None:
    part = copy.deepcopy(network(8).encoder[0])  # type: ignore[index]
    all_move_by(moves(network(8), trainer(**PLAIN, **FACTORS), part), "1.", 0.1)


def test_the_factors_multiply_a_rate_that_an_adapter_sets() -> None:
    found = moves(network(8), trainer(**PLAIN, **FACTORS), lr=0.05)
    all_move_by(found, "encoder", 0.01)
    all_move_by(found, "head", 0.2)


def test_the_factors_multiply_those_of_an_optimizer() -> None:
    at, net = trainer(**PLAIN, **FACTORS), network(8)
    of = at.optimizer(net, lr=1.0, lr_factor=0.5)
    rates = {id(p): group["lr"] for group in of.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in net.encoder.parameters()} == {0.05}
    assert {rates[id(p)] for p in net.head.parameters()} == {1.0}


def test_both_rates_follow_the_schedule() -> None:
    at, net, seen = trainer(schedule="inverse", lr=0.5, **FACTORS), network(8), []
    of = at.optimizer(net)

    def step(progress: float) -> dict[str, Tensor]:
        seen.append(sorted({group["lr"] for group in of.param_groups}))
        return {"loss": torch.zeros(())}

    at.run(net, step, steps=2)
    assert seen == [pytest.approx([0.05, 1.0]), pytest.approx([0.05 * 6**-0.75, 6**-0.75])]


def test_captured_steps_have_both_rates_as_tensors_of_their_own() -> None:
    net = network(8)
    of = made_for(trainer(**FACTORS).settings, [net], torch.device("cpu"), 0.5, replayed=True).optimizer
    assert sorted({float(group["lr"]) for group in of.param_groups}) == pytest.approx([0.05, 1.0])
    assert len({id(group["lr"]) for group in of.param_groups}) == 4


def test_without_factors_there_are_two_groups_with_and_without_decay() -> None:
    net = network(8)
    of = made_for(trainer().settings, [net], torch.device("cpu"), 0.5).optimizer
    assert [group["weight_decay"] for group in of.param_groups] == [5e-4, 0.0]
    assert [p.dim() > 1 for p in parameters_of([of])] == sorted((p.dim() > 1 for p in net.parameters()), reverse=True)


# A frozen encoder


def frozen(**settings: Any) -> tuple[RunTrainer, TorchNetwork, TorchNetwork]:
    """Return a trainer with a frozen encoder, a network, and a copy of it."""
    net = network(8)
    at = trainer(steps=3, lr=0.5, weight_decay=0.1, decay_norms=True, encoder_lr_factor=0.0, **settings)
    return at, net, copy.deepcopy(net)


def unchanged(net: nn.Module, before: nn.Module) -> list[bool]:
    return [torch.equal(p, old) for p, old in zip(net.parameters(), before.parameters(), strict=True)]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_factor_of_0_freezes_the_encoder_also_against_weight_decay(optimizer: str) -> None:
    at, net, before = frozen(optimizer=optimizer)
    at.supervised(net, [view("source", 50, 1)])
    assert all(unchanged(net.encoder, before.encoder))
    assert not any(unchanged(net.head, before.head))


def test_the_statistics_of_a_frozen_encoder_follow_the_batches() -> None:
    at, net, before = frozen()
    at.supervised(net, [view("source", 50, 1)])
    assert not torch.equal(net.encoder[1].running_mean, before.encoder[1].running_mean)  # type: ignore[index]


def test_no_gradients_are_computed_for_a_frozen_encoder() -> None:
    at, net, _ = frozen()
    at.minimise(net(torch.rand(4, 1, 16, 16)).square().sum(), at.optimizer(net))
    assert {p.grad is None for p in net.encoder.parameters()} == {True}
    assert {p.grad is None for p in net.head.parameters()} == {False}


def test_updates_of_a_frozen_encoder_alone_do_nothing() -> None:
    at, net, before = frozen()
    of_encoder, of_head = at.optimizer(net.encoder), at.optimizer(net.head)

    def step(progress: float, batch: Batch) -> dict[str, Tensor]:
        for of in (of_encoder, of_head):
            loss = at.cross_entropy(net(batch.images), batch.require_labels())
            at.minimise(loss, of)
        return {"loss": loss}

    at.run(net, step, at.stream([view("source", 64, 1)]), steps=3)
    assert all(unchanged(net.encoder, before.encoder))
    assert not any(unchanged(net.head, before.head))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_frozen_encoder_with_gradients_of_an_adapters_own_does_not_change_and_does_not_count_in_clipping(
    optimizer: str,
) -> None:
    at, net, before = frozen(optimizer=optimizer, clip="norm", clip_at=1.0)
    of = at.optimizer(net)
    norms: list[float] = []

    def step(progress: float, batch: Batch) -> dict[str, Tensor]:
        loss = 100 * net(batch.images).square().sum()
        of.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        of.step()
        norms.append(float(torch.cat([p.grad.flatten() for p in net.head.parameters()]).norm()))
        return {"loss": loss}

    at.run(net, step, at.stream([view("source", 64, 1)]), steps=2)
    assert all(unchanged(net.encoder, before.encoder))
    assert norms == pytest.approx([1.0, 1.0], abs=1e-4)
