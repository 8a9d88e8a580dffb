"""The numbers of a training that a sweep file may set, with their defaults and ranges: the one place that names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dabench.plugins.options import setting


@dataclass(frozen=True)
class TrainConfig:
    """[train]: how every network of a sweep is trained, whatever the adapter."""

    epochs: float = setting(15.0, "passes over the source images; `steps` counts instead where it is set", above=0)
    steps: int | None = setting(None, "optimiser steps of a training, whatever the size of the source", low=1)
    batch: int = setting(128, "images in a step", low=2)
    optimizer: Literal["sgd", "adamw"] = setting("sgd", "SGD with momentum, or AdamW")
    lr: float = setting(0.05, "highest learning rate", above=0, search=10)
    momentum: float = setting(0.9, "momentum of SGD, or beta1 of AdamW", low=0, high=0.9999)
    weight_decay: float = setting(5e-4, "weight decay", low=0)
    schedule: Literal["constant", "step", "cosine", "one-cycle"] = setting("one-cycle", "how the rate changes")
    step_from: float = setting(0.32, "step schedule: part of the training after which the rate begins to fall", low=0, high=1)
    step_every: float = setting(0.02, "step schedule: part of the training between two falls", above=0, high=1)
    step_factor: float = setting(0.9, "step schedule: what each fall multiplies the rate by", above=0, high=1)
    warmup: float = setting(0.2, "one-cycle schedule: part of the training in which the rate rises", low=0, high=1)
    label_smoothing: float = setting(0.0, "label smoothing of the supervised loss", low=0, high=0.999)
    clip: Literal["none", "norm", "value"] = setting("none", "clip gradients by their global norm or each by value")
    clip_at: float = setting(1.0, "where to clip", above=0)
    precision: Literal["auto", "bf16", "fp32"] = setting("auto", "auto: bf16 autocast where the device computes in it")
    device: Literal["auto", "cuda", "mps", "cpu"] = setting("auto", "auto: CUDA, else MPS, else CPU")
    threads: int = setting(1, "CPU threads of one run; part of the result, since it fixes the order of sums", low=1, high=256)
    checkpoints: int = setting(10, "times along a training at which test predictions are stored", low=1, high=10000)


@dataclass(frozen=True)
class EvalConfig:
    """[test]: how a network is tested."""

    crops: Literal[1, 10] = setting(1, "1: the centre crop; 10: mean logits of five crops and their mirror images")
    batch: int = setting(512, "images in a step", low=1)
