"""Adapted batch statistics (Schneider et al. 2020): mix those of each test batch with those of the source. No training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dabench import Adapter, Network, PluginError, setting

if TYPE_CHECKING:
    from torch import Tensor


class BNAdapt(Adapter):
    """Batch norms use N / (N + n) of the source's mean and variance plus n / (N + n) of the test batch's.

    n is the number of images in the batch, and N, the prior, is the number of images that the source counts for. With N = 0,
    the statistics are those of the batch alone. Nothing is kept from batch to batch. The variance of the batch is the biased
    one, as in training.
    """

    name = "bn-adapt"
    title = "batch statistics of source and test batch"
    access = "test"
    family = "batch statistics"
    citation = """@inproceedings{schneider2020improving,
  title = {Improving Robustness Against Common Corruptions by Covariate Shift Adaptation},
  author = {Schneider, Steffen and Rusak, Evgenia and Eck, Luisa and Bringmann, Oliver and Brendel, Wieland and
            Bethge, Matthias},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33},
  year = {2020}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of bn-adapt."""

        prior: float = setting(
            16.0, "images that the statistics of the source count for (N)", low=0, search=10,
            origin="not searched: a quarter of the default of test.stream_batch",
        )  # fmt: skip

    def __init__(self, options: Any = None, variant: str = "") -> None:
        super().__init__(options, variant)
        self._mixes = False

    def predict(self, net: Network, images: Tensor) -> Tensor:
        """Return the logits of a test batch, by mixed statistics."""
        import torch

        if not self._mixes:
            self._begin(net)
        with torch.no_grad():
            return net(images)

    def _begin(self, net: Network) -> None:
        """Let each batch norm set its statistics to those of the batch and of the source before it is computed."""
        from torch.nn.modules.batchnorm import _BatchNorm

        norms: list[Any] = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
        if not norms:
            raise PluginError("bn-adapt mixes statistics of batch norms, and this backbone has none; choose another backbone")
        for norm in norms:
            source = norm.running_mean.clone(), norm.running_var.clone()
            norm.register_forward_pre_hook(partial(self._mix, source))
        self._mixes = True

    def _mix(self, source: tuple[Tensor, Tensor], norm: Any, given: tuple[Tensor]) -> None:
        """Set the mixed statistics of `norm`, for its input (n, C) or (n, C, ...) and the (C,) statistics of the source."""
        import torch

        n, values = len(given[0]), given[0].float().transpose(0, 1).flatten(1)  # (C, values)
        variance, mean = torch.var_mean(values, dim=1, correction=0)
        share = n / (self.options.prior + n)
        norm.running_mean.copy_(torch.lerp(source[0], mean, share))
        norm.running_var.copy_(torch.lerp(source[1], variance, share))
