"""Write a network as plain torch code, so that its weights can be used without dabench.

Layers of torch.nn, and sequences of them, are written as calls of their constructors; a model of the library timm as a call of
timm.create_model. Other modules, such as a head that a method defines, have no plain code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torchvision.transforms.v2 import Normalize

from dabench.errors import StoreError
from dabench.plugins.contract import Backbone
from dabench.reporting.escape import one_line
from dabench.training.network import TorchNetwork

_LINE = 100

_NORMALIZE = '''

class Normalize(nn.Module):
    """(x - mean) / std, channel by channel."""

    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]

    def forward(self, images):
        return (images - self.mean.to(images)) / self.std.to(images)
'''

_MODULE = '''"""{title}

It needs {needs}. `load_network()` reads the weights from network.safetensors beside this file.
"""

from pathlib import Path

import torch
{imports}from safetensors.torch import load_file
from torch import nn

CLASSES = {classes}
{extra}

class Network(nn.Module):
    """Images (B, {channels}, {size}, {size}), float32 from 0 to 1 -> logits (B, {count})."""

    def __init__(self):
        super().__init__()
        self.encoder = {encoder}
        self.head = {head}
{ratios}
    def forward(self, images):
        return self.head(self.encoder(images)){plus}


def load_network(file=Path(__file__).with_name("network.safetensors")):
    """Return the trained network in evaluation mode."""
    net = Network()
    net.load_state_dict(load_file(file))
    return net.eval()
'''


class PlainNetwork(nn.Module):
    """The part of a stored network that predicts: encoder, head, and the correction for label shift if there is one."""

    log_ratios: Tensor | None

    def __init__(self, net: TorchNetwork) -> None:
        """Take over `net`, which cannot be used afterwards."""
        super().__init__()
        _remove_parametrizations(net)
        self.encoder, self.head = net.encoder, net.head
        self.register_buffer("log_ratios", net.log_ratios)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K)."""
        logits: Tensor = self.head(self.encoder(images).float()).float()
        return logits if self.log_ratios is None else logits + self.log_ratios


def _remove_parametrizations(net: nn.Module) -> None:
    """Make plain weights of those that are computed from others, as by weight_norm.

    Not in a copy: torch keeps such weights in a class that a copy shares with its original.
    """
    for module in list(net.modules()):
        for name in list(getattr(module, "parametrizations", {})):
            parametrize.remove_parametrizations(module, name)


def plain_code(net: PlainNetwork, title: str, classes: tuple[str, ...], shape: tuple[int, int], backbone: Backbone) -> str:
    """Return a Python module that defines `Network` and `load_network`, in plain torch.

    Args:
        shape: channels and side of the input.

    Raises:
        StoreError: the network has modules that have no plain code.
    """
    channels, size = shape
    encoder, head = (_code(module, backbone, shape, 8) for module in (net.encoder, net.head))
    timm = "timm.create_model(" in encoder
    normalised = any(isinstance(module, Normalize) for module in net.modules())
    ratios = net.log_ratios is not None
    return _MODULE.format(
        title=re.sub(r'["\\]', "'", one_line(title)),  # a name in a record of anybody must not end the docstring
        needs="torch, timm and safetensors" if timm else "torch and safetensors",
        imports="import timm\n" if timm else "",
        classes=_tuple_code(classes),
        extra=_NORMALIZE if normalised else "",
        channels=channels,
        size=size,
        count=len(classes),
        encoder=encoder,
        head=head,
        ratios=f'        self.register_buffer("log_ratios", torch.zeros({len(classes)}))\n' if ratios else "",
        plus=" + self.log_ratios" if ratios else "",
    )


def _tuple_code(values: tuple[str, ...]) -> str:
    line = repr(values)
    return line if len(line) < _LINE else "(\n" + "".join(f"    {value!r},\n" for value in values) + ")"


def _code(module: nn.Module, backbone: Backbone, shape: tuple[int, int], indent: int) -> str:
    """Return the call that makes a module, without its weights."""
    if type(module) is nn.Sequential:
        pad = " " * (indent + 4)
        inner = "".join(f"{pad}{_code(part, backbone, shape, indent + 4)},\n" for part in module)
        return f"nn.Sequential(\n{inner}{' ' * indent})"
    if isinstance(module, Normalize):
        return f"Normalize({list(module.mean)}, {list(module.std)})"
    name = type(module).__name__
    if getattr(nn, name, None) is type(module) and not list(module.children()):
        return f"nn.{name}({', '.join(_arguments(module))})"
    if type(module).__module__.startswith("timm."):
        return _timm_code(module, backbone, shape)
    raise StoreError(
        f"the module {name} is neither a layer of torch.nn nor a model of timm, so it has no plain code; "
        "use --format pt2 or --format onnx, which hold the computation itself"
    )


def _arguments(module: nn.Module) -> Iterator[str]:
    """Yield the arguments of the constructor of a layer that differ from their defaults."""
    positional = True
    for name, parameter in inspect.signature(type(module)).parameters.items():
        if name in ("device", "dtype") or not hasattr(module, name):
            positional = False
            continue
        value = getattr(module, name)
        value = value is not None if name == "bias" else _plain_value(value)
        needed = parameter.default is inspect.Parameter.empty
        if needed or value != _plain_value(parameter.default):
            yield repr(value) if positional and needed else f"{name}={value!r}"


def _plain_value(value: Any) -> Any:
    """Return (3, 3) as 3, as most calls write it."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def _timm_code(module: nn.Module, backbone: Backbone, shape: tuple[int, int]) -> str:
    """Return the call of timm.create_model that makes a model like this one."""
    import timm

    channels, size = shape
    name = backbone.variant.partition(".")[0]
    own = {n: tuple(v.shape) for n, v in module.state_dict().items()}
    for sized in ({}, {"img_size": size}):
        options: dict[str, Any] = {"num_classes": 0, "in_chans": channels, **sized}
        try:
            with torch.random.fork_rng([]):
                made = timm.create_model(name, pretrained=False, **options)
        except Exception:  # models have different arguments, and say so in different ways
            continue
        if {n: tuple(v.shape) for n, v in made.state_dict().items()} == own:
            given = "".join(f", {key}={value}" for key, value in options.items())
            return f"timm.create_model({name!r}{given})"
    raise StoreError(f"timm.create_model({name!r}) makes another model than {backbone.name}; use --format pt2 or --format onnx")
