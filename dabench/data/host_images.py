"""Images of a view that do not lie on the device: a stand-in for their tensor, from which batches are gathered.

A thread gathers the next rows while the device works on the last ones. It only gathers rows that are known to be next, so that no
random number is drawn earlier than without it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.data.file_rows import gather
from dabench.errors import PluginError
from dabench.plugins.contract import Images


class HostImagesError(PluginError, AttributeError):
    """A method uses images that do not lie on the device as a tensor."""


class HostImages:
    """Images (N, C, H, W) uint8 outside the device, in place of the tensor `View.images`. Rows are returned on the device.

    Attributes:
        stored: the images: a mapped array, or images that are read on access.
        device: the device on which rows are returned.
        name: the dataset, for messages.
    """

    dtype = torch.uint8

    def __init__(self, stored: Images, device: torch.device, name: str) -> None:
        self.stored, self.device, self.name = stored, device, name
        self.shape = torch.Size(stored.shape)

    def __len__(self) -> int:
        return len(self.stored)

    def rows(self, at: Tensor) -> Tensor:
        """Return the images at positions `at` (n,), (n, C, H, W) uint8 on the device."""
        return RowReader(self).rows(at.cpu())

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the images at positions `index`; `dim` is 0."""
        return self.rows(index) if dim == 0 else self._refuse(f"index_select({dim}, ...)")

    def __getitem__(self, at: Any) -> NoReturn:
        self._refuse("an index")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") or "stored" not in vars(self):  # what copy and pickle ask for
            raise AttributeError(name)
        self._refuse(f"'{name}'")

    def __truediv__(self, other: Any) -> NoReturn:
        self._refuse("arithmetic")

    __mul__ = __add__ = __sub__ = __rmul__ = __radd__ = __rsub__ = __truediv__

    @classmethod
    def __torch_function__(cls, called: Any, types: Any, given: Sequence[Any] = (), named: Any = None) -> NoReturn:
        every = [thing for value in given for thing in (value if isinstance(value, list | tuple) else [value])]
        next(thing for thing in every if isinstance(thing, cls))._refuse(getattr(called, "__name__", "a function of torch"))

    def _refuse(self, what: str) -> NoReturn:
        raise HostImagesError(
            f"the images of '{self.name}' are too large to lie on the device as one tensor, so View.images has no {what}; it has "
            "shape, dtype, device and len(). Use view.rows(positions), trainer.stream([view]) or trainer.batches(view)"
        )


class _Buffer:
    """Memory for the rows of one batch. For a GPU it is pinned, used again, and copied without waiting."""

    def __init__(self, images: HostImages) -> None:
        self._images, self._pinned = images, images.device.type == "cuda"
        self._memory = torch.empty(0)
        self._copied: torch.cuda.Event | None = None

    def room(self, count: int) -> Tensor:
        """Return room for `count` rows, after the last copy out of it."""
        shape = (count, *self._images.shape[1:])
        if not self._pinned:
            return torch.empty(shape, dtype=torch.uint8)
        if self._copied is not None:
            self._copied.synchronize()
        if len(self._memory) < count:
            self._memory = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        return self._memory[:count]

    def on_device(self, rows: Tensor) -> Tensor:
        """Return `rows`, which are in this buffer, on the device."""
        there = rows.to(self._images.device, non_blocking=self._pinned)
        if self._pinned:
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()
        return there


class _Gathering(threading.Thread):
    """Rows that a thread gathers into a buffer. It makes no call of CUDA, which could disturb the capture of a graph."""

    def __init__(self, images: Images, at: Tensor, buffer: _Buffer) -> None:
        super().__init__(name="gather", daemon=True)
        self.at, self.buffer, self.into = at, buffer, buffer.room(len(at))
        self._images = images
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Gather the rows, and keep an error for `rows`."""
        try:
            gather(self._images, self.at.numpy(), self.into.numpy())
        except BaseException as e:
            self._error = e

    def rows(self) -> Tensor:
        """Wait for the rows and return them; raise an error of the thread."""
        self.join()
        if self._error is not None:
            raise self._error
        return self.into


class RowReader:
    """Reads rows for one consumer, and gathers those ahead that it will ask for next."""

    def __init__(self, images: HostImages) -> None:
        self._images, self._buffers = images, [_Buffer(images), _Buffer(images)]
        self._ahead: _Gathering | None = None

    def rows(self, at: Tensor, after: Tensor | None = None) -> Tensor:
        """Return the images at positions `at`, (n, C, H, W) uint8 on the device.

        Args:
            at: (n,) int64 on the CPU.
            after: the positions of the next call, if they are known.
        """
        ahead, self._ahead = self._ahead, None
        self._buffers.reverse()
        if ahead is not None and torch.equal(ahead.at, at):
            rows, buffer = ahead.rows(), ahead.buffer
        else:
            if ahead is not None:  # its consumer continues somewhere else
                ahead.join()
            buffer = self._buffers[0]
            rows = buffer.room(len(at))
            gather(self._images.stored, at.numpy(), rows.numpy())
        there = buffer.on_device(rows)
        if after is not None:
            self._ahead = _Gathering(self._images.stored, after, self._buffers[1])
        return there


def in_parts(images: Tensor | HostImages, edges: Sequence[int]) -> Iterator[Tensor]:
    """Yield images[edges[0]:edges[1]], images[edges[1]:edges[2]], ... on the device; the next part is gathered ahead."""
    if isinstance(images, Tensor):
        yield from (images[start:end] for start, end in itertools.pairwise(edges))
        return
    yield from _ahead(images, [torch.arange(*pair) for pair in itertools.pairwise(edges)])


def _ahead(images: HostImages, parts: Sequence[Tensor]) -> Iterator[Tensor]:
    reader = RowReader(images)
    for at, after in zip(parts, [*parts[1:], None], strict=True):
        yield reader.rows(at, after)


def stored_rows(images: Images, parts: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the images at the positions of each part as a tensor on the CPU. Each is a copy."""
    if isinstance(images, np.ndarray):
        yield from (torch.from_numpy(images[at.numpy()]) for at in parts)
    else:
        yield from _ahead(HostImages(images, torch.device("cpu"), "a split"), parts)


def stored_in_parts(images: Images, size: int) -> Iterator[Tensor]:
    """Yield all images in order as tensors on the CPU of `size` images, the last one of fewer. Each is a copy."""
    edges = [*range(0, len(images), size), len(images)]
    if not isinstance(images, np.ndarray):
        yield from in_parts(HostImages(images, torch.device("cpu"), "a split"), edges)
        return
    for start, end in itertools.pairwise(edges):
        yield torch.from_numpy(np.array(images[start:end]))


def stored(images: Tensor | HostImages) -> Images:
    """Return the images of a view as they are outside the device."""
    if isinstance(images, HostImages):
        return images.stored
    array: NDArray[np.uint8] = images.cpu().numpy()
    return array
