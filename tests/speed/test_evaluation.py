"""Ten crops of every image through VGG19."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from side_by_side import side_by_side
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from dabench.backbones.vgg19 import VGG19
from dabench.data.augment import Augmenter
from dabench.plugins.contract import Augment
from dabench.training.evaluate import logits
from dabench.training.network import build_network
from dabench.training.settings import EvalConfig

N = 3589 // 10
"""A tenth of FER2013's PrivateTest: both sides take time in proportion to it."""
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 1, 48, 48), dtype=np.uint8)


class TenCrops(Dataset[torch.Tensor]):
    """As the study's public code has it: ten crops of a PIL image, as one tensor."""

    def __init__(self) -> None:
        to_tensor = transforms.ToTensor()
        self.transform = transforms.Compose(
            [transforms.TenCrop(44), transforms.Lambda(lambda crops: torch.stack([to_tensor(c) for c in crops]))]
        )

    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> torch.Tensor:
        crops: torch.Tensor = self.transform(Image.fromarray(IMAGES[i, 0]))
        return crops


def test_ten_crops(benchmark: Any) -> None:
    net = build_network(VGG19(), 1, 44, 7, False).eval()
    augmenter = Augmenter(Augment(crop=44, flip=True), 48, 48, torch.device("cpu"))

    def ours() -> None:
        assert logits(net, IMAGES, augmenter, EvalConfig(crops=10), "auto").shape == (N, 7)

    def usual() -> None:
        found = []
        with torch.no_grad():
            for crops in DataLoader(TenCrops(), batch_size=128):
                found.append(net(crops.flatten(0, 1)).view(len(crops), 10, -1).mean(1))
        assert torch.cat(found).shape == (N, 7)

    side_by_side(
        benchmark, f"ten-crop evaluation, VGG19, {N} images", ours, usual,
        way="TenCrop in a DataLoader, fp32", least=2, aim=4, rounds=3,
    )  # fmt: skip
