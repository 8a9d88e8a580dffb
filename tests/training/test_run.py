"""Trainings with several optimizers: schedule, clipping, gradients, named losses, checkpoints and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from planted import network, trainer, view
from torch import Tensor

from dabench.errors import DivergedError, PluginError
from dabench.plugins.contract import Batch
from dabench.training.network import TorchNetwork
from dabench.training.optimizers import rate_at
from dabench.training.resume import RunState, RunStopped
from dabench.training.trainer import RunTrainer


def weights(net: TorchNetwork) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def two_steps(at: RunTrainer, net: TorchNetwork, steps: int = 6) -> TorchNetwork:
    """Train the head and then the encoder in each step."""
    of_encoder, of_head = at.optimizer(net.encoder), at.optimizer(net.head)

    def step(progress: float, batch: Batch) -> dict[str, Tensor]:
        first = at.cross_entropy(net(batch.images), batch.require_labels())
        at.minimise(first, of_head)
        second = at.cross_entropy(net(batch.images), batch.require_labels())
        at.minimise(second, of_encoder)
        return {"head": first, "encoder": second}

    trained = at.run(net, step, at.stream([view("source", 64, 1)]), steps=steps)
    assert isinstance(trained, TorchNetwork)
    return trained


@pytest.mark.parametrize("settings", [{}, {"clip": "norm", "clip_at": 0.1}, {"optimizer": "adamw", "lr": 1e-3}, {"ema": 0.9}])
def test_a_run_with_one_optimizer_and_one_update_is_fit(settings: dict[str, Any]) -> None:
    source = view("source", 64, 1)

    def loss(progress: float, batch: Batch) -> Tensor:
        return at.cross_entropy(net(batch.images), batch.require_labels())

    at, net = trainer(steps=6, **settings), network(8)
    fitted, expected = weights(at.fit(net, loss, at.stream([source]), steps=6)), at.trace.losses  # type: ignore[arg-type]
    at, net = trainer(steps=6, **settings), network(8)
    stream, optimizer = at.stream([source]), at.optimizer(net)

    def step(progress: float, batch: Batch) -> dict[str, Tensor]:
        value = loss(progress, batch)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return {"loss": value}

    assert torch.equal(weights(at.run(net, step, stream, steps=6)), fitted)  # type: ignore[arg-type]
    assert at.trace.losses == expected


def test_the_learning_rates_of_all_optimizers_follow_the_schedule() -> None:
    at, net, seen = trainer(steps=5, lr=0.5), network(8), []
    slow, fast = at.optimizer(net.encoder, lr_factor=0.1), at.optimizer(net.head, lr=2.0)

    def step(progress: float) -> dict[str, Tensor]:
        seen.append([optimizer.param_groups[0]["lr"] for optimizer in (slow, fast)])
        return {"loss": torch.zeros(())}

    at.run(net, step, steps=5)
    assert seen == [[pytest.approx(high * rate_at(at.settings, i / 5)) for high in (0.05, 2.0)] for i in range(5)]


def test_minimise_gives_no_gradient_to_parameters_of_other_optimizers() -> None:
    at, net = trainer(), network(8)
    of_head = at.optimizer(net.head)
    at.optimizer(net.encoder)
    at.minimise(net(torch.rand(4, 1, 16, 16)).square().sum(), of_head)
    assert all(p.grad is not None for p in net.head.parameters())
    assert all(p.grad is None for p in net.encoder.parameters())


def test_parts_without_an_optimizer_stay_as_they_are_and_in_evaluation_mode() -> None:
    at, net, modes = trainer(), network(8), []
    before, of_head = [t.clone() for t in net.encoder.state_dict().values()], at.optimizer(net.head)

    def step(progress: float, batch: Batch) -> dict[str, Tensor]:
        modes.append((net.encoder.training, net.head.training))
        value = at.cross_entropy(net(batch.images), batch.require_labels())
        at.minimise(value, of_head)
        return {"loss": value}

    at.run(net, step, at.stream([view("source", 64, 1)]), steps=3)
    assert set(modes) == {(False, True)}
    assert all(torch.equal(a, b) for a, b in zip(before, net.encoder.state_dict().values(), strict=True))
    assert all(p.requires_grad for p in net.parameters())


def test_a_second_update_of_a_step_sees_the_weights_of_the_first_in_bf16() -> None:
    at, net = trainer(precision="bf16"), network(8)
    optimizer, found = at.optimizer(net.head, lr=5.0), []
    images = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    def step(progress: float) -> dict[str, Tensor]:
        value = net(images).square().mean()
        at.minimise(value, optimizer)
        found.append((value.item(), net(images).square().mean().item()))
        return {"loss": value}

    at.run(net, step, steps=1)
    assert found[0][0] != found[0][1]


def test_named_losses_are_recorded_by_step_and_their_sum_is_the_loss() -> None:
    at = trainer()
    two_steps(at, network(8))
    assert set(at.trace.named) == {"head", "encoder"}
    sums = [sum(pair) for pair in zip(at.trace.named["head"], at.trace.named["encoder"], strict=True)]  # type: ignore[arg-type]
    assert at.trace.losses == pytest.approx(sums)


def test_a_loss_that_a_step_does_not_have_is_none_there() -> None:
    at = trainer()
    at.optimizer(network(8))
    at.run(network(8), lambda progress: {"even" if round(progress * 4) % 2 == 0 else "odd": torch.ones(())}, steps=4)
    assert at.trace.named == {"even": [1.0, None, 1.0, None], "odd": [None, 1.0, None, 1.0]}


def test_losses_of_fit_can_have_names_and_their_sum_is_minimised() -> None:
    source = view("source", 64, 1)
    one, other = trainer(), trainer()
    net = network(8)

    def loss(progress: float, batch: Batch) -> Tensor:
        return one.cross_entropy(net(batch.images), batch.require_labels())

    plain = weights(one.fit(net, loss, one.stream([source]), steps=5))  # type: ignore[arg-type]
    net = network(8)
    named = other.fit(net, lambda p, b: {"a": loss(p, b), "b": torch.zeros(())}, other.stream([source]), steps=5)
    assert torch.equal(weights(named), plain)  # type: ignore[arg-type]
    assert other.trace.named["a"] == one.trace.losses


def test_a_loss_that_is_no_number_ends_the_run_with_its_name_and_step() -> None:
    at = trainer()
    at.optimizer(network(8))
    values = iter([1.0, float("nan"), 1.0])
    with pytest.raises(DivergedError, match=r"the loss 'second' became nan at step 2; try a smaller train\.lr"):
        at.run(network(8), lambda progress: {"first": torch.ones(()), "second": torch.tensor(next(values))}, steps=3)


@pytest.mark.parametrize("given", [None, torch.ones(()), {}])
def test_a_step_must_return_losses_by_name(given: Any) -> None:
    at = trainer()
    at.optimizer(network(8))
    with pytest.raises(PluginError, match="it must return its losses by name"):
        at.run(network(8), lambda progress: given, steps=1)


def test_a_run_without_an_optimizer_is_refused() -> None:
    with pytest.raises(PluginError, match=r"make an optimizer with trainer.optimizer\(modules\)"):
        trainer().run(network(8), lambda progress: {"loss": torch.ones(())}, steps=1)


def test_a_run_has_as_many_checkpoints_as_the_settings_say() -> None:
    at = trainer(checkpoints=3)
    steps: list[int] = []
    at._checkpoint = lambda net, step: steps.append(step)
    two_steps(at, network(8), steps=30)
    assert steps == [10, 20]  # the run tests its last network itself


def test_an_interrupted_run_goes_on_to_the_same_weights_and_losses(tmp_path: Path) -> None:
    whole = trainer(checkpoints=4)
    expected = weights(two_steps(whole, network(8), steps=12))
    stops = iter([False, True])

    def attempt(stopping: Any) -> tuple[RunTrainer, Tensor]:
        at = trainer(checkpoints=4)
        at._partial = RunState(tmp_path, {}, 0.0, stopping)
        return at, weights(two_steps(at, network(8), steps=12))

    with pytest.raises(RunStopped):
        attempt(lambda: next(stops))
    at, found = attempt(lambda: False)
    assert torch.equal(found, expected)
    assert (at.trace.losses, at.trace.named) == (whole.trace.losses, whole.trace.named)
