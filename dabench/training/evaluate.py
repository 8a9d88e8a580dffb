"""Compute the logits and the features of a split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.data.augment import Augmenter, as_floats
from dabench.data.host_images import stored_in_parts
from dabench.errors import DivergedError
from dabench.plugins.contract import Images
from dabench.training.device import low_precision
from dabench.training.network import TorchNetwork, device_of
from dabench.training.settings import EvalConfig


def logits(net: TorchNetwork, images: Images, augmenter: Augmenter, test: EvalConfig, precision: str) -> NDArray[np.float32]:
    """Return the logits of `net` in evaluation mode for every image.

    Args:
        images: (N, C, H, W) uint8: in memory, memory-mapped, or read on access.
        augmenter: crops the images as [test] crops says.
        precision: [train] precision.

    Returns:
        (N, K) float32.

    Raises:
        DivergedError: a logit is not a finite number.
    """

    def look(batch: Tensor) -> Tensor:
        if test.crops == 10:
            return torch.stack([net(as_floats(crop)) for crop in augmenter.crops(batch)]).mean(0)
        result: Tensor = net(as_floats(augmenter.test(batch)))
        return result

    return np.asarray(_over(net, images, look, test.batch, precision).numpy(), dtype=np.float32)


def outputs(net: TorchNetwork, images: Images, augmenter: Augmenter, test: EvalConfig, precision: str) -> tuple[Tensor, Tensor]:
    """Return the features (N, F) and logits (N, K) of the centre crop of every image, float32 on the CPU, like `logits`."""

    def look(batch: Tensor) -> Tensor:
        features = net.features(as_floats(augmenter.test(batch)))
        return torch.cat([features, net.classify(features)], dim=1)

    found, classes = _over(net, images, look, test.batch, precision), net.head.out_features
    return found[:, :-classes], found[:, -classes:]


def _over(net: TorchNetwork, images: Images, look: Callable[[Tensor], Tensor], size: int, precision: str) -> Tensor:
    """Return the results of `look` for every image, (N, ...) float32 on the CPU, in batches of `size` images."""
    device = device_of(net)
    net.eval()
    result = torch.empty(0)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=low_precision(precision, device)):
        start = 0
        for part in stored_in_parts(images, size):
            found = look(part.to(device))
            if start == 0:
                # One tensor for all results. Small results, kept per batch, would be allocated in memory that the batch
                # frees; the next batch would not fit there, and the heap would grow by one batch each time.
                result = found.new_empty((len(images), found.shape[1]))
            result[start : start + len(found)] = found
            start += len(found)
    if not bool(torch.isfinite(result).all()):
        raise DivergedError('the network returns values that are not finite numbers; try a smaller train.lr, or clip = "norm"')
    return result.float().cpu()
