"""Copy small tensors to the device of a run."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Return `values` on `device`. A GPU copies those of the CPU from pinned memory, so that Python does not wait for it."""
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
