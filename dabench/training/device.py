"""Choose the device of a run and its precision, and make runs repeat."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from dabench.errors import SpecError

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""The environment variable with which cuBLAS sums in a fixed order (NVIDIA, cuBLAS: Results reproducibility)."""


@contextmanager
def reproducible(threads: int, seed: int, device: torch.device | None = None, deterministic: bool = True) -> Iterator[None]:
    """Fix the number of CPU threads and the seed of torch's global random numbers, on which results depend.

    Args:
        device: on CUDA, fp32 is computed without TF32, and `deterministic` chooses algorithms that give the same results each
            time. An operation that has none gives a warning. Elsewhere all algorithms are deterministic.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    try:
        with _cuda_flags(deterministic) if device is not None and device.type == "cuda" else nullcontext():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _cuda_flags(deterministic: bool) -> Iterator[None]:
    """Set torch's flags for CUDA, and then put them back."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    wanted: list[tuple[Any, str, bool]] = [(matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]
    if deterministic:
        wanted += [(cudnn, "deterministic", True), (cudnn, "benchmark", False)]
        # Filling new memory is for programs that read it before they write it, and takes time.
        wanted += [(torch.utils.deterministic, "fill_uninitialized_memory", False)]
    before = [(where, name, getattr(where, name)) for where, name, _ in wanted]
    strict, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(_WORKSPACE)
    try:
        for where, name, value in wanted:
            setattr(where, name, value)
        if deterministic:
            os.environ.setdefault(_WORKSPACE, ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)


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
