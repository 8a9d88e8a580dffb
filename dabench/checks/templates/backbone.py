"""The texts of a new backbone."""

from __future__ import annotations

MODULE = '''"""The backbone $name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dabench import Backbone, PluginError

if TYPE_CHECKING:
    from torch import nn


class $cls(Backbone):
    """Notify what it is made of, and where it comes from."""

    name = "$name"
    short_name = "$short_name"  # as it stands in tables
    title = "two convolutions"  # one line: what it is
    citation = ""  # BibTeX

    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return a module from (B, channels, size, size) floats in [0, 1] to (B, F) features, with `num_features` = F."""
        # torch is imported here, so that `dabench list` answers at once.
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

TEST = '''"""$name keeps the contract of backbones."""

from __future__ import annotations

import dabench


def test_it_keeps_the_contract() -> None:
    assert [f for f in dabench.check("$name") if f.state == "failed"] == []
'''

README = """# $name: a backbone for dabench

    pip install -e .
    dabench show backbone $name         # its parameters, counted
    dabench check $name                 # the contract
    pytest

Write the network in `$module.py`. In a sweep file: `backbone = "$name"`.
"""
