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
    """Whether to autocast to bfloat16: if asked to, or by "auto" where the device has instructions that make it faster.

    On the CPU these are AMX, or AVX-512's own where avx512_fp16 is not beside them: that is how AMD's processors are told from
    Intel's later ones, on one of which, without AMX, a step of VGG19 took 1.25 times as long in bf16 as in fp32.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and not has.get("avx512_fp16")))
    return False
