"""Any model of the timm library, as timm/<model name>."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dabench import Backbone
from dabench.errors import PluginError, nearest

if TYPE_CHECKING:
    from torch import nn


class Timm(Backbone):
    """A timm model without its classifier. Its number of features is determined by one forward pass."""

    name = "timm/*"
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
            self.short_name = variant.upper()

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return the model named after the slash. Pretrained weights from its hub bring their own normalisation."""
        import timm
        import torch
        from torch import nn

        if self.variant not in timm.list_models():
            known = timm.list_models()
            raise PluginError(f"timm has no model '{self.variant}'{nearest(self.variant, known)}; timm knows {len(known)} models")
        sized = {} if pretrained else {"img_size": size}
        try:
            model = _create(timm, self.variant, channels, pretrained, sized)
        except Exception as e:
            what, advice = "it", ""
            if pretrained:
                what = "its pretrained weights"
                advice = "; put them into the hub's cache where there is a network (HF_HOME), or set pretrained = false"
            raise PluginError(f"timm/{self.variant}: {what} cannot be loaded ({type(e).__name__}: {_line(e)}){advice}") from e
        config: Any = model.pretrained_cfg
        scale = [_normalise(channels, config["mean"], config["std"])] if pretrained else []
        encoder = nn.Sequential(*scale, model)
        encoder.eval()
        with torch.no_grad():
            try:
                features = encoder(torch.zeros(2, channels, size, size))
            except Exception as e:
                raise PluginError(
                    f"timm/{self.variant} does not accept {channels}x{size}x{size} images ({_line(e)}); set another size"
                ) from e
        if features.ndim != 2:
            raise PluginError(f"timm/{self.variant} returns features of shape {tuple(features.shape)}, not (B, F)")
        encoder.num_features = features.shape[1]
        return encoder.train()


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no reason given")


def _normalise(channels: int, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """Return a module that computes (x - mean) / std; for grey images, the mean over the colour channels is used."""
    from torchvision.transforms.v2 import Normalize

    if channels == 1:
        mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    module: nn.Module = Normalize(list(mean), list(std))
    return module


def _create(timm: Any, name: str, channels: int, pretrained: bool, sized: dict[str, int]) -> Any:
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels, **sized)
    except TypeError:  # convolutional models have no argument img_size
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels)
