"""Which device a run uses, and in which precision it computes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dabench.errors import SpecError


@contextmanager
def reproducible(threads: int, seed: int) -> Iterator[None]:
    """Fix what a result depends on besides its data: the CPU threads, and torch's global random numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """Return the device that [train] device names; raise SpecError if this machine lacks it."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    if (name == "cuda" and not cuda) or (name == "mps" and not mps):
        raise SpecError(f"train.device = {name!r}: torch finds no such device here; use 'auto' or 'cpu', or see: dabench doctor")
    return torch.device(name)


def low_precision(precision: str, device: torch.device) -> bool:
    """Whether to autocast to bfloat16: if asked to, or by "auto" where the device has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    return False
