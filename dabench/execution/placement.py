"""Decide where the images of a run lie: on its device, or outside it. No number depends on it."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import Tensor

from dabench.data import file_rows
from dabench.data.file_rows import open_images
from dabench.data.host_images import HostImages, stored
from dabench.data.lazy import chunks, select_images
from dabench.execution.gpu import ImageMemoryError, out_of_memory, room_on, size
from dabench.plugins.contract import Images

_SHARE = 0.5
"""Part of the free memory of a GPU that the images of a run may take. The rest is for its network, its batches and their work."""


class ImagePlacement:
    """Place the images of one run.

    Args:
        notify: called with a line for the run's log about each set that does not lie on the device.
        threads: threads that decode compressed images.

    Attributes:
        held: bytes of images on a GPU.
    """

    def __init__(self, device: torch.device, notify: Callable[[str], object], threads: int = 1) -> None:
        self.device, self._notify, self._threads = device, notify, threads
        self.held, self._free = 0, room_on(device) if device.type == "cuda" else 0

    def placed(self, name: str, path: str) -> Tensor:
        """Return the images of a prepared file: a tensor on the device, or a `HostImages` in place of one.

        Args:
            name: the dataset, and the part of it, for messages.
        """
        return self._put(name, _opened(path, self._threads))

    def selected(self, name: str, images: Tensor, at: Sequence[int]) -> Tensor:
        """Return the images at positions `at` of a set that was placed."""
        if isinstance(images, Tensor):
            return images[torch.tensor(at, device=self.device)]
        return self._put(name, select_images(stored(images), np.array(at, np.int64)))

    def _put(self, name: str, images: Images) -> Tensor:
        why = self._too_large(images)
        if not why:
            try:
                found = _tensor(images, self.device)
            except Exception as e:
                if not out_of_memory(e):
                    raise
                why = "memory ran out when they were copied there"
            else:
                self.held += found.nbytes if self.device.type == "cuda" else 0
                return found
        where = "in main memory" if isinstance(images, np.ndarray) else "in their file"
        self._notify(
            f"-- the {len(images):,} images of {name} ({size(_bytes(images))}) stay {where}: {why}. A thread reads batches"
        )
        return cast(Tensor, HostImages(images, self.device, name))

    def _too_large(self, images: Images) -> str:
        """Return why images do not lie on the device; "" if they do."""
        if self.device.type == "cuda":
            fits = self.held + _bytes(images) <= _SHARE * self._free
            return "" if fits else f"images take at most {_SHARE:.0%} of the {size(self._free)} that are free on the GPU"
        # Small images are mapped, or decoded once.
        fits = isinstance(images, np.ndarray) or _bytes(images) <= file_rows.LARGEST_MAPPED
        return "" if fits else f"they are larger than {file_rows.LARGEST_MAPPED / 2**20:.0f} MiB"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """If memory runs out in the block, and images take more of it than everything else, say so instead of it.

        Raises:
            ImageMemoryError: in place of such an error.
        """
        try:
            yield
        except Exception as e:
            if not self.held or not out_of_memory(e) or self.held < torch.cuda.max_memory_allocated(self.device) / 2:
                raise
            raise ImageMemoryError(
                f"{str(e).splitlines()[0]}; images take {size(self.held)} of the GPU, more than network and batches: end other "
                "programs that use it, give each run a whole GPU (--gpus-per-run 1), or set a smaller size"
            ) from e


def _opened(path: str, threads: int) -> Images:
    """Open images, mapped so that torch may use them."""
    try:
        # Copy-on-write: torch needs writable memory, and pages stay shared until they are written.
        return open_images(path, "c", threads)
    except OSError as e:
        if e.errno != errno.ENOMEM:
            raise
    # A copy-on-write mapping counts fully as memory of the process. Under a memory limit, or without overcommit, a dataset
    # larger than memory cannot be mapped this way. A read-only mapping does not count. A method that writes into its
    # images, against the contract, then ends its process instead of changing its own copy.
    return open_images(path, "r", threads)


def _tensor(images: Images, device: torch.device) -> Tensor:
    if isinstance(images, np.ndarray):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            return torch.from_numpy(images).to(device)
    found, start = torch.empty(images.shape, dtype=torch.uint8, device=device), 0
    for chunk in chunks(images):
        found[start : start + len(chunk)] = torch.from_numpy(chunk)
        start += len(chunk)
    return found


def _bytes(images: Images) -> int:
    return int(np.prod(images.shape))
