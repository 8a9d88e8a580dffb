"""Correct the predictions of a network at each checkpoint for the classes of the target (label shift)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.data.host_images import stored
from dabench.errors import PluginError
from dabench.plugins.contract import ClassPredictions, Correction, Images, View
from dabench.training.network import TorchNetwork

_LEAST = 1e-6
"""Smaller ratios count as this one, so that their logarithm is finite."""

Logits = Callable[[TorchNetwork, Images], NDArray[np.float32]]


class CorrectedCheckpoints:
    """What a trainer calls at its checkpoints: it corrects the network, tests it, and removes the correction.

    Args:
        tests: what tests the network, as the `checkpoint` of a trainer.
        logits: returns the logits of images, (N, K).
        proportional: batches are drawn from the sources by their sizes; else the same number from each.
    """

    def __init__(
        self,
        tests: Any,
        correction: Correction,
        sources: Sequence[View],
        target: View,
        logits: Logits,
        proportional: bool,
    ) -> None:
        self._tests, self._correction, self._logits = tests, correction, logits
        self._sources, self._target, self._proportional = sources, target, proportional

    def __call__(self, net: TorchNetwork, step: int) -> None:
        """Test the corrected network. `net` is as before afterwards, also if this ends the run."""
        self.correct(net)
        try:
            self._tests(net, step)
        finally:
            net.log_ratios = None

    def correct(self, net: TorchNetwork) -> None:
        """Set `net.log_ratios`.

        Raises:
            PluginError: the correction returns other than K finite ratios of at least 0.
        """
        ratios = self._correction.ratios(self._given(net))
        if problem := ratios_problem(ratios, len(self._target.classes)):
            raise PluginError(f"correction '{self._correction.name}': {problem}")
        device = next(net.parameters()).device
        net.log_ratios = torch.from_numpy(np.log(np.maximum(ratios, _LEAST))).float().to(device)

    def _given(self, net: TorchNetwork) -> ClassPredictions:
        held = [view.validation for view in self._sources if view.validation is not None]
        return ClassPredictions(
            shares=self._shares(),
            source=np.concatenate([self._probabilities(net, view) for view in held]),
            labels=np.concatenate([_numpy(view.labels) for view in held]),
            target=self._probabilities(net, self._target),
        )

    def _shares(self) -> NDArray[np.float64]:
        """Return the share of each class in the batches of a training on the sources, (K,)."""
        counts = np.array([np.bincount(_numpy(v.labels), minlength=len(v.classes)) for v in self._sources], dtype=np.float64)
        drawn = counts if self._proportional else counts / counts.sum(1, keepdims=True)
        return np.asarray(drawn.sum(0) / drawn.sum())

    def _probabilities(self, net: TorchNetwork, view: View) -> NDArray[np.float64]:
        logits = self._logits(net, stored(view.images)).astype(np.float64)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(odds / odds.sum(1, keepdims=True))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the tests."""
        state: dict[str, Any] = self._tests.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._tests.load_state_dict(state)


def ratios_problem(ratios: NDArray[np.float64], classes: int) -> str:
    """Return what is wrong with the ratios of a correction; "" if they are right."""
    found = np.asarray(ratios, dtype=np.float64)
    if found.shape == (classes,) and np.isfinite(found).all() and (found >= 0).all():
        return ""
    return f"ratios() returned {found.tolist()}; it must return {classes} finite numbers of at least 0, one for each class"


def _numpy(labels: Tensor | None) -> NDArray[np.int64]:
    assert labels is not None  # a source has labels
    return labels.cpu().numpy()
