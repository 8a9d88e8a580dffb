"""Optimizers of a training: what they are made of, their schedule, their clipping, and one step of theirs.

Parameters are in groups by their learning rate and their weight decay. The rate of the encoder's parameters is multiplied by
[train] encoder_lr_factor, that of all others by head_lr_factor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dabench.plugins.contract import Network
from dabench.training.network import encoder_parameters
from dabench.training.settings import TrainConfig

_HIGHEST = "highest_lr"
"""Key of a parameter group: its learning rate where the schedule is at its highest."""


@dataclass(frozen=True)
class Trained:
    """An optimizer and the modules whose parameters it changes."""

    optimizer: Optimizer
    modules: tuple[nn.Module | Network, ...]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that it changes."""
        return parameters_of([self.optimizer])


def made_for(
    settings: TrainConfig,
    modules: Sequence[nn.Module | Network],
    device: torch.device,
    lr: float,
    kind: Literal["sgd", "adamw"] | None = None,
    replayed: bool = False,
) -> Trained:
    """Return an optimizer of [train] for the parameters of `modules`, which clips its gradients before each step.

    Args:
        lr: the highest learning rate of the schedule, which [train] encoder_lr_factor and head_lr_factor multiply.
        kind: in place of [train] optimizer.
        replayed: its steps are captured, so its learning rate is a tensor, (), that is filled.
    """
    parameters = [p for m in modules for p in m.to(device).parameters()]
    kind = kind or settings.optimizer
    optimizer = _new(settings, _groups(settings, parameters, modules, lr, kind), device, kind, replayed)
    optimizer.register_step_pre_hook(lambda of, *_: _clip(settings, _moving([of])))
    # Autocast keeps low-precision copies of weights until its block ends. After a step they are old.
    optimizer.register_step_post_hook(lambda *_: torch.clear_autocast_cache())
    return Trained(optimizer, tuple(modules))


def _groups(
    s: TrainConfig, parameters: Iterable[nn.Parameter], modules: Sequence[nn.Module | Network], lr: float, kind: str
) -> list[dict[str, Any]]:
    """Return the groups of parameters of one rate and one decay. The first groups are those with decay."""
    of_encoder, decay = encoder_parameters(modules), s.decay_of(kind)
    # Biases and the weights of norms are vectors; decay would change scales there, and regularises nothing.
    decays = {p: s.decay_norms or p.dim() > 1 for p in parameters}
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in sorted(decays, key=lambda p: not decays[p]):
        factor = s.encoder_lr_factor if id(p) in of_encoder else s.head_lr_factor
        found.setdefault((lr * factor, decay if decays[p] else 0.0), []).append(p)
    return [{"params": of, "weight_decay": d, _HIGHEST: highest} for (highest, d), of in found.items()]


def _new(s: TrainConfig, groups: list[dict[str, Any]], device: torch.device, kind: str, replayed: bool) -> Optimizer:
    fused = device.type in ("cuda", "cpu")
    for group in groups:
        group["lr"] = torch.tensor(group[_HIGHEST], device=device) if replayed else group[_HIGHEST]
    if kind == "adamw":
        return torch.optim.AdamW(groups, betas=(s.momentum, 0.999), fused=fused, capturable=replayed)
    return torch.optim.SGD(groups, momentum=s.momentum, nesterov=s.nesterov and s.momentum > 0, fused=fused)


def _clip(settings: TrainConfig, parameters: Sequence[nn.Parameter]) -> None:
    if settings.clip == "value":
        nn.utils.clip_grad_value_(parameters, settings.clip_at)
    elif settings.clip == "norm":
        nn.utils.clip_grad_norm_(parameters, settings.clip_at)


def parameters_of(optimizers: Iterable[Optimizer]) -> list[nn.Parameter]:
    """Return the parameters that the optimizers change."""
    return [p for of in optimizers for group in of.param_groups for p in group["params"]]


def _moving(optimizers: Iterable[Optimizer]) -> list[nn.Parameter]:
    """Return the parameters whose learning rate is not 0 in the whole training."""
    return [p for of in optimizers for group in of.param_groups if group.get(_HIGHEST) != 0 for p in group["params"]]


def set_rates(optimizers: Iterable[Optimizer], settings: TrainConfig, progress: float) -> None:
    """Set the learning rates of the optimizers to those of the schedule at `progress` in [0, 1)."""
    part = rate_at(settings, progress)
    for of in optimizers:
        for group in of.param_groups:
            rate = group[_HIGHEST] * part
            if isinstance(group["lr"], Tensor):  # a captured step reads its rate here
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def minimise(loss: Tensor, optimizers: Sequence[Optimizer]) -> None:
    """Take a step of each optimizer down the gradient of `loss`. No other parameter gets a gradient.

    Parameters of rate 0 get none, either: nothing is computed for them, and a step leaves them as they are.
    """
    inputs = [p for p in _moving(optimizers) if p.requires_grad]
    for of in optimizers:
        of.zero_grad(set_to_none=True)
    if inputs:
        with torch.autocast(loss.device.type, enabled=False):
            torch.autograd.backward(loss, inputs=inputs)
    for of in optimizers:
        of.step()


def rate_at(settings: TrainConfig, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1) as a fraction of the highest one.

    step: 1 until `step_from`, then `step_factor` to the number of `step_every` begun since; cosine: half a cosine down to 0;
    one-cycle (Smith and Topin 2018): linear up over `warmup`, then linear down to 0; inverse (Ganin et al. 2016, Section 5.2.2):
    (1 + inverse_factor * progress) ** -inverse_power.
    """
    if settings.schedule == "step":
        falls = math.floor((progress - settings.step_from) / settings.step_every + 1e-9) + 1
        return settings.step_factor ** max(0, falls)
    if settings.schedule == "inverse":
        return float((1 + settings.inverse_factor * progress) ** -settings.inverse_power)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if settings.schedule == "one-cycle":
        if progress < settings.warmup:
            return max(0.01, progress / settings.warmup)
        return (1 - progress) / max(1e-9, 1 - settings.warmup)
    return 1.0
