"""A classifier from a user's own file: weights of a backbone with a linear head, or a network in ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dabench.errors import PluginError, SpecError, nearest
from dabench.inference.export import OnnxNetwork
from dabench.plugins.contract import Backbone
from dabench.plugins.options import build
from dabench.plugins.registry import Registry
from dabench.plugins.weights import fitted, read_weights
from dabench.storage.schema import SweepRecord
from dabench.training.network import TorchNetwork, build_network
from dabench.training.settings import NetworkConfig

_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class OwnNetwork:
    """A user's classifier.

    Attributes:
        logits: (B, C, H, W) float32 from 0 to 1 -> (B, outputs), also if the file holds an ONNX network whose batches have a
            fixed size.
        fit: which tensors of the file were used, in words.
    """

    logits: Callable[[Tensor], Tensor]
    fit: str


def own_network(
    file: Path, backbone: str | None, outputs: int, record: SweepRecord, shape: tuple[int, int], registry: Registry
) -> OwnNetwork:
    """Return the classifier in a file, for the input of the networks of a sweep.

    Args:
        backbone: the backbone whose weights the file holds; None for an ONNX file.
        outputs: number of classes of the file.
        shape: channels and side of the input.

    Raises:
        SpecError, PluginError: the file cannot be read, is of another network, or the backbone is missing.
    """
    if not file.is_file():
        raise SpecError(f"--network {file}: there is no such file")
    if file.suffix.lower() == ".onnx":
        return _onnx(file, shape)
    if backbone is None:
        raise SpecError(
            f"--network {file}: holds weights alone; name their backbone with --backbone (see: dabench list backbones)"
        )
    options = record.sweep.options.get(backbone, {}) if backbone == record.sweep.backbone else {}
    made: Backbone = registry.make("backbone", backbone, {k: v for k, v in options.items() if k != "weights"})
    settings = build(NetworkConfig, record.sweep.network or {})
    weights = read_weights(file)
    with torch.random.fork_rng([]):
        net = build_network(made, *shape, outputs, False, settings)
        if _same(net, weights):
            _load(net, weights)
            return OwnNetwork(_evaluated(net), "all tensors, by their names")
        # Weights of another program have no bottleneck of [network]; its mean and std belong to the preprocessing of the sweep.
        plain = build_network(made, *shape, outputs, False, NetworkConfig(mean=settings.mean, std=settings.std))
    return OwnNetwork(_evaluated(plain), _foreign(plain, weights, made, file))


def _same(net: TorchNetwork, weights: Mapping[str, Tensor]) -> bool:
    """Whether weights are those of a network of dabench: the same names and shapes, perhaps with a correction."""
    own = {name: value.shape for name, value in net.state_dict().items()}
    return own == {name: value.shape for name, value in weights.items() if name != "log_ratios"}


def _load(net: TorchNetwork, weights: Mapping[str, Tensor]) -> None:
    if "log_ratios" in weights:
        net.log_ratios = torch.zeros_like(weights["log_ratios"])
    net.load_state_dict(dict(weights))


def _foreign(net: TorchNetwork, weights: Mapping[str, Tensor], backbone: Backbone, file: Path) -> str:
    """Load weights with other names: those of the encoder, and the last linear layer that fits as head."""
    head, rest = _head(net, weights, backbone, file)
    try:
        fit = fitted(net.encoder, rest, getattr(backbone, "converted", None))
    except PluginError as e:
        raise PluginError(f"--network {file}: {e}; check --backbone {backbone.name}") from e
    if fit.missing or fit.unlike:
        raise PluginError(f"--network {file}: does not fill the backbone {backbone.name}: {fit}; check --backbone")
    net.head.load_state_dict(head)
    of_head = sorted(weights.keys() - rest.keys(), reverse=True)
    return f"encoder: {fit}; head: {', '.join(of_head)}"


def _head(
    net: TorchNetwork, weights: Mapping[str, Tensor], backbone: Backbone, file: Path
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the weight and bias of the head, and the other tensors of the file."""
    shape = tuple(net.head.weight.shape)
    names = [name for name, value in weights.items() if value.ndim == 2 and tuple(value.shape) == shape and "weight" in name]
    if not names:
        others = [f"{name} {tuple(value.shape)}" for name, value in weights.items() if value.ndim == 2][:3]
        found = f"; linear layers of the file: {', '.join(others)}" if others else ""
        raise PluginError(
            f"--network {file}: has no linear layer of {shape[0]} classes on the {shape[1]} features of {backbone.name}{found}; "
            "check --backbone, and name the classes of the file with --classes"
        )
    weight = names[-1]
    bias = weight.removesuffix("weight") + "bias"
    values = {"weight": weights[weight], "bias": weights.get(bias, torch.zeros(shape[0]))}
    return values, {name: value for name, value in weights.items() if name not in (weight, bias)}


def _evaluated(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the function of a network in evaluation mode."""
    net.eval().requires_grad_(False)

    def logits(images: Tensor) -> Tensor:
        with torch.inference_mode():
            found: Tensor = net(images)
            return found

    return logits


def _onnx(file: Path, shape: tuple[int, int]) -> OwnNetwork:
    net = OnnxNetwork(file)
    channels, size = shape
    expected = (channels, size, size)
    wrong = len(net.shape) != 4 or any(
        isinstance(is_, int) and is_ != wanted for is_, wanted in zip(net.shape[1:], expected, strict=False)
    )
    if wrong:
        raise SpecError(f"--network {file}: takes {net.shape}, but the sweep's images are (B, {channels}, {size}, {size})")
    batch = net.shape[0]

    def logits(images: Tensor) -> Tensor:
        if not isinstance(batch, int):
            return net(images)
        parts = []
        for part in torch.split(images, batch):
            filled = torch.cat([part, part.new_zeros((batch - len(part), *part.shape[1:]))])
            parts.append(net(filled)[: len(part)])
        return torch.cat(parts)

    return OwnNetwork(logits, "an ONNX network")


def class_order(given: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the positions of the sweep's classes among the outputs of a file.

    Args:
        given: the names of the outputs in their order; empty: those of the sweep.

    Raises:
        SpecError: a class of the sweep is missing, or a name occurs twice.
    """
    names = list(given) or list(classes)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SpecError(f"--classes: '{twice[0]}' occurs twice; name each output of the network once")
    missing = [name for name in classes if name not in names]
    if missing:
        raise SpecError(
            f"--classes: the class '{missing[0]}' of the sweep is missing{nearest(missing[0], names)}; name the outputs of the "
            f"network in their order, by the names of the sweep: {', '.join(classes)}"
        )
    return np.array([names.index(name) for name in classes], np.int64)
