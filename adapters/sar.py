"""SAR (Niu et al. 2023): entropy minimisation at test time on reliable images, towards flat minima."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench.adapters.tent import entropy_of_each, only_learn

from dabench import Adapter, Network, PluginError, setting

if TYPE_CHECKING:
    from torch import Tensor


class SAR(Adapter):
    """Sharpness-aware and reliable entropy minimisation of the weights and biases of normalisation layers.

    Only images with an entropy below `margin` count (Eq. 2). The gradient is not the one at the weights, but the one where a
    step of length `radius` up the entropy leads (Eq. 4), among the images that are still reliable there. If the moving
    average of that entropy falls below `recovery`, the network has collapsed, and starts again as it was. The predictions of a
    batch are those before its step. Batch norms use the statistics of the batch.

    Differences to the paper: all normalisation layers learn, while the paper freezes the last ones of its networks. Margin and
    recovery are fractions of the largest entropy, ln K, so that they mean the same for few classes; the paper's numbers are for
    1,000 classes.
    """

    name = "sar"
    title = "sharpness-aware reliable entropy at test time"
    access = "test"
    family = "self-training"
    citation = """@inproceedings{niu2023towards,
  title = {Towards Stable Test-Time Adaptation in Dynamic Wild World},
  author = {Niu, Shuaicheng and Wu, Jiaxiang and Zhang, Yifan and Wen, Zhiquan and Chen, Yaofo and Zhao, Peilin and
            Tan, Mingkui},
  booktitle = {International Conference on Learning Representations},
  year = {2023}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of sar."""

        lr: float = setting(
            0.00025, "learning rate of SGD with momentum 0.9", above=0, search=10,
            origin="the authors' code: 0.00025 for ResNet-50 and batches of 64",
        )  # fmt: skip
        margin: float = setting(
            0.4, "entropy below which an image is reliable, in parts of ln K (E_0)", above=0, high=1,
            origin="the authors' code: 0.4 ln 1000",
        )  # fmt: skip
        radius: float = setting(
            0.05, "length of the step up the entropy (rho)", low=0, origin="the authors' code: 0.05, the default of SAM"
        )
        recovery: float = setting(
            0.029, "mean entropy below which the network starts again, in parts of ln K (e_0)", low=0,
            origin="the authors' code: 0.2, which is 0.029 ln 1000",
        )  # fmt: skip

    def __init__(self, options: Any = None, variant: str = "") -> None:
        super().__init__(options, variant)
        self._parameters: list[Any] = []  # that learn
        self._start: list[Tensor] = []  # their values before the first batch
        self._optimizer: Any = None
        self._average: float | None = None  # the moving average of the entropy

    def predict(self, net: Network, images: Tensor) -> Tensor:
        """Return the logits of a test batch, and then take one step."""
        if not self._parameters:
            self._begin(net)
        logits = net(images)
        most = math.log(logits.shape[1])
        margin, entropies = self.options.margin * most, entropy_of_each(logits)
        reliable = entropies.detach() < margin
        if reliable.any():
            start = self._climb(entropies[reliable].mean())
            there = entropy_of_each(net(images))[reliable]
            there = there[there.detach() < margin]
            if len(there):
                self._optimizer.zero_grad()
                there.mean().backward()
            self._set(start)
            if len(there):
                self._optimizer.step()
                self._recover(float(there.detach().mean()), self.options.recovery * most)
        return logits.detach()

    def _begin(self, net: Network) -> None:
        """Freeze all but the normalisation layers, and remember these."""
        from torch import nn

        kinds = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
        norms = [m for m in net.modules() if isinstance(m, kinds) and m.weight is not None]
        if not norms:
            raise PluginError(
                "sar adapts the weights of normalisation layers, and this backbone has none; choose another backbone"
            )
        self._parameters = only_learn(net, norms)
        self._start = [p.detach().clone() for p in self._parameters]
        self._optimizer = self._new_optimizer()

    def _new_optimizer(self) -> Any:
        import torch

        return torch.optim.SGD(self._parameters, lr=self.options.lr, momentum=0.9)

    def _climb(self, entropy: Tensor) -> list[Tensor]:
        """Move the parameters by `radius` up the gradient of the scalar `entropy` (Eq. 4); return what they were."""
        import torch

        start = [p.detach().clone() for p in self._parameters]
        up = torch.autograd.grad(entropy, self._parameters)
        length = torch.stack([g.norm() for g in up]).norm() + 1e-12
        self._set([p + self.options.radius * g / length for p, g in zip(start, up, strict=True)])
        return start

    def _set(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.data.copy_(value)

    def _recover(self, entropy: float, least: float) -> None:
        """Average the entropy of the batch into the earlier ones; start again if they fall below `least`."""
        self._average = entropy if self._average is None else 0.9 * self._average + 0.1 * entropy
        if self._average < least:
            self._set(self._start)
            self._optimizer, self._average = self._new_optimizer(), None
