"""Predict images as a stream, by a test-time method: batch by batch, in a random order, while the method may learn from them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.data.augment import Augmenter, as_floats
from dabench.data.host_images import stored_rows
from dabench.errors import DivergedError, PluginError
from dabench.plugins.contract import Adapter, Images
from dabench.training.device import low_precision
from dabench.training.evaluate import outputs
from dabench.training.network import TorchNetwork, device_of
from dabench.training.settings import EvalConfig


class StreamPredictor:
    """Predict with `Adapter.predict`. Its methods take the place of `evaluate.logits` and `evaluate.outputs`.

    Args:
        make: returns a new instance of the adapter.
        seed: of the order of the images, and of torch's global random numbers during a stream.
    """

    def __init__(self, make: Callable[[], Adapter], augmenter: Augmenter, test: EvalConfig, precision: str, seed: int) -> None:
        self._make, self._augmenter, self._test, self._precision, self._seed = make, augmenter, test, precision, seed

    def logits(self, net: TorchNetwork, images: Images) -> NDArray[np.float32]:
        """Return the logits of every image when it was predicted, in the order of `images`: (N, K) float32.

        `net` does not change.

        Args:
            images: (N, C, H, W) uint8: in memory, memory-mapped, or read on access.

        Raises:
            DivergedError: a logit is not a finite number.
            PluginError: `predict` returned something else than (B, K) logits.
        """
        return np.asarray(self._stream(net, images)[0].numpy(), dtype=np.float32)

    def outputs(self, net: TorchNetwork, images: Images) -> tuple[Tensor, Tensor]:
        """Return the features (N, F) of every image after the stream, and its logits (N, K) when it was predicted."""
        logits, adapted = self._stream(net, images)
        return outputs(adapted, images, self._augmenter, self._test, self._precision)[0], logits

    def _stream(self, net: TorchNetwork, images: Images) -> tuple[Tensor, TorchNetwork]:
        """Return the logits, and the network after the stream; with [test] stream_reset the network of before."""
        device = device_of(net)
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(self._seed))
        found = torch.empty(len(images), net.head.out_features)
        method: Adapter | None = None
        adapted = net
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(self._seed)
            parts = torch.split(order, self._test.stream_batch)
            for at, rows in zip(parts, stored_rows(images, parts), strict=True):
                if method is None or self._test.stream_reset:
                    method, adapted = self._make(), copy.deepcopy(net).eval()
                batch = rows.to(device)
                with torch.autocast(device.type, torch.bfloat16, enabled=low_precision(self._precision, device)):
                    logits = method.predict(adapted, as_floats(self._augmenter.test(batch)))
                found[at] = self._checked(logits, len(at), method.name).float().cpu()
        return found, net if self._test.stream_reset else adapted

    def _checked(self, logits: Any, images: int, name: str) -> Tensor:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != images:
            raise PluginError(f"adapter '{name}': predict() returned {shape}; it must return logits ({images}, K)")
        if not bool(torch.isfinite(logits).all()):
            raise DivergedError(f"predict() of '{name}' returned logits that are not finite numbers; try a smaller learning rate")
        return cast(Tensor, logits.detach())
