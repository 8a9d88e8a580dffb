"""The texts of a new adapter."""

from __future__ import annotations

MODULE = '''"""The adaptation method $name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import Adapter, Batch, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor


class $cls(Adapter):
    """Notify what it does, with the paper and the equation. As written here: low entropy on the target's images."""

    name = "$name"
    short_name = "$short_name"
    title = "entropy minimisation on the target"  # one line: what it is
    access = "unlabelled"  # what of the target it may see: none, unlabelled, few-shot, full
    citation = ""  # BibTeX

    @dataclass(frozen=True)
    class Options:
        """Options of $name."""

        weight: float = setting(0.1, "weight of the entropy", low=0)

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """TrainConfig on labelled source and unlabelled target batches, half and half."""
        assert target.unlabelled is not None

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            said = net(other.images).log_softmax(1)
            entropy: Tensor = -(said.exp() * said).sum(1).mean()
            return trainer.cross_entropy(net(source.images), source.require_labels()) + self.options.weight * entropy

        half = max(2, trainer.settings.batch // 2)
        steps = trainer.steps(sources)
        # If the loss remembers something, name it: trainer.fit(..., state={"memory": memory}). Interrupted runs then resume.
        return trainer.fit(net, loss, trainer.stream(sources, half), trainer.stream([target.unlabelled], half), steps=steps)
'''

TEST = '''"""$name keeps the contract of adapters."""

from __future__ import annotations

import dabench


def test_it_keeps_the_contract() -> None:
    assert [f for f in dabench.check("$name") if f.state == "failed"] == []
'''

README = """# $name: an adaptation method for dabench

    pip install -e .
    dabench show adapter $name          # its options
    dabench check $name                 # the contract, by a tiny run on made-up images
    pytest

Write the method in `$module.py`: `adapt`, perhaps `pretrain` or `network`. `access` says what of the target it may see;
dabench grants no more. In a sweep file: `adapters = ["none", "$name"]`.
"""
