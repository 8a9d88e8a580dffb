"""Augmented batches of 48x48 faces: whole batches by index tables, against per-sample transforms in a DataLoader."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from side_by_side import side_by_side, timed
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import v2

from dabench.data.augment import Augmenter, Stream
from dabench.plugins.contract import Augment, View
from dabench.storage.paths import cores

N, BATCH = 8192, 128
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 48, 48), dtype=np.uint8)


class Faces(Dataset[torch.Tensor]):
    """Grey images as a tutorial reads them: a PIL image each, through torchvision's transforms."""

    def __init__(self) -> None:
        self.transform = transforms.Compose(
            [transforms.RandomRotation(5), transforms.RandomCrop(44), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        )

    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> torch.Tensor:
        image: torch.Tensor = self.transform(Image.fromarray(IMAGES[i]))
        return image


class Gamma(v2.Transform):
    """Random gamma, which torchvision has only as a function."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"gamma": float(torch.empty(1).uniform_(1 / 1.6, 1.6))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return v2.functional.adjust_gamma(inpt, params["gamma"])


class StronglyAugmented(Dataset[torch.Tensor]):
    """The same images through torchvision's second version, with every option of [augment]."""

    def __init__(self, n: int) -> None:
        self.n = n
        bilinear = v2.InterpolationMode.BILINEAR
        self.transform = v2.Compose(
            [
                v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=(-11, 11), interpolation=bilinear),
                v2.RandomCrop(44),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=0.2, contrast=0.4),
                Gamma(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.RandomErasing(0.5),
            ]
        )

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> torch.Tensor:
        image: torch.Tensor = self.transform(Image.fromarray(IMAGES[i]))
        return image


def test_input_with_every_augmentation(benchmark: Any) -> None:
    n = N // 4  # a sample of torchvision's takes four times as long as above
    strong = Augment(
        crop=44, flip=True, rotate=10, scale=0.2, translate=0.1, shear=0.2, contrast=0.4, brightness=0.2, gamma=0.6, erasing=0.5
    )
    augmenter = Augmenter(strong, 48, 48, torch.device("cpu"))
    view = View("faces", tuple("abcdefg"), torch.from_numpy(IMAGES)[:n, None], torch.arange(n) % 7)
    stream = Stream([view], BATCH, augmenter, torch.Generator().manual_seed(0))
    loaders = [
        DataLoader(StronglyAugmented(n), BATCH, shuffle=True, num_workers=w, persistent_workers=w > 0, drop_last=True)
        for w in (0, 1, 2)
    ]

    def ours() -> None:
        torch.set_num_threads(1)
        for _ in range(n // BATCH):
            assert next(stream).images.shape == (BATCH, 1, 44, 44)
        torch.set_num_threads(cores())

    def usual() -> float:
        return min(timed(lambda loader=loader: sum(len(batch) for batch in loader) and None) for loader in loaders)

    def usual_on_one_core() -> float:
        torch.set_num_threads(1)
        seconds = timed(lambda: sum(len(batch) for batch in loaders[0]) and None)
        torch.set_num_threads(cores())
        return seconds

    alone = sorted(usual_on_one_core() for _ in range(3))[1]
    side_by_side(
        benchmark, "input with every augmentation, 48x48 to 44x44, batch 128 (dabench on one thread)", ours, usual,
        way="torchvision v2 per sample in a DataLoader, best of 0, 1, 2 workers", least=15, aim=25,
    )  # fmt: skip
    benchmark.extra_info["facts"]["speed-up with one core for both"] = round(alone / benchmark.extra_info["ours"], 1)
    print("with one core for both:", benchmark.extra_info["facts"])


def test_input_of_48x48_images(benchmark: Any) -> None:
    augmenter = Augmenter(Augment(crop=44, flip=True, rotate=5), 48, 48, torch.device("cpu"))
    view = View("faces", tuple("abcdefg"), torch.from_numpy(IMAGES)[:, None], torch.arange(N) % 7)
    stream = Stream([view], BATCH, augmenter, torch.Generator().manual_seed(0))
    loaders = [
        DataLoader(Faces(), BATCH, shuffle=True, num_workers=n, persistent_workers=n > 0, drop_last=True) for n in (0, 1, 2)
    ]

    def ours() -> None:
        torch.set_num_threads(1)  # as a run of a sweep has, unless told otherwise
        for _ in range(N // BATCH):
            assert next(stream).images.shape == (BATCH, 1, 44, 44)
        torch.set_num_threads(cores())

    def usual() -> float:
        # An epoch with workers that are there already; the best of 0, 1 and 2 of them.
        return min(timed(lambda loader=loader: sum(len(batch) for batch in loader) and None) for loader in loaders)

    side_by_side(
        benchmark, "input: rotate, crop, flip, scale 48x48 to 44x44, batch 128 (dabench on one thread)", ours, usual,
        way="torchvision per sample in a DataLoader, best of 0, 1, 2 workers", least=15, aim=25,
    )  # fmt: skip
