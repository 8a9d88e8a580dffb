"""Label shift: domains that differ only in how frequent their classes are. For the tests of corrections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from planted import CPU, SIZE, Images, accuracy, network, trainer, view

from dabench.data.augment import Augmenter
from dabench.plugins.contract import Augment, ClassPredictions, Correction, View
from dabench.training.correction import CorrectedCheckpoints
from dabench.training.evaluate import logits
from dabench.training.network import TorchNetwork
from dabench.training.settings import EvalConfig

SHARES = (0.6, 0.25, 0.05, 0.05, 0.05)
"""Class shares of the skewed domain."""


def given(target_shares: tuple[float, ...], n: int = 20_000) -> ClassPredictions:
    """Return exact probabilities of classes that are overlapping normal distributions, in equal shares in the source."""
    rng, classes = np.random.default_rng(0), len(target_shares)

    def drawn(chances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        labels = rng.choice(classes, n, p=chances)
        x = labels + rng.normal(0, 0.8, n)
        densities = np.exp(-((x[:, None] - np.arange(classes)) ** 2) / (2 * 0.8**2))
        return densities / densities.sum(1, keepdims=True), labels

    equal = np.full(classes, 1 / classes)
    (source, labels), (target, _) = drawn(equal), drawn(np.array(target_shares))
    return ClassPredictions(equal, source, labels, target)


def hazy(images: Images) -> Images:
    """Half the contrast and so much noise that classes overlap: then it matters how frequent they are."""
    return 0.5 * images + 0.25 + np.random.default_rng(5).normal(0, 0.5, images.shape)


def skewed(of: View, n: int) -> View:
    """Return n images of a view with the classes in SHARES."""
    assert of.labels is not None
    counts = [round(n * share) for share in SHARES]
    at = torch.cat([torch.nonzero(of.labels == k)[:count, 0] for k, count in enumerate(counts)])
    return replace(of, images=of.images[at], labels=of.labels[at])


def correct(net: TorchNetwork, correction: Correction, source: View, target: View) -> None:
    """Correct the network for a target, as a run does."""

    def predict(net: TorchNetwork, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return logits(net, images, Augmenter(Augment(), SIZE, SIZE, CPU), EvalConfig(), "fp32")

    unlabelled = replace(target, labels=None)
    CorrectedCheckpoints(_NoTests(), correction, [source], unlabelled, predict, proportional=False).correct(net)


def gains_under_label_shift(correction: Correction) -> list[float]:
    """Return the gain of a correction in points, with three seeds, on a target whose images differ only in class shares."""
    source = replace(view("source", 2000, 1, hazy), validation=view("source", 500, 2, hazy))
    target, test = skewed(view("target", 2000, 3, hazy), 600), skewed(view("target", 2000, 4, hazy), 600)
    gains = []
    for seed in range(3):
        net = trainer(seed, steps=100).supervised(network(8, seed), [source])
        assert isinstance(net, TorchNetwork)
        before = accuracy(net, test)
        correct(net, correction, source, target)
        gains.append(accuracy(net, test) - before)
    return gains


class _NoTests:
    """Checkpoints that test nothing."""

    def __call__(self, net: object, step: int) -> None: ...

    def state_dict(self) -> dict[str, object]:
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None: ...
