"""A captured step gives what the step gives as usual. The graphs here are of the CPU: each replay does the operations again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from dabench.adapters.coral import DeepCORAL
from dabench.adapters.dann import DANN, lambda_at
from planted import CPU, SIZE, network, target_of, trainer, view
from torch import Tensor

from dabench.plugins.contract import Batch
from dabench.training import trainer as training
from dabench.training.optimizers import made_for, set_rates
from dabench.training.replay import ReplayedStep, tensors_in
from dabench.training.settings import TrainConfig

Losses = Mapping[str, Tensor]


class Graphs:
    """Captures without CUDA: what they record is done at each replay, with the tensors that it was recorded with."""

    def __init__(self) -> None:
        self.captures = self.replays = self.eager = 0

    def capture(self, step: Callable[[], Losses]) -> tuple[Callable[[], object], Losses]:
        self.captures += 1
        losses: dict[str, Tensor] = {}

        def replay() -> None:
            self.replays += 1
            for name, value in step().items():
                losses.setdefault(name, torch.zeros(())).copy_(value.detach())

        return replay, losses

    def as_usual(self, step: Callable[[], Losses]) -> Losses:
        self.eager += 1
        return step()

    def of(self, step: Callable[..., Losses], device: torch.device = CPU) -> ReplayedStep:
        return ReplayedStep(step, device, self.capture, self.as_usual)


def batches(sizes: list[int]) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(0)
    for n in sizes:
        images, labels = torch.rand(n, 1, SIZE, SIZE, generator=generator), torch.randint(5, (n,), generator=generator)
        yield Batch(images, labels, torch.zeros(n, dtype=torch.int64), torch.arange(n), (images,))


def test_the_first_steps_of_a_form_are_done_as_usual_and_the_others_replayed() -> None:
    graphs = Graphs()
    step = graphs.of(lambda progress, batch: {"loss": batch.images.sum() * progress})
    found = [float(step(i / 10, batch)["loss"]) for i, batch in enumerate(batches([4] * 10))]
    expected = [float(batch.images.sum() * i / 10) for i, batch in enumerate(batches([4] * 10))]
    assert found == pytest.approx(expected, rel=1e-6)
    assert (graphs.eager, graphs.captures, graphs.replays) == (3, 1, 7)


def test_each_form_of_batches_has_a_graph_and_no_more_than_four() -> None:
    graphs = Graphs()
    step = graphs.of(lambda progress, batch: {"loss": batch.images.sum()})
    for batch in batches([2, 3, 4, 5, 6] * 6):
        step(0.0, batch)
    assert (graphs.captures, graphs.replays) == (4, 4 * 3)
    assert graphs.eager == 5 * 3 + 3


def test_a_tensor_that_is_in_a_batch_twice_is_copied_once() -> None:
    (batch,) = batches([2])
    assert batch.images is batch.copies[0]
    assert len(list(tensors_in((batch, [batch], {"a": batch})))) == 4


METHODS = {"source only": None, "dann": DANN(), "coral": DeepCORAL()}


def trained(method: str, replay: bool, **settings: Any) -> dict[str, Tensor]:
    """Return the weights after twelve steps."""
    source, target = view("source", 100, 1), target_of(view("target", 100, 3))
    own, net, adapter = trainer(steps=12, batch=16, lr=0.01, replay=replay, **settings), network(8), METHODS[method]
    torch.manual_seed(0)
    if adapter is None:
        own.supervised(net, [source])
    else:
        adapter.adapt(net, [source], target, own)
    return net.state_dict()


@pytest.mark.parametrize("method", METHODS)
def test_a_training_that_is_replayed_ends_like_the_same_training_as_usual(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    expected, graphs = trained(method, False, clip="norm"), Graphs()
    monkeypatch.setattr(training, "ReplayedStep", graphs.of)
    monkeypatch.setattr(training.RunTrainer, "_captures_steps", lambda self: self.settings.replay)
    found = trained(method, True, clip="norm")
    assert graphs.replays == 12 - 3
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("method", METHODS)
def test_on_a_cpu_nothing_is_captured(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(training, "ReplayedStep", None)
    expected, found = trained(method, False), trained(method, True)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_method_without_the_promise_is_never_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "ReplayedStep", None)
    monkeypatch.setattr(training.RunTrainer, "_captures_steps", lambda self: True)
    own, net = trainer(steps=4), network(8)
    own.fit(net, lambda progress, batch: net(batch.images).square().mean(), own.stream([view("source", 40, 1)]), steps=4)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_rate_of_a_captured_step_is_a_tensor_that_the_schedule_fills(kind: Any) -> None:
    settings = TrainConfig(lr=0.1, schedule="cosine")
    optimizer = made_for(settings, [torch.nn.Linear(2, 2)], CPU, 0.1, kind, replayed=True).optimizer
    rate = optimizer.param_groups[0]["lr"]
    set_rates([optimizer], settings, 0.5)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.05)


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.73, 1])
def test_the_factor_of_the_reversal_is_the_same_for_a_number_and_a_tensor(progress: float) -> None:
    assert float(lambda_at(torch.tensor(progress, dtype=torch.float64))) == pytest.approx(lambda_at(progress), abs=1e-12)
