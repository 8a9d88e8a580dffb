"""Made-up images with a known shift between two domains: what the learning tests train on.

Each class is a coarse pattern of strokes that is moved by a few pixels and made noisy. A domain is a function of such images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dabench.backbones.conv4 import Conv4
from dabench.data.augment import Augmenter
from dabench.plugins.contract import Augment, Target, View
from dabench.training.network import TorchNetwork, build_network
from dabench.training.settings import TrainConfig
from dabench.training.trainer import RunTrainer

SIZE = 16
CLASSES = ("a", "b", "c", "d", "e")
CPU = torch.device("cpu")

Images = NDArray[np.float64]
Domain = Callable[[Images], Images]


def patterns(n: int, seed: int) -> tuple[Images, NDArray[np.int64]]:
    """Return n images (n, 1, 16, 16) in [0, 1], dark strokes 0 and bright 1 with noise, and labels (n,), evenly drawn."""
    shapes = np.random.default_rng(7).permutation(np.repeat([0.0, 1.0], 8)[None].repeat(len(CLASSES), 0), axis=1)
    shapes = np.stack([np.random.default_rng(70 + k).permutation(row) for k, row in enumerate(shapes)])
    templates = shapes.reshape(-1, 4, 4).repeat(3, 1).repeat(3, 2)  # (K, 12, 12)
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(CLASSES)).astype(np.int64)
    images = np.zeros((n, 1, SIZE, SIZE))
    for image, label in zip(images, labels, strict=True):
        y, x = rng.integers(0, 5, 2)
        image[0, y : y + 12, x : x + 12] = templates[label]
    return (images + rng.normal(0, 0.15, images.shape)).clip(0, 1), labels


def view(name: str, n: int, seed: int, domain: Domain = lambda images: images, groups: NDArray[np.int64] | None = None) -> View:
    """Return n labelled images of a domain as an adapter gets them."""
    images, labels = patterns(n, seed)
    pixels = np.round(domain(images).clip(0, 1) * 255).astype(np.uint8)
    return View(
        name,
        CLASSES,
        torch.from_numpy(pixels),
        torch.from_numpy(labels),
        None if groups is None else torch.from_numpy(groups),
    )


def barred(images: Images) -> Images:
    """A shift: a bright bar of two columns at a random place. The statistics of batch norms win back little of it."""
    result = images.copy()
    for image, column in zip(result, np.random.default_rng(3).integers(0, 14, len(images)), strict=True):
        image[0, :, column : column + 2] = 1
    return result


def shaded(images: Images) -> Images:
    """A shift: paler patterns under a shade that grows from the top to the bottom."""
    return 0.5 * images + 0.5 * np.linspace(0, 1, SIZE)[None, None, :, None]


def noisy(images: Images) -> Images:
    """A shift: half the contrast, and noise. The statistics of batch norms win back most of it, and leave room for more."""
    return 0.5 * images + 0.25 + np.random.default_rng(5).normal(0, 0.25, images.shape)


def target_of(train: View, shots: int = 0) -> Target:
    """Return what an adapter may see of `train`: its images, and the first `shots` of each class with labels."""
    assert train.labels is not None
    hidden = View(train.name, train.classes, train.images)
    if not shots:
        return Target(train.name, train.classes, hidden)
    at = torch.cat([torch.nonzero(train.labels == k)[:shots, 0] for k in range(len(train.classes))])
    return Target(train.name, train.classes, hidden, View(train.name, train.classes, train.images[at], train.labels[at]))


def trainer(seed: int = 0, augment: Augment | None = None, **settings: object) -> RunTrainer:
    """Return a trainer on the CPU in fp32, two checkpoints, with the [train] settings given."""
    values: dict[str, object] = {"steps": 60, "batch": 32, "precision": "fp32", "checkpoints": 2, "lr": 0.05} | settings
    return RunTrainer(TrainConfig(**values), Augmenter(augment or Augment(), SIZE, SIZE, CPU), CPU, seed)  # type: ignore[arg-type]


def network(width: int = 16, seed: int = 0, channels: int = 1) -> TorchNetwork:
    """Return a fresh conv4 for the planted classes."""
    torch.manual_seed(seed)
    return build_network(Conv4(Conv4.Options(width=width)), channels, SIZE, len(CLASSES))


def without_norms(seed: int = 0) -> TorchNetwork:
    """Return a fresh network without batch norm, whose statistics of mixed batches would adapt it whatever a loss does."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 32), nn.ReLU(),
    )  # fmt: skip
    return TorchNetwork(encoder, 32, len(CLASSES))


def accuracy(net: TorchNetwork, test: View) -> float:
    """Return the accuracy of `net` on a labelled view, in percent."""
    net.eval()
    with torch.inference_mode():
        said = net(test.images.float() / 255).argmax(1)
    return 100 * float((said == test.labels).float().mean())
