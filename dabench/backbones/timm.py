"""Any model of the timm library, as timm/<model name>."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench import Backbone
from dabench.errors import NotDownloadedError, PluginError, nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

_HUB = "hf-hub:"


class Timm(Backbone):
    """A timm model without its classifier. Its number of features is determined by one forward pass.

    timm/resnet18.a1_in1k names the model and its published weights, timm/hf-hub:OWNER/MODEL a model of the hub.

    Attributes:
        offline: set by dabench for a plan: nothing may be downloaded.
    """

    name = "timm/*"
    offline = False
    short_name = "TIMM"
    title = "any model of the timm library"
    citation = """@misc{wightman2019timm,
  title = {PyTorch Image Models},
  author = {Wightman, Ross},
  year = {2019},
  doi = {10.5281/zenodo.4414861},
  howpublished = {\\url{https://github.com/huggingface/pytorch-image-models}}
}"""

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        if variant:
            self.short_name = variant.rpartition("/")[2].upper()

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return the model named after the slash, with its own normalisation of the input.

        A model for images of one size, such as a vision transformer, is built for `size`: pretrained position embeddings are
        resampled.
        """
        import timm
        import torch
        from torch import nn

        model = self._model(timm, channels, size, pretrained)
        config: Any = model.pretrained_cfg
        encoder = nn.Sequential(_normalise(channels, config["mean"], config["std"]), model)
        encoder.eval()
        with torch.no_grad():
            try:
                features = encoder(torch.zeros(2, channels, size, size))
            except Exception as e:
                raise PluginError(
                    f"{self.name} does not accept {channels}x{size}x{size} images ({_line(e)}); set another size"
                ) from e
        if features.ndim != 2:
            raise PluginError(f"{self.name} returns features of shape {tuple(features.shape)}, not (B, F)")
        encoder.num_features = features.shape[1]
        vars(encoder)["note"] = _note(config, channels, size, pretrained)
        return encoder.train()

    def converted(self, encoder: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights as timm would load them: names of other libraries, position embeddings of another image size."""
        model: Any = list(encoder.children())[-1]
        convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
        found: Mapping[str, Tensor] = convert(dict(weights), model) if convert else weights
        return found

    def _model(self, timm: Any, channels: int, size: int, pretrained: bool) -> Any:
        """Return the model without its classifier; raise PluginError if there is none of this name or it cannot be loaded."""
        name = self._local(pretrained) if self.variant.startswith(_HUB) else _known(timm, self.variant, pretrained)
        try:
            return _create(timm, name, channels, pretrained, {"img_size": size})
        except Exception as e:
            what, advice = "it", ""
            if pretrained or name.startswith(_HUB):
                what = "its pretrained weights" if pretrained else "its configuration"
                advice = "; put them into the hub's cache where there is a network (HF_HOME), or set pretrained = false"
                advice = advice if pretrained else "; put it into the hub's cache where there is a network (HF_HOME)"
            raise PluginError(f"{self.name}: {what} cannot be loaded ({type(e).__name__}: {_line(e)}){advice}") from e

    def _local(self, pretrained: bool) -> str:
        """Return the name of a model of a hub for timm; without its weights, from the hub's cache if it is there."""
        from huggingface_hub import try_to_load_from_cache

        config = try_to_load_from_cache(self.variant.removeprefix(_HUB), "config.json")
        if pretrained:
            return self.variant
        if isinstance(config, str):
            return f"local-dir:{Path(config).parent}"
        if self.offline:
            raise NotDownloadedError(f"{self.name} is not in the hub's cache; the sweep downloads it")
        return self.variant


def _known(timm: Any, variant: str, pretrained: bool) -> str:
    """Return the name of a model of timm, with or without the tag of its weights, as in resnet18.a1_in1k."""
    name, _, tag = variant.partition(".")
    if not timm.is_model(name):
        known = timm.list_models()
        raise PluginError(f"timm has no model '{name}'{nearest(name, known)}; timm knows {len(known)} models")
    tags = [found.partition(".")[2] for found in timm.list_pretrained(f"{name}.*")]
    if tag and tag not in tags:
        raise PluginError(
            f"timm has no weights '{tag}' of the model '{name}'{nearest(tag, tags)}; it has {', '.join(tags) or 'none'}"
        )
    if pretrained and not timm.is_model_pretrained(name):
        raise PluginError(f"timm has no weights of the model '{name}'; set pretrained = false, or weights = FILE in its table")
    return variant


def _note(config: Mapping[str, Any], channels: int, size: int, pretrained: bool) -> str:
    """Return in one line how images are normalised, and the size that the published weights were trained with."""
    mean, std = (", ".join(f"{v:.3g}" for v in _values(channels, config[key])) for key in ("mean", "std"))
    note = f"images are normalised by mean {mean} and standard deviation {std}"
    side = (config.get("input_size") or (0, size))[-1]
    tag = f" {config['tag']}" if config.get("tag") else ""
    return f"published weights{tag} of {side}x{side} images, used at {size}x{size}; {note}" if pretrained else note


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no reason given")


def _values(channels: int, values: Sequence[float]) -> list[float]:
    """Return a value for each channel; for grey images, the mean over the colour channels."""
    return [sum(values) / len(values)] if channels == 1 else list(values)


def _normalise(channels: int, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """Return a module that computes (x - mean) / std."""
    from torchvision.transforms.v2 import Normalize

    module: nn.Module = Normalize(_values(channels, mean), _values(channels, std))
    return module


def _create(timm: Any, name: str, channels: int, pretrained: bool, sized: dict[str, int]) -> Any:
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels, **sized)
    except TypeError:  # convolutional models have no argument img_size
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels)
