"""Texts of a new adapter."""

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
    """Describe the method, its paper and its equation. This example minimises the entropy on target images."""

    name = "$name"
    short_name = "$short_name"  # the name in tables
    title = "entropy minimisation on the target"  # what it is, in one line
    access = "unlabelled"  # what it may see of the target: none, unlabelled, few-shot, full or test
    family = "self-training"  # a word or two for lists
    citation = ""  # BibTeX

    @dataclass(frozen=True)
    class Options:
        """Options of $name."""

        weight: float = setting(0.1, "weight of the entropy", low=0)

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on batches that are half labelled source images and half unlabelled target images."""
        assert target.unlabelled is not None

        def loss(progress: float, source: Batch, other: Batch) -> Tensor:
            log_probabilities = net(other.images).log_softmax(1)
            entropy: Tensor = -(log_probabilities.exp() * log_probabilities).sum(1).mean()
            return trainer.cross_entropy(net(source.images), source.require_labels()) + self.options.weight * entropy

        half = max(2, trainer.settings.batch // 2)
        steps = self.length(trainer.adaptation_steps(sources))
        # State that the loss keeps between steps must be named, or an interrupted run cannot resume:
        # trainer.fit(..., state={"memory": memory}).
        return trainer.fit(net, loss, trainer.stream(sources, half), trainer.stream([target.unlabelled], half), steps=steps)
'''

README = """# $name: an adaptation method for dabench

    pip install -e .
    dabench show adapter $name          # its options
    dabench check $name                 # tests the contract in short trainings on made-up images
    dabench check $name --plugin $module.py    # the same without installing it
    pytest                              # runs dabench check

Write the method in `$module.py`: `adapt`, and `pretrain` or `network` if it needs them. `access` declares what it may see of
the target; dabench grants nothing else. In a sweep file: `adapters = ["none", "$name"]`.
Add a test that it learns: see "A learning test" in docs/writing-plugins.md of dabench.
"""
