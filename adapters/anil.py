"""ANIL (Raghu et al. 2020): MAML whose inner steps change only the classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench.adapters.maml import MAML

from dabench import Network

if TYPE_CHECKING:
    from torch import Tensor


class ANIL(MAML):  # type: ignore[misc]
    """Almost no inner loop: inner steps, on meta-tasks and on the shots, change the head alone.

    The meta-update changes the whole network. All else is as in maml: meta-tasks, options and batch statistics.
    """

    name = "anil"
    title = "meta-learning with inner steps of the head"
    family = "meta-learning"
    without_groups = "ANIL on synthetic shifts of one source, because its images have no groups"
    citation = """@inproceedings{raghu2020rapid,
  title = {Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of {MAML}},
  author = {Raghu, Aniruddh and Raghu, Maithra and Bengio, Samy and Vinyals, Oriol},
  booktitle = {International Conference on Learning Representations},
  year = {2020}
}"""

    @dataclass(frozen=True)
    class Options(MAML.Options):  # type: ignore[misc]
        """Options of anil: those of maml."""

    def inner_parameters(self, net: Network) -> dict[str, Tensor]:
        """Return the parameters of the head by name."""
        return {name: p for name, p in net.named_parameters() if name.startswith("head.")}
