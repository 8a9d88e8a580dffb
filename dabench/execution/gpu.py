"""Memory of a process of runs: its share of a GPU, what it gives back between runs, and errors of CUDA that end its use."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import torch

_MEMORY_TEXTS = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""Texts of errors of CUDA after which a process can go on: there was not enough memory."""

_WAIT = 60.0
"""Seconds that asking for the free memory may take."""


def hold_to_share(share: float | None) -> None:
    """Limit the GPU memory of this process to its share (0 to 1) of the GPU, so that no run takes the memory of its neighbours.

    Nothing is limited without a GPU, or if the share is unknown or a whole GPU.
    """
    if share and share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)


def free_cached(device: torch.device) -> None:
    """Give memory that is kept for later back to the GPU and to the system, for a run of other sizes, or another process.

    The C library of Linux keeps freed memory of each thread. Over many runs, that is more than the runs need.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on CPU or GPU. On a CPU, torch raises a RuntimeError that only its text identifies."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(text in str(error) for text in ("can't allocate memory", *_MEMORY_TEXTS))


class ImageMemoryError(MemoryError):
    """Memory of a GPU ran out, and images take most of it. The message says what helps; a smaller batch would not."""


def memory_advice(error: BaseException) -> str:
    """Return what ran out of memory and what helps, in one line, for an error of which `out_of_memory` is true."""
    line = str(error).splitlines()[0] if str(error) else "no details"
    if isinstance(error, ImageMemoryError):
        return f"ran out of memory: {line}"
    return f"ran out of memory ({line}); try a smaller train.batch or test.batch"


def room_on(device: torch.device) -> int:
    """Return the bytes of GPU memory that this process can still take, as its share and other processes allow."""
    free, total = torch.cuda.mem_get_info(device)
    used, kept = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    number = torch.cuda.current_device() if device.index is None else device.index  # the next call takes no "cuda" without one
    share = torch.cuda.get_per_process_memory_fraction(number)
    return max(0, min(free + kept - used, int(share * total) - used))


def lost(error: BaseException) -> bool:
    """Whether an error has ended CUDA in this process, such as a label out of range: each later call raises it again."""
    return not out_of_memory(error) and (isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error))


def free_gpu_memory() -> int:
    """Return the free bytes of the first GPU.

    A short process asks, because a process that asked keeps half a gigabyte of the GPU until it ends.
    """
    asked = [sys.executable, "-c", "import torch; print(torch.cuda.mem_get_info(0)[0])"]
    try:
        return int(subprocess.run(asked, capture_output=True, check=True, timeout=_WAIT, text=True).stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return torch.cuda.get_device_properties(0).total_memory


def size(count: float) -> str:
    """Return bytes as 640 MB or 3.2 GB."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
