"""TENT (Wang et al. 2021): adapt batch norms at test time, by the entropy of the predictions on each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Network, PluginError, setting

if TYPE_CHECKING:
    from torch import Tensor, nn


class TENT(Adapter):
    """Batch norms use the statistics of the test batch. One step on their weights and biases lowers the entropy (Section 3).

    The predictions of a batch are those before its step. Weights and optimizer keep their state from batch to batch, as in the
    paper's online setting. [test] stream_reset resets them before each batch (episodic).
    """

    name = "tent"
    title = "entropy minimisation at test time"
    access = "test"
    family = "self-training"
    citation = """@inproceedings{wang2021tent,
  title = {Tent: Fully Test-Time Adaptation by Entropy Minimization},
  author = {Wang, Dequan and Shelhamer, Evan and Liu, Shaoteng and Olshausen, Bruno and Darrell, Trevor},
  booktitle = {International Conference on Learning Representations},
  year = {2021}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of tent."""

        lr: float = setting(
            1e-3, "learning rate of Adam", above=0, search=10, origin="the paper: 0.001 with Adam on all but ImageNet (Section 4)"
        )

    def __init__(self, options: Any = None, variant: str = "") -> None:
        super().__init__(options, variant)
        self._optimizer: Any = None

    def predict(self, net: Network, images: Tensor) -> Tensor:
        """Return the logits of a test batch, and then take one step that lowers their entropy."""
        if self._optimizer is None:
            self._optimizer = self._begin(net)
        logits = net(images)
        self._optimizer.zero_grad()
        entropy(logits).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return logits.detach()

    def _begin(self, net: Network) -> Any:
        """Let batch norms use batch statistics; return the optimizer of their weights and biases."""
        import torch
        from torch.nn.modules.batchnorm import _BatchNorm

        norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.affine]
        if not norms:
            raise PluginError("tent adapts the weights of batch norms, and this backbone has none; choose another backbone")
        return torch.optim.Adam(only_learn(net, norms), lr=self.options.lr)


def only_learn(net: Network, norms: Sequence[Any]) -> list[nn.Parameter]:
    """Freeze `net` except for its normalisation layers `norms`, and return their parameters.

    Those that are batch norms use the statistics of the batch from now on.
    """
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    for norm in norms:
        norm.train().requires_grad_(True)
        if hasattr(norm, "running_mean"):
            norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None
    return [p for norm in norms for p in norm.parameters()]


def entropy(logits: Tensor) -> Tensor:
    """Return the mean entropy of the predictions in nats (Section 3.1), a scalar, of logits (B, K)."""
    return entropy_of_each(logits).mean()


def entropy_of_each(logits: Tensor) -> Tensor:
    """Return the entropies (B,) of the predictions in nats, of logits (B, K)."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)
