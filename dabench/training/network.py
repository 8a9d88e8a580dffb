"""The network of a run: a backbone's encoder, perhaps a bottleneck, dropout, and one linear layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dabench.errors import PluginError, StoreError
from dabench.plugins.contract import Adapter, Backbone, Network
from dabench.training.settings import NetworkConfig

_OF_ENCODER = "of_encoder"
"""Attribute of the modules of an encoder. It stays with them in copies, and where an adapter puts the encoder into others."""

_DEFAULT = NetworkConfig()


class TorchNetwork(nn.Module):
    """The contract's Network as a torch module: (B, C, H, W) float in [0, 1] -> features (B, F) -> logits (B, K).

    Features and logits are float32 for every precision inside.

    Attributes:
        bottleneck: number of features of the bottleneck of [network], which then ends `encoder`; 0 without one.
        log_ratios: (K,) what a correction adds to the logits, the logarithms of its ratios; None without one.
    """

    log_ratios: Tensor | None

    def __init__(
        self,
        encoder: nn.Module,
        num_features: int,
        classes: int,
        dropout: float = 0.0,
        bottleneck: int = 0,
        bottleneck_norm: bool = True,
    ) -> None:
        super().__init__()
        self.register_buffer("log_ratios", None)
        for module in encoder.modules():
            vars(module)[_OF_ENCODER] = True
        self.bottleneck, self.encoder = bottleneck, encoder
        if bottleneck:
            norm = (nn.BatchNorm1d(bottleneck), nn.ReLU()) if bottleneck_norm else ()
            self.encoder = nn.Sequential(encoder, nn.Linear(num_features, bottleneck), *norm)
        self.dropout: nn.Module = nn.Dropout(dropout)
        self.head = nn.Linear(bottleneck or num_features, classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the features, (B, F) float32: those of the encoder, or of the bottleneck after it."""
        return cast(Tensor, self.encoder(images)).float()

    def classify(self, features: Tensor) -> Tensor:
        """Return logits (B, K) float32 of features (B, F)."""
        logits = cast(Tensor, self.head(self.dropout(features))).float()
        return logits if self.log_ratios is None else logits + self.log_ratios

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, (B, K) float32."""
        return self.classify(self.features(images))


def build_network(
    backbone: Backbone,
    channels: int,
    size: int,
    classes: int,
    pretrained: bool = False,
    settings: NetworkConfig = _DEFAULT,
) -> TorchNetwork:
    """Return a new network of `backbone` for `classes` classes, with the normalisation and the bottleneck of [network].

    Raises:
        PluginError: the backbone violates its contract, or its pretrained weights are not available.
    """
    encoder = backbone.build(channels, size, pretrained)
    features = getattr(encoder, "num_features", None)
    if not isinstance(encoder, nn.Module) or not isinstance(features, int):
        raise PluginError(f"backbone '{backbone.name}': build() must return a torch module with an int attribute `num_features`")
    if settings.mean:
        encoder = _normalised(encoder, *(_each(values, channels) for values in (settings.mean, settings.std)))
    net = TorchNetwork(encoder, features, classes, backbone.dropout, settings.bottleneck, settings.bottleneck_norm)
    vars(net.encoder)["note"] = getattr(encoder, "note", "")
    return net


def _each(values: Sequence[float], channels: int) -> list[float]:
    return list(values) * (channels if len(values) == 1 else 1)


def _normalised(encoder: nn.Module, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """Return the encoder of images that are normalised by (x - mean) / std.

    A sequence of modules that begins with torchvision's Normalize, as that of a timm model, normalises by these values instead.
    """
    from torchvision.transforms.v2 import Normalize

    replaced = isinstance(encoder, nn.Sequential) and isinstance(next(iter(encoder), None), Normalize)
    if replaced:
        encoder[0] = Normalize(mean, std)  # type: ignore[operator]
        found: nn.Module = encoder
    else:
        found = nn.Sequential(Normalize(mean, std), encoder)
    means, deviations = (", ".join(f"{v:.3g}" for v in values) for values in (mean, std))
    words = f"[network] normalises images by mean {means} and standard deviation {deviations}"
    notes = [getattr(encoder, "note", ""), words + (" instead" if replaced else "")]
    vars(found)["note"] = "; ".join(filter(None, notes))
    return found


def adapter_network(adapter: Adapter, net: TorchNetwork) -> TorchNetwork:
    """Return the new network `net` after the adapter's changes (Adapter.network).

    Raises:
        PluginError: the adapter does not return a Network.
    """
    result = adapter.network(net)
    if not isinstance(result, TorchNetwork):
        raise PluginError(f"adapter '{adapter.name}': network() returned {type(result).__name__}; it must return a Network")
    return result


def moved(net: TorchNetwork, device: torch.device) -> TorchNetwork:
    """Return `net` on a device.

    On CUDA its weights lie channels last, like the images. Otherwise each convolution would copy its weight in every pass.
    """
    return (net.to(memory_format=torch.channels_last) if device.type == "cuda" else net).to(device)


def parameter_count(net: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def save_network(net: nn.Module, path: Path) -> None:
    """Write the parameters and buffers of `net` as safetensors; raise OSError if the file cannot be written."""
    try:
        save_file({name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}, path)
    except SafetensorError as e:  # safetensors reports a full disk with its own error
        raise OSError(str(e)) from e


def load_network(net: nn.Module, path: Path) -> None:
    """Read parameters and buffers into `net`; raise StoreError if they cannot be read or do not fit it."""
    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as e:
        raise StoreError(f"{path}: cannot be read ({e}); run the sweep again with --redo") from e
    if problem := misfit(net, stored):
        raise StoreError(f"{path}: {problem}")
    net.load_state_dict(stored)


def misfit(net: nn.Module, stored: Mapping[str, Tensor]) -> str:
    """Return which parameters and buffers in `stored` do not fit `net`, and what to do; "" if all fit."""
    own = net.state_dict()
    shapes = [f"{n} is {tuple(stored[n].shape)}, not {tuple(own[n].shape)}" for n in own if n in stored
              and stored[n].shape != own[n].shape]  # fmt: skip
    unlike = {
        "more than this network": sorted(stored.keys() - own.keys()),
        "less than this network": sorted(own.keys() - stored.keys()),
        "other shapes": shapes,
    }
    found = [f"{what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" for what, names in unlike.items() if names]
    if not found:
        return ""
    return (
        f"the stored network has {' and '.join(found)}; pretrain() must return the modules that it is given, so add others in "
        "the adapter's network(), which makes them for pretrain() and adapt() alike"
    )


def encoder_parameters(modules: Iterable[nn.Module | Network]) -> set[int]:
    """Return the ids of the parameters in `modules` that belong to the encoder of a network, or to a copy of it."""
    own = [m for module in modules for m in module.modules() if _OF_ENCODER in vars(m)]
    return {id(p) for m in own for p in m.parameters(recurse=False)}


def device_of(net: nn.Module) -> torch.device:
    """Return the device of the parameters of `net`."""
    return next(net.parameters()).device


def estimate_statistics(net: Network, batches: Iterable[Tensor]) -> None:
    """Replace the running mean and variance of every batch norm in `net` by those of all images of `batches` together.

    Each image has the same weight, whatever the size of its batch: sums over images are added up, and the variance is the
    unbiased one around the common mean. Only what a norm's input is made of depends on the division, because the norms
    below it use the statistics of the batch, as in training. So batches should be large and of about the same size.

    Args:
        batches: (B, C, H, W) float32 in [0, 1] each. `net` is in evaluation mode afterwards.
    """
    moments = {m: _Moments() for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    hooks = [norm.register_forward_pre_hook(lambda norm, given: moments[norm].add(given[0])) for norm in moments]
    net.eval()
    for norm in moments:
        norm.train()
    try:
        with torch.no_grad():
            for images in batches:
                net(images)
    finally:
        for hook in hooks:
            hook.remove()
        net.eval()
    for norm, found in moments.items():
        if found.count and norm.running_mean is not None and norm.running_var is not None:
            norm.running_mean.copy_(found.mean)
            norm.running_var.copy_(found.squares / max(1, found.count - 1))


class _Moments:
    """Number of values, mean, and sum of squared deviations of each channel over several batches."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, values: Tensor) -> None:
        """Add the values of a batch, (B, C) or (B, C, ...), by the pairwise update of Chan, Golub and LeVeque (1983)."""
        each = values.float().transpose(0, 1).flatten(1)  # (C, values)
        n, (variance, mean) = each.shape[1], torch.var_mean(each, dim=1, correction=0)
        total, apart = self.count + n, mean - self.mean
        self.squares = self.squares + variance * n + apart.square() * (self.count * n / total)
        self.mean, self.count = self.mean + apart * (n / total), total


@contextmanager
def frozen_else(net: Network, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Freeze the parameters of `net` that are not in `parameters` during the block; leave `net` in evaluation mode."""
    learned = {id(p) for p in parameters}
    fixed = [p for p in net.parameters() if p.requires_grad and id(p) not in learned]
    try:
        for p in fixed:
            p.requires_grad_(False)
        yield
    finally:
        for p in fixed:
            p.requires_grad_(True)
        net.eval()
