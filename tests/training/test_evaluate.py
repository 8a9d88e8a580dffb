"""Logits over a split: every image once, in order, cropped as asked, by a network that they leave as it is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from planted import CPU, SIZE, network, trainer, view

from dabench.data.augment import Augmenter
from dabench.errors import DivergedError
from dabench.plugins.contract import Augment
from dabench.training.evaluate import logits
from dabench.training.network import TorchNetwork
from dabench.training.settings import EvalConfig

IMAGES: NDArray[np.uint8] = view("test", 21, 5).images.numpy()


@pytest.fixture(scope="module")
def net() -> TorchNetwork:
    return trainer(steps=20).supervised(network(8), [view("source", 100, 1)])


def said(
    net: TorchNetwork,
    images: NDArray[np.uint8] = IMAGES,
    *,
    crop: int | None = None,
    crops: Literal[1, 10] = 1,
    batch: int = 512,
    precision: str = "fp32",
) -> NDArray[np.float32]:
    augmenter = Augmenter(Augment(crop=crop), SIZE, SIZE, CPU)
    return logits(net, images, augmenter, EvalConfig(crops=crops, batch=batch), precision)


def by_hand(net: TorchNetwork, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return net(torch.from_numpy(images.astype(np.float32) / 255)).numpy()  # type: ignore[no-any-return]


def test_logits_are_the_networks(net: TorchNetwork) -> None:
    np.testing.assert_allclose(said(net), by_hand(net, IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 4, 21])
def test_logits_do_not_depend_on_the_batch(net: TorchNetwork, batch: int) -> None:
    np.testing.assert_allclose(said(net, batch=batch), by_hand(net, IMAGES), rtol=1e-4, atol=1e-5)


def test_one_crop_is_the_centre() -> None:
    large = np.pad(IMAGES, [(0, 0), (0, 0), (3, 3), (3, 3)], mode="edge")  # 22x22
    net = network(8).eval()
    augmenter = Augmenter(Augment(crop=16), 22, 22, CPU)
    got = logits(net, large, augmenter, EvalConfig(), "fp32")
    np.testing.assert_allclose(got, by_hand(net, IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("flip", [True, False])
def test_ten_crops_are_the_mean_of_ten_logits_or_of_five_where_images_are_not_mirrored(flip: bool) -> None:
    large = np.ascontiguousarray(np.pad(IMAGES, [(0, 0), (0, 0), (2, 2), (2, 2)], mode="reflect"))  # 20x20
    net = network(8).eval()
    got = logits(net, large, Augmenter(Augment(crop=16, flip=flip), 20, 20, CPU), EvalConfig(crops=10), "fp32")
    windows = [large[..., y : y + 16, x : x + 16] for y, x in [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]]
    windows += [w[..., ::-1] for w in windows] if flip else []
    np.testing.assert_allclose(
        got, np.mean([by_hand(net, np.ascontiguousarray(w)) for w in windows], axis=0), rtol=1e-4, atol=1e-5
    )


def test_logits_are_float32_under_bf16(net: TorchNetwork) -> None:
    assert said(net, precision="bf16").dtype == np.float32


def test_bf16_is_near_fp32_but_not_the_same(net: TorchNetwork) -> None:
    low, full = said(net, precision="bf16"), said(net)
    assert 0 < float(np.abs(low - full).max()) < 0.1 * float(np.abs(full).max())


def test_images_may_be_memory_mapped(net: TorchNetwork, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert np.array_equal(said(net, mapped), said(net))


def test_testing_changes_nothing_in_the_network(net: TorchNetwork) -> None:
    before = copy.deepcopy(net.state_dict())
    said(net.train())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_dropout_is_off(net: TorchNetwork) -> None:
    dropping = copy.deepcopy(net)
    dropping.dropout.p = 0.9
    assert np.array_equal(said(dropping), said(net))


def test_a_network_that_gives_no_numbers_is_an_error(net: TorchNetwork) -> None:
    broken = copy.deepcopy(net)
    torch.nn.init.constant_(broken.head.bias, float("nan"))
    with pytest.raises(DivergedError, match=r"values that are not finite numbers; try a smaller train\.lr"):
        said(broken)
