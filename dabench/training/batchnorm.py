"""Batch normalisation whose second derivatives cost less than torch's, for meta-learning: same values, same gradients.

torch composes the derivative of a batch norm's derivative of many passes over the activations. With x^ the normalised input, v
what is asked of the first derivative and g what came into it, it is v, g and x^ alone, each times one number a channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class SecondOrder(TorchFunctionMode):
    """Within it, training-mode batch norms with weight and bias are those below; all else is as ever."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `func`, or what stands for it."""
        if func is F.batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if (
        not training or weight is None or bias is None or input.numel() == input.shape[1]
    ):  # torch says what is wrong with one value
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    result: Tensor = _BatchNorm.apply(input, weight, bias, running_mean, running_var, momentum, eps)
    return result


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
    """The first derivatives: of the input, r w (g - m(g) - x^ m(g x^)); of the weight, the sum of g x^; of the bias, of g."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, weight: Tensor, centre: Tensor, scale: Tensor, eps: float) -> Any:
        ctx.save_for_backward(g, x, weight, centre, scale)
        return torch.ops.aten.native_batch_norm_backward(g, x, weight, None, None, centre, scale, True, eps, [True, True, True])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, v: Tensor, a: Tensor, b: Tensor) -> Any:
        """Take what is asked of the three first derivatives; m(.) is a channel's mean, r one over its standard deviation."""
        g, x, weight, centre, r = ctx.saved_tensors
        (shape, each), n = _channels(x), x.numel() // x.shape[1]
        xhat = (x - centre.view(shape)) * r.view(shape)
        m_g, m_v = g.mean(each), v.mean(each)
        m_gx, m_vx, m_vg = ((p * q).mean(each) for p, q in ((g, xhat), (v, xhat), (v, g)))
        inner = m_vg - m_g * m_v - m_gx * m_vx
        wr = weight * r
        of_g = _sum(shape, (wr, v), (a - wr * m_vx, xhat), b - wr * m_v)
        # Through x^: q = w r (- m(v x^) g - m(g x^) v) + a g, projected as the input's derivative is; through r: - r m(..) x^.
        on_v, on_g = -wr * m_gx, a - wr * m_vx
        m_q, m_qx = on_v * m_v + on_g * m_g, on_v * m_vx + on_g * m_gx
        of_x = _sum(shape, (r * on_v, v), (r * on_g, g), (-r * m_qx - r * wr * inner, xhat), -r * m_q)
        return of_g, of_x, r * n * inner, None, None, None


def _channels(x: Tensor) -> tuple[list[int], list[int]]:
    """Return the shape in which one number a channel meets x, and the axes of which a channel's mean is."""
    return [1, -1, *[1] * (x.dim() - 2)], [axis for axis in range(x.dim()) if axis != 1]


def _sum(shape: list[int], *terms: Any) -> Tensor:
    """Return the sum of tensors, each times one number a channel, and of the last term, one number a channel."""
    *scaled, constant = terms
    result = constant.view(shape)
    for number, tensor in scaled:
        result = torch.addcmul(result, number.view(shape), tensor)
    return result  # type: ignore[no-any-return]
