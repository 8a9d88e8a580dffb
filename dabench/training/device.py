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


def resolved(name: str, gpus: float | None = None, cluster: bool = False) -> tuple[str, str]:
    """Return the class of device that runs compute on, and the precision that "auto" is there.

    A cluster may have GPUs where this machine has none: they are taken to compute in bf16, and a worker whose GPU does not
    refuses its run (`planned`).

    Args:
        name: [train] device.
        gpus: GPUs of a run, where the user asked for some or for none.
        cluster: the runs are done on a Ray cluster, not on this machine alone.

    Raises:
        SpecError: this machine lacks the device.
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
        asked: [train] precision, "auto" or what was asked for.

    Raises:
        SpecError: this machine lacks the device, or "auto" is another precision here than where the run was planned.
    """
    here = choose_device(device)
    if asked == "auto" and precision == "bf16" and not low_precision("auto", here):
        raise SpecError(
            f"train.precision = 'auto': the run was planned for bf16, and the {here.type} of this machine has no instructions "
            "for it; set train.precision = 'fp32', or 'bf16' to compute in it all the same, and run the sweep again"
        )
    return here


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
