"""The batch norm of meta-learning gives what torch's does: values, running statistics, first and second derivatives."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dabench.training.batchnorm import SecondOrder, StatisticsOfFirst


def drawn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("shape", [(4, 3, 5, 5), (6, 3), (4, 3, 7)])
def test_first_and_second_derivatives_are_those_of_the_function(shape: tuple[int, ...]) -> None:
    def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with SecondOrder():
            return F.batch_norm(x, None, None, weight, bias, training=True)

    inputs = drawn(*shape), drawn(3), drawn(3)
    assert torch.autograd.gradcheck(norm, inputs)
    assert torch.autograd.gradgradcheck(norm, inputs)


def test_values_and_running_statistics_are_torchs_to_the_bit() -> None:
    ours, torchs, x = nn.BatchNorm2d(3), nn.BatchNorm2d(3), drawn(4, 3, 5, 5).detach().float()
    with SecondOrder():
        found = ours(x)
    assert torch.equal(found, torchs(x))
    assert all(torch.equal(a, b) for a, b in zip(ours.buffers(), torchs.buffers(), strict=True))


def test_where_it_does_not_train_it_is_torchs() -> None:
    norm, x = nn.BatchNorm2d(3).eval(), drawn(4, 3, 5, 5).detach().float()
    with SecondOrder():
        found = norm(x)
    assert torch.equal(found, norm(x))


def test_a_meta_gradient_is_that_of_torchs_batch_norm() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).double()
    x, y = torch.rand(9, 1, 6, 6, dtype=torch.float64), torch.arange(9) % 3

    def gradients(net: nn.Module) -> list[Tensor]:
        parameters = dict(net.named_parameters())
        for _ in range(2):
            loss = F.cross_entropy(torch.func.functional_call(net, parameters, (x,)), y)
            steps = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
            parameters = {name: p - 0.1 * step for (name, p), step in zip(parameters.items(), steps, strict=True)}
        loss = F.cross_entropy(torch.func.functional_call(net, parameters, (x,)), y)
        return list(torch.autograd.grad(loss, list(net.parameters())))

    expected = gradients(deepcopy(net))
    with SecondOrder():
        found = gradients(net)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_a_batch_of_one_value_is_refused_as_ever() -> None:
    with SecondOrder(), pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(3)(torch.ones(1, 3, 1, 1))


def deep() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5), nn.BatchNorm1d(5)
    ).double()


def test_a_batch_is_normalised_by_its_first_images_as_in_evaluation_mode_with_their_statistics() -> None:
    first, rest = torch.rand(7, 1, 6, 6, dtype=torch.float64), torch.rand(4, 1, 6, 6, dtype=torch.float64) * 3
    net, other = deep(), deep()
    with StatisticsOfFirst(7):
        found = net(torch.cat([first, rest]))[7:]
    for module in other.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    other(first)
    torch.testing.assert_close(found, other.eval()(rest))


def test_normalising_by_the_first_images_leaves_the_running_statistics() -> None:
    net = deep()
    before = deepcopy(net.state_dict())
    with StatisticsOfFirst(2):
        net(torch.rand(5, 1, 6, 6, dtype=torch.float64))
    whole = {name for name in before if "num_batches" in name}
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items() if name not in whole)


def test_gradients_go_through_the_statistics_of_the_first_images() -> None:
    def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with StatisticsOfFirst(2):
            return F.batch_norm(x, None, None, weight, bias, training=True)

    assert torch.autograd.gradcheck(norm, (drawn(4, 3, 2, 2), drawn(3), drawn(3)))


def test_in_evaluation_mode_the_first_images_change_nothing() -> None:
    net, images = deep().eval(), torch.rand(5, 1, 6, 6, dtype=torch.float64)
    with StatisticsOfFirst(2):
        found = net(images)
    assert torch.equal(found, net(images))
