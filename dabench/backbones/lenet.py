"""LeNet as used on digits in the ADDA paper: two convolutions and one hidden layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dabench import Backbone, PluginError

if TYPE_CHECKING:
    from torch import nn


class LeNet(Backbone):
    """Two blocks of 5x5 convolution without padding (20 and 50 filters), ReLU and max-pool of 2, then a layer of 500 units.

    It has no norms and no dropout, so that a method gains nothing by statistics of batches. The digit experiments of ADDA (Tzeng
    et al. 2017) use it. The layer sizes are those of the authors' code.
    """

    name = "lenet"
    short_name = "LENET"
    title = "two convolutions for digits, without norms"
    citation = """@article{lecun1998gradient,
  title = {Gradient-Based Learning Applied to Document Recognition},
  author = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal = {Proceedings of the IEEE},
  volume = {86},
  number = {11},
  pages = {2278--2324},
  year = {1998}
}"""

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return the two blocks and the hidden layer; `size` must be at least 16."""
        from torch import nn

        if pretrained:
            raise PluginError("backbone 'lenet' has no pretrained weights; set pretrained = false")
        if size < 16:
            raise PluginError(f"backbone 'lenet' needs images of 16 pixels or more, not {size}; set size = 16 or more")
        left = ((size - 4) // 2 - 4) // 2
        encoder = nn.Sequential(
            nn.Conv2d(channels, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(50 * left**2, 500), nn.ReLU(),
        )  # fmt: skip
        encoder.num_features = 500  # type: ignore[assignment]  # torch types every attribute as a module
        return encoder
