"""AdaBN puts the target's statistics into every batch norm, and changes nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from dabench.adapters.adabn import AdaBN
from planted import CLASSES, Images, accuracy, network, target_of, trainer, view
from torch import nn

from dabench.errors import PluginError
from dabench.training.network import TorchNetwork


def pale(images: Images) -> Images:
    """The planted shift: a third of the contrast, and brighter; an affine change, which batch norm can undo."""
    return 0.3 * images + 0.5


def test_adabn_gains_on_pale_patterns_and_not_with_the_sources_own_statistics() -> None:
    """Seen at seeds 0-1: none 20 and 34 %, adabn 100 and 100 %; with statistics of the source, as none."""
    source, test = view("source", 400, 1), view("target", 300, 4, pale)
    target = target_of(view("target", 400, 3, pale))
    gains, broken = [], []
    for seed in (0, 1):
        net = trainer(seed).supervised(network(seed=seed), [source])
        none = accuracy(net, test)
        gains.append(accuracy(AdaBN().adapt(copy.deepcopy(net), [source], target, trainer(seed)), test) - none)
        broken.append(accuracy(AdaBN().adapt(net, [source], target_of(source), trainer(seed)), test) - none)
    assert np.mean(gains) > 50
    assert np.mean(broken) < 15


def test_adabn_sets_the_first_norm_to_the_statistics_of_the_targets_activations() -> None:
    net, target = network(), target_of(view("target", 100, 3, pale))
    net = AdaBN().adapt(net, [], target, trainer())
    assert target.unlabelled is not None
    convolution, norm = net.encoder[0], net.encoder[1]  # type: ignore[index]
    with torch.inference_mode():
        seen = convolution(target.unlabelled.images.float() / 255)
    torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)))


def dense() -> TorchNetwork:
    """A network without convolutions, whose norms see one value of each image."""
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(256, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4), nn.BatchNorm1d(4)]
    return TorchNetwork(nn.Sequential(*layers), 4, len(CLASSES))


@pytest.mark.parametrize("make", [network, dense])
def test_adabn_on_513_images_is_adabn_on_one_batch_of_513(make: Callable[[], TorchNetwork]) -> None:
    net = make()
    images = view("target", 513, 3, pale)
    other = copy.deepcopy(net).train()
    for module in other.modules():
        if hasattr(module, "momentum"):
            module.momentum = 1.0  # the running statistics become those of the batch
    with torch.no_grad():
        other(images.images.float() / 255)
    adapted = AdaBN().adapt(net, [], target_of(images), trainer())
    with torch.inference_mode():
        shown = view("test", 50, 4).images.float() / 255
        torch.testing.assert_close(adapted(shown), other.eval()(shown), rtol=1e-3, atol=5e-4)


def test_adabn_changes_no_parameter() -> None:
    net = network()
    before = copy.deepcopy(list(net.parameters()))
    AdaBN().adapt(net, [], target_of(view("target", 100, 3, pale)), trainer())
    assert all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_adabn_without_batch_norm_is_an_error() -> None:
    net = TorchNetwork(nn.Sequential(nn.Flatten(), nn.Linear(256, 4)), 4, len(CLASSES))
    with pytest.raises(PluginError, match="needs a backbone with batch norm"):
        AdaBN().adapt(net, [], target_of(view("target", 10, 3)), trainer())
