"""Conv4: the four-block network of the few-shot literature, small enough for a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Backbone, PluginError, setting

if TYPE_CHECKING:
    from torch import nn


class Conv4(Backbone):
    """Four blocks of 3x3 convolution, batch norm, ReLU and max-pool of 2, followed by global average pooling."""

    name = "conv4"
    short_name = "CONV4"
    title = "four convolution blocks, for CPUs"
    citation = """@inproceedings{vinyals2016matching,
  title = {Matching Networks for One Shot Learning},
  author = {Vinyals, Oriol and Blundell, Charles and Lillicrap, Timothy and Kavukcuoglu, Koray and Wierstra, Daan},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {29},
  year = {2016}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of conv4."""

        width: int = setting(32, "filters of each block (the literature has 32 and 64)", low=1)

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return the four blocks; `size` must be at least 16."""
        from torch import nn

        if pretrained:
            raise PluginError("backbone 'conv4' has no pretrained weights; set pretrained = false")
        if size < 16:
            raise PluginError(f"backbone 'conv4' halves images four times, so {size} pixels are too few; set size = 16 or more")
        modules: list[nn.Module] = []
        w = self.options.width
        for incoming in (channels, w, w, w):
            modules += [nn.Conv2d(incoming, w, 3, padding=1), nn.BatchNorm2d(w), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        encoder = nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        encoder.num_features = w
        return encoder
