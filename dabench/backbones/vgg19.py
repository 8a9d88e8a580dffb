"""VGG19 as the study uses it for 44x44 faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dabench import Backbone, PluginError, setting

if TYPE_CHECKING:
    from torch import nn

# Widths of the 16 convolutions; "M" is a max-pool of 2 (configuration E of the paper's Table 1).
_LAYERS = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M")


class VGG19(Backbone):
    """16 convolutions with batch norm and ReLU, five max-pools, dropout, one linear layer.

    It has 20,038,983 parameters with 3 channels and 7 classes. After the pools, global average pooling is applied, which has no
    effect for images up to 63 pixels, because one pixel is left.
    """

    name = "vgg19"
    short_name = "VGG"
    title = "VGG19 with batch norm and one linear layer"
    dropout = 0.5
    citation = """@inproceedings{simonyan2015very,
  title = {Very Deep Convolutional Networks for Large-Scale Image Recognition},
  author = {Simonyan, Karen and Zisserman, Andrew},
  booktitle = {International Conference on Learning Representations},
  year = {2015}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of vgg19."""

        init: Literal["default", "he"] = setting("default", "initial convolutions: torch's default, or He et al. 2015 by fan-out")

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return the convolutions; `size` must be at least 32."""
        from torch import nn

        if pretrained:
            raise PluginError("backbone 'vgg19' has no pretrained weights; use timm/vgg19_bn for those, or pretrained = false")
        if size < 32:
            raise PluginError(f"backbone 'vgg19' halves images five times, so {size} pixels are too few; set size = 32 or more")
        modules: list[nn.Module] = []
        width = channels
        for layer in _LAYERS:
            if isinstance(layer, str):
                modules.append(nn.MaxPool2d(2))
            else:
                modules += [nn.Conv2d(width, layer, 3, padding=1), nn.BatchNorm2d(layer), nn.ReLU(inplace=True)]
                width = layer
        if self.options.init == "he":
            for convolution in (m for m in modules if isinstance(m, nn.Conv2d)):
                nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # every convolution here has one
        encoder = nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        encoder.num_features = width  # type: ignore[assignment]  # torch types every attribute as a module
        return encoder
