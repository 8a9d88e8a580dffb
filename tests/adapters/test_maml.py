"""MAML learns to adapt: its gradient is the one through the inner steps, and without these it stays at chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dabench.adapters.maml import MAML, Episodes
from planted import CLASSES, accuracy, network, target_of, trainer, view
from torch import Tensor, nn
from torch.nn import functional as F

from dabench.errors import DataError
from dabench.plugins.contract import View

SEEDS = (0, 1)
STEPS = 60


def renamed(name: str, n: int, seed: int, by: Tensor | int, groups: Tensor | None = None) -> View:
    """The planted shift: classes renamed in a circle, by another number in each group, so that only shots can tell."""
    plain = view(name, n, seed)
    assert plain.labels is not None
    return View(name, CLASSES, plain.images, (plain.labels + by) % len(CLASSES), groups)


def source() -> View:
    groups = torch.arange(600) % 10
    return renamed("source", 600, 1, groups, groups)


def after_maml(seed: int, options: MAML.Options, meta: bool = True) -> float:
    """Return the target accuracy after (meta-)training and adapting on 5 shots per class."""
    maml, net, at = MAML(options), network(8, seed=seed), trainer(seed, steps=STEPS)
    net = maml.pretrain(net, [source()], at) if meta else at.supervised(net, [source()])
    shots = target_of(renamed("target", 400, 3, by=2), shots=5)
    return accuracy(maml.adapt(net, [source()], shots, trainer(seed, steps=STEPS)), renamed("target", 300, 4, by=2))


@pytest.fixture(scope="module")
def none() -> float:
    """The mean accuracy without adaptation: 23 and 19 %, about chance."""
    nets = [trainer(s, steps=STEPS).supervised(network(8, seed=s), [source()]) for s in SEEDS]
    return float(np.mean([accuracy(net, renamed("target", 300, 4, by=2)) for net in nets]))


@pytest.mark.slow
@pytest.mark.parametrize("first_order", [False, True], ids=["second order", "first order"])
def test_maml_gains_on_renamed_classes(none: float, first_order: bool) -> None:
    """Seen: second order 100 and 99 %, first order 99 and 100 %."""
    found = [after_maml(seed, MAML.Options(first_order=first_order)) for seed in SEEDS]
    assert np.mean(found) - none > 50


def test_maml_without_inner_steps_gains_nothing_on_renamed_classes(none: float) -> None:
    """Seen: 30 and 18 %."""
    assert np.mean([after_maml(seed, MAML.Options(inner_steps=0)) for seed in SEEDS]) - none < 25


def test_inner_steps_without_meta_training_gain_little_on_renamed_classes(none: float) -> None:
    """Seen: 28 and 33 %."""
    assert np.mean([after_maml(seed, MAML.Options(), meta=False) for seed in SEEDS]) - none < 30


def tiny() -> tuple[nn.Module, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Return a network of 27 smooth parameters in float64, and one task."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    task = torch.randn(6, 3).double(), torch.arange(6) % 2, torch.randn(6, 3).double(), torch.arange(6) % 2
    return net, task


def meta_gradient(first_order: bool) -> Tensor:
    net, task = tiny()
    maml = MAML(MAML.Options(inner_steps=2, inner_lr=0.5, first_order=first_order))
    maml._query_loss(net, task, trainer()).backward()  # type: ignore[arg-type]
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def query_loss_by_hand(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Return the query loss after two plain gradient steps from `flat`, and its gradient with respect to where they end."""
    net, (support, support_labels, query, query_labels) = tiny()
    nn.utils.vector_to_parameters(flat, net.parameters())
    for _ in range(2):
        net.zero_grad()
        F.cross_entropy(net(support), support_labels).backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.5 * p.grad
    net.zero_grad()
    loss = F.cross_entropy(net(query), query_labels)
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def test_second_order_gradient_equals_finite_differences_through_the_inner_steps() -> None:
    at = nn.utils.parameters_to_vector(tiny()[0].parameters()).detach()

    def loss(change: Tensor) -> Tensor:
        return query_loss_by_hand(at + change)[0]

    steps = 1e-5 * torch.eye(len(at), dtype=torch.float64)
    expected = torch.stack([(loss(step) - loss(-step)) / 2e-5 for step in steps])
    torch.testing.assert_close(meta_gradient(first_order=False), expected, rtol=1e-6, atol=1e-9)


