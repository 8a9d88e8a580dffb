"""Texts of a new backbone."""

from __future__ import annotations

MODULE = '''"""The backbone $name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dabench import Backbone, PluginError

if TYPE_CHECKING:
    from torch import nn


class $cls(Backbone):
    """Describe the architecture and its source."""

    name = "$name"
    short_name = "$short_name"  # the name in tables
    title = "two convolutions"  # what it is, in one line
    citation = ""  # BibTeX

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return a module that maps (B, channels, size, size) floats in [0, 1] to (B, F); its `num_features` is F."""
        # torch is imported here, because `dabench list` imports this module and must not wait for torch.
        from torch import nn

        if pretrained:
            raise PluginError("backbone '$name' has no pretrained weights; set pretrained = false")
        encoder = nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
        encoder.num_features = 64
        return encoder
'''

README = """# $name: a backbone for dabench

    pip install -e .
    dabench show backbone $name         # its number of parameters
    dabench check $name
    pytest                              # runs dabench check

Write the network in `$module.py`. In a sweep file: `backbone = "$name"`.
"""
