"""The keys of [train], [test] and [network] in a sweep file, with their defaults, ranges and meanings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from dabench.plugins.options import setting

_DECAY = {"sgd": 5e-4, "adamw": 0.05}

_LATER = (
    "source_batches", "replay", "stream_batch", "stream_reset",
    "encoder_lr_factor", "head_lr_factor", "inverse_factor", "inverse_power",
)  # fmt: skip
"""Keys that are younger than stored results. At their default they are in no digest and no record, so that these stay valid."""


@dataclass(frozen=True)
class TrainConfig:
    """[train]: the training of every network of a sweep. It is the same for all adapters."""

    epochs: float = setting(15.0, "length of a training in passes over the source images; ignored if `steps` is set", above=0)
    steps: int | None = setting(None, "length of a training in optimiser steps; replaces `epochs`", low=1)
    batch: int = setting(128, "images per optimiser step", low=2)
    source_batches: Literal["equal", "proportional"] = setting(
        "equal", "images of each of several sources in a batch: the same number, or by its number of images (at least one)"
    )
    least_steps: int = setting(500, "least steps of an adaptation as long as a full training; ignored if `steps` is set", low=1)
    optimizer: Literal["sgd", "adamw"] = setting("sgd", "optimiser: SGD with momentum, or AdamW")
    lr: float = setting(0.05, "highest learning rate of the schedule", above=0, search=10)
    encoder_lr_factor: float = setting(
        1.0, "factor of the learning rate for the encoder; 0: its weights do not change, the statistics of its norms do", low=0
    )
    head_lr_factor: float = setting(
        1.0, "factor of the learning rate for all other parameters: head, bottleneck, modules of adapters", above=0
    )
    momentum: float = setting(0.9, "momentum of SGD; beta1 of AdamW", low=0, high=0.9999)
    nesterov: bool = setting(False, "Nesterov momentum of SGD; ignored by AdamW")
    weight_decay: float | None = setting(
        None,
        "weight decay; default: 5e-4 for SGD, 0.05 for AdamW, which takes the rate times it off a weight in each step",
        low=0,
    )
    decay_norms: bool = setting(False, "weight decay of biases and of the weights of norms, too")
    ema: float = setting(
        0.0,
        "decay of a moving average of the weights, such as 0.999; the average is what is tested and stored; 0: none",
        low=0,
        high=0.999999,
    )
    schedule: Literal["constant", "step", "cosine", "one-cycle", "inverse"] = setting("one-cycle", "course of the learning rate")
    step_from: float = setting(0.32, "step schedule: fraction of the training after which the rate first falls", low=0, high=1)
    step_every: float = setting(0.02, "step schedule: fraction of the training between two falls", above=0, high=1)
    step_factor: float = setting(0.9, "step schedule: factor of each fall", above=0, high=1)
    warmup: float = setting(0.2, "one-cycle schedule: fraction of the training in which the rate rises", low=0, high=1)
    inverse_factor: float = setting(
        10.0, "inverse schedule, (1 + inverse_factor * p) ** -inverse_power at the fraction p of the training", low=0
    )
    inverse_power: float = setting(0.75, "inverse schedule: its power", low=0)
    label_smoothing: float = setting(0.0, "label smoothing of the supervised loss", low=0, high=0.999)
    mixup: float = setting(0.0, "mixup of the supervised loss: parameter of its beta distribution, such as 0.2; 0: none", low=0)
    clip: Literal["none", "norm", "value"] = setting("none", "gradient clipping: by the global norm, or each value by itself")
    clip_at: float = setting(1.0, "limit of `clip`; ignored if `clip` is 'none'", above=0)
    precision: Literal["auto", "bf16", "fp32"] = setting("auto", "'auto': bf16 autocast where the device supports it, else fp32")
    deterministic: bool = setting(True, "on CUDA, only deterministic algorithms; elsewhere they always are")
    replay: bool = setting(
        False, "on CUDA, capture steps as CUDA graphs, where the method allows it; not measured on a GPU so far"
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = setting("auto", "'auto': CUDA if there is a GPU, else MPS, else CPU")
    threads: int = setting(1, "CPU threads of one run; results depend on it, because it fixes the order of sums", low=1, high=256)
    checkpoints: int = setting(10, "number of points of a training at which test predictions are stored", low=1, high=10000)

    @property
    def recorded(self) -> dict[str, Any]:
        """The settings as digests and records hold them: a key of _LATER only if it differs from its default."""
        return _recorded(self)

    def decay_of(self, kind: str) -> float:
        """Return `weight_decay`, or the default of a kind of optimiser.

        SGD adds it times the weight to the gradient. AdamW takes lr times it times the weight off the weight (Loshchilov and
        Hutter 2019, Algorithm 2), so that 5e-4 at usual rates is next to nothing.
        """
        return _DECAY[kind] if self.weight_decay is None else self.weight_decay


@dataclass(frozen=True)
class EvalConfig:
    """[test]: the testing of every network."""

    crops: Literal[1, 10] = setting(
        1, "1: the centre crop; 10: the mean logits of five crops and, with `augment.flip`, of their mirror images"
    )
    batch: int = setting(512, "images per batch", low=1)
    stream_batch: int = setting(64, "test-time methods: images per batch of the test stream", low=1)
    stream_reset: bool = setting(
        False, "test-time methods: reset network and method before each batch; false: keep their state from batch to batch"
    )

    @property
    def recorded(self) -> dict[str, Any]:
        """The settings as digests and records hold them, as `TrainConfig.recorded`."""
        return _recorded(self)


@dataclass(frozen=True)
class NetworkConfig:
    """[network]: what is put before and after the encoder of the backbone."""

    bottleneck: int = setting(
        0, "features of a linear layer between encoder and head; adapters see the features after it; 0: no such layer", low=0
    )
    bottleneck_norm: bool = setting(True, "batch norm and ReLU after the bottleneck; false: the linear layer alone")
    mean: tuple[float, ...] = setting(
        (),
        "images, with values from 0 to 1, are normalised by (x - mean) / std before the encoder: one value, or one for each "
        "channel; default: what the backbone does by itself",
    )
    std: tuple[float, ...] = setting((), "see `mean`")

    @property
    def recorded(self) -> dict[str, Any]:
        """The settings that differ from their defaults; digests and records hold these alone."""
        return {key: value for key, value in vars(self).items() if value != getattr(type(self), key)}

    @property
    def problem(self) -> str:
        """What is wrong with `mean` and `std` together, and what is allowed; "" if nothing is."""
        if bool(self.mean) != bool(self.std):
            return "mean and std belong together; set both, for example mean = [0.5] and std = [0.5]"
        if any(not 0 <= m <= 1 for m in self.mean) or any(not 0 < s <= 1 for s in self.std):
            return (
                f"mean = {list(self.mean)}, std = {list(self.std)}: a mean is from 0 to 1, a std above 0 and at most 1; divide "
                "values for images from 0 to 255 by 255"
            )
        return ""

    def unlike(self, channels: int) -> str:
        """Return which of `mean` and `std` has neither one value nor one for each channel; "" if both fit."""
        for key, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, 1, channels):
                per_channel = f" or {channels}, one for each channel" if channels > 1 else ", because images are grey"
                return f"network.{key} has {len(values)} values; allowed: 1{per_channel}"
        return ""


def _recorded(of: TrainConfig | EvalConfig) -> dict[str, Any]:
    return {key: value for key, value in vars(of).items() if key not in _LATER or value != getattr(type(of), key)}


def full_steps(train: TrainConfig, images: int) -> int:
    """Return the optimiser steps of a full training on this many images."""
    return train.steps if train.steps is not None else max(1, math.ceil(train.epochs * images / train.batch))


def adaptation_steps(train: TrainConfig, images: int) -> int:
    """Return the optimiser steps of an adaptation that is as long as a full training on this many source images.

    At least `least_steps`, because `epochs` of a small source can be too short to adapt to anything. If the sweep sets `steps`,
    the length does not depend on the source.
    """
    full = full_steps(train, images)
    return full if train.steps is not None else max(full, train.least_steps)
