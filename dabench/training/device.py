"""Choose the device of a run and its precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dabench.errors import SpecError


@contextmanager
def reproducible(threads: int, seed: int) -> Iterator[None]:
    """Fix the number of CPU threads and the seed of torch's global random numbers, on which results depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """Return the device of [train] device; raise SpecError if this machine does not have it."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    if (name == "cuda" and not cuda) or (name == "mps" and not mps):
        raise SpecError(f"train.device = {name!r}: torch finds no such device here; use 'auto' or 'cpu', or see: dabench doctor")
    return torch.device(name)


def resolved(name: str, gpus: float | None = None, cluster: bool = False) -> tuple[str, str]:
    """Return the class of device of the runs, and the precision that "auto" means on it.

    A cluster may have GPUs when this machine has none. They are assumed to support bf16; a worker whose GPU does not
    raises an error (`planned`).

    Args:
        name: [train] device.
        gpus: GPUs per run, if the user gave a number.
        cluster: the runs are executed on a Ray cluster, not only on this machine.

    Raises:
        SpecError: this machine does not have the device.
    """
    if name == "auto" and gpus == 0 and torch.cuda.is_available():
        device = torch.device("cpu")
    elif cluster and (name == "cuda" or (name == "auto" and gpus)):
        device = torch.device("cuda")
    else:
        device = choose_device(name)
    low = low_precision("auto", device) if device.type != "cuda" or torch.cuda.is_available() else True
    return device.type, "bf16" if low else "fp32"


def planned(device: str, precision: str, asked: str) -> torch.device:
    """Return the device of a run that was planned for a class of device and a precision.

    Args:
        asked: [train] precision as in the sweep, which may be "auto".

    Raises:
        SpecError: this machine does not have the device, or "auto" means another precision here than in the plan.
    """
    here = choose_device(device)
    if asked == "auto" and precision == "bf16" and not low_precision("auto", here):
        raise SpecError(
            f"train.precision = 'auto': the run was planned for bf16, which the {here.type} of this machine does not support; "
            "set train.precision = 'fp32', or 'bf16' to use the slower bf16 without them, and run the sweep again"
        )
    return here


def low_precision(precision: str, device: torch.device) -> bool:
    """Whether to autocast to bfloat16: if it is set, or with "auto" if the device has instructions that make it faster.

    On a CPU these are AMX, or AVX-512 bf16 without avx512_fp16. The latter distinguishes AMD processors from newer Intel
    processors: on one of those without AMX, a step of VGG19 took 1.25 times as long in bf16 as in fp32.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and not has.get("avx512_fp16")))
    return False
