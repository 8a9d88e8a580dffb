"""Batch normalisation for meta-learning: with cheaper second derivatives than torch's, and by the statistics of some images.

Values and gradients of `SecondOrder` are those of torch, which computes the second derivative of a batch norm in many passes
over the activations. Here it is a sum of three tensors, each times one number per channel: the normalised input x^, the gradient
g that enters the first derivative, and the gradient v of the first derivative's result.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_SIGNATURE = inspect.signature(F.batch_norm)


class _TrainingMode(TorchFunctionMode, ABC):
    """Context in which `batch_norm` computes the batch norms in training mode; all else is unchanged."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `func`, or its replacement."""
        if func is F.batch_norm:
            call = _SIGNATURE.bind(*args, **(kwargs or {}))
            call.apply_defaults()
            if call.arguments.pop("training"):
                return self.batch_norm(**call.arguments)
        return func(*args, **(kwargs or {}))

    @abstractmethod
    def batch_norm(self, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, **running: Any) -> Tensor:
        """Return what F.batch_norm returns with training=True; `running` holds running_mean, running_var and momentum."""


class SecondOrder(_TrainingMode):
    """Context in which batch norms in training mode with weight and bias use the functions below; all else is unchanged."""

    def batch_norm(self, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, **running: Any) -> Tensor:
        """Return what F.batch_norm returns with training=True."""
        one_value_each = input.numel() == input.shape[1]  # torch raises the error
        if weight is None or bias is None or one_value_each:
            return F.batch_norm(input, weight=weight, bias=bias, eps=eps, training=True, **running)
        result: Tensor = _BatchNorm.apply(
            input, weight, bias, running["running_mean"], running["running_var"], running["momentum"], eps
        )
        return result


class StatisticsOfFirst(_TrainingMode):
    """Context in which batch norms in training mode normalise all images of a batch by the statistics of its first images.

    The other images get what they would get in evaluation mode after a pass of the first ones: their mean and unbiased variance.
    The running statistics do not change. Gradients go through the statistics, too.

    Args:
        count: the number of these images.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def batch_norm(self, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, **running: Any) -> Tensor:
        """Return the normalised images."""
        first, rest = input.tensor_split([self.count])
        own = F.batch_norm(first, None, None, weight, bias, True, eps=eps)
        shape, each = _channels(input)
        variance, mean = torch.var_mean(first, each)
        scale = (variance + eps).rsqrt() if weight is None else weight * (variance + eps).rsqrt()
        shift = -mean * scale if bias is None else bias - mean * scale
        return torch.cat([own, torch.addcmul(shift.view(shape), rest, scale.view(shape))])


class _BatchNorm(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Any, variance: Any, momentum: float, eps: float
    ) -> Tensor:
        out, centre, scale = torch.ops.aten.native_batch_norm(x, weight, bias, mean, variance, True, momentum, eps)
        ctx.save_for_backward(x, weight, centre, scale)
        ctx.eps = eps
        return out  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return (*_Gradient.apply(g, *ctx.saved_tensors, ctx.eps), None, None, None, None)


class _Gradient(Function):
    """First derivatives: input r w (g - m(g) - x^ m(g x^)), weight the sum of g x^, bias the sum of g."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, weight: Tensor, centre: Tensor, scale: Tensor, eps: float) -> Any:
        ctx.save_for_backward(g, x, weight, centre, scale)
        return torch.ops.aten.native_batch_norm_backward(g, x, weight, None, None, centre, scale, True, eps, [True, True, True])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, v: Tensor, a: Tensor, b: Tensor) -> Any:
        """Differentiate the three first derivatives; m(.) is the mean of a channel, r is one over its standard deviation."""
        g, x, weight, centre, r = ctx.saved_tensors
        (shape, each), n = _channels(x), x.numel() // x.shape[1]
        xhat = (x - centre.view(shape)) * r.view(shape)
        m_g, m_v = g.mean(each), v.mean(each)
        m_gx, m_vx, m_vg = ((p * q).mean(each) for p, q in ((g, xhat), (v, xhat), (v, g)))
        inner = m_vg - m_g * m_v - m_gx * m_vx
        wr = weight * r
        of_g = _sum(shape, (wr, v), (a - wr * m_vx, xhat), b - wr * m_v)
        # Through x^: q = w r (- m(v x^) g - m(g x^) v) + a g, projected like the input's derivative. Through r: - r m(..) x^.
        on_v, on_g = -wr * m_gx, a - wr * m_vx
        m_q, m_qx = on_v * m_v + on_g * m_g, on_v * m_vx + on_g * m_gx
        of_x = _sum(shape, (r * on_v, v), (r * on_g, g), (-r * m_qx - r * wr * inner, xhat), -r * m_q)
        return of_g, of_x, r * n * inner, None, None, None


def _channels(x: Tensor) -> tuple[list[int], list[int]]:
    """Return the shape that broadcasts one number per channel over x, and the axes of a channel's mean."""
    return [1, -1, *[1] * (x.dim() - 2)], [axis for axis in range(x.dim()) if axis != 1]


def _sum(shape: list[int], *terms: Any) -> Tensor:
    """Return the sum of tensors, each times one number per channel, plus the last term, one number per channel."""
    *scaled, constant = terms
    result = constant.view(shape)
    for number, tensor in scaled:
        result = torch.addcmul(result, number.view(shape), tensor)
    return result  # type: ignore[no-any-return]