def test_first_order_gradient_is_the_one_at_the_end_of_the_inner_steps() -> None:
    flat = nn.utils.parameters_to_vector(tiny()[0].parameters()).detach()
    torch.testing.assert_close(meta_gradient(first_order=True), query_loss_by_hand(flat)[1])


def test_first_order_gradient_differs_from_the_second_order_one() -> None:
    first, second = meta_gradient(first_order=True), meta_gradient(first_order=False)
    assert float((first - second).norm() / second.norm()) > 0.1


def test_query_images_are_normalised_as_test_images_are() -> None:
    """The query loss of a meta-task is the loss of the network that the same steps on the support images adapt."""
    maml, of, net = MAML(MAML.Options(inner_steps=2, test_steps=2)), trainer(), network(8)
    support, query = view("support", 20, 1), view("query", 15, 2)
    assert support.labels is not None
    assert query.labels is not None
    task = support.images.float() / 255, support.labels, query.images.float() / 255, query.labels
    found = maml._query_loss(net.train(), task, of)
    adapted = maml.adapt(net, [], target_of(support, shots=20), of)
    with torch.no_grad():
        expected = F.cross_entropy(adapted(task[2]), query.labels)
    torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 4])
def test_steps_on_the_shots_are_as_many_as_asked(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    gradients = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *given, **more: taken.append(1) or gradients(*given, **more))
    maml = MAML(MAML.Options(inner_steps=2, test_steps=steps))
    maml.adapt(network(8), [], target_of(view("target", 50, 3), shots=2), trainer())
    assert len(taken) == steps


def test_a_task_is_of_one_group() -> None:
    plain = view("source", 100, 1)
    groups = torch.arange(100) % 4
    marked = View("source", CLASSES, groups[:, None, None, None].expand(100, 1, 16, 16).to(torch.uint8), plain.labels, groups)
    for (support, _, query, _), *_ in (next(Episodes([marked], MAML.Options(), trainer(s))) for s in range(5)):
        assert len(torch.unique(torch.cat([support, query]))) == 1


def test_support_and_query_of_a_task_share_no_image() -> None:
    n = 50
    numbered = View(
        "source", CLASSES, torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 16, 16), torch.arange(n) % 5,
        torch.zeros(n, dtype=torch.long),
    )  # fmt: skip
    support, _, query, _ = next(Episodes([numbered], MAML.Options(), trainer()))[0]
    assert not set(support[:, 0, 0, 0].tolist()) & set(query[:, 0, 0, 0].tolist())


def test_a_task_has_as_many_support_images_of_each_class_as_asked() -> None:
    _, support_labels, _, query_labels = next(Episodes([view("source", 200, 1)], MAML.Options(support=3, query=4), trainer()))[0]
    assert (torch.bincount(support_labels).tolist(), torch.bincount(query_labels).tolist()) == ([3] * 5, [4] * 5)


def test_without_groups_every_task_has_a_shift_of_its_own() -> None:
    same = View("source", CLASSES, view("x", 1, 1).images.expand(50, 1, 16, 16), torch.arange(50) % 5)
    episodes = Episodes([same], MAML.Options(), trainer())
    first, second = next(episodes)
    assert len(torch.unique(first[0], dim=0)) == 1
    assert not torch.equal(first[0][0], second[0][0])


def test_groups_too_small_for_any_task_are_an_error_that_says_so() -> None:
    lonely = View("faces", CLASSES, view("x", 10, 1).images, torch.arange(10) % 5, torch.arange(10))
    with pytest.raises(DataError, match="maml: no group of 'faces' has two images each of two classes"):
        Episodes([lonely], MAML.Options(), trainer())
