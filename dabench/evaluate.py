"""Logits of a network over a split."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.data.augment import Augmenter, as_floats
from dabench.device import low_precision
from dabench.errors import DivergedError
from dabench.network import Network, device_of
from dabench.settings import Test


def logits(net: Network, images: NDArray[np.uint8], augmenter: Augmenter, test: Test, precision: str) -> NDArray[np.float32]:
    """Return the logits of `net` in evaluation mode for every image.

    Args:
        images: (N, C, H, W) uint8, memory-mapped or not.
        augmenter: crops the images as [test] crops says.
        precision: as [train] precision.

    Returns:
        (N, K) float32.

    Raises:
        DivergedError: a logit is not a finite number.
    """
    device = device_of(net)
    net.eval()
    low = low_precision(precision, device)
    result = torch.empty(0)
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=low):
        for start in range(0, len(images), test.batch):
            batch = torch.from_numpy(np.array(images[start : start + test.batch])).to(device)
            if test.crops == 10:
                found = torch.stack([net(as_floats(crop)) for crop in augmenter.ten(batch)]).mean(0)
            else:
                found = net(as_floats(augmenter.test(batch)))
            if start == 0:
                # One piece of memory for all. Small pieces that are kept, one a batch, come to lie in what the batch leaves
                # free; the next batch then finds no room there, and the heap grows by a batch each time.
                result = found.new_empty((len(images), found.shape[1]))
            result[start : start + len(found)] = found
    if not bool(torch.isfinite(result).all()):
        raise DivergedError('the network gives values that are not numbers; try a smaller train.lr, or clip = "norm"')
    return np.asarray(result.cpu().numpy(), dtype=np.float32)
