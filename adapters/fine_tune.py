"""Fine-tuning: continue the training of the pretrained network on the labelled target shots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dabench import Adapter, Network, Target, Trainer, View, setting


class FineTune(Adapter):
    """Supervised training on the target's shots, of the whole network or only of its head."""

    name = "fine-tune"
    title = "fine-tuning on labelled target shots"
    access = "few-shot"
    family = "fine-tuning"

    @dataclass(frozen=True)
    class Options:
        """Options of fine-tune."""

        passes: float = setting(
            100.0, "length in passes over the shots", above=0,
            origin="accuracy on the shots, USPS and MNIST both ways: leave-one-out on 40 shots 78, 80 and 86 % with 10, 30 and "
            "100 passes; threefold on 3,500 shots 97.6, 98.2 and 98.4 % with 3, 10 and 30, and no less with 100",
        )  # fmt: skip
        lr_factor: float = setting(
            0.2, "highest learning rate, as a fraction of train.lr", above=0, search=5,
            origin="not searched: a fraction of the pretraining's rate, as is usual; `passes` was chosen with it",
        )  # fmt: skip
        head_only: bool = setting(
            False, "train only the head and keep the features", origin="not searched: the whole network, as is usual"
        )

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return the steps of `passes` passes over the shots, in batches of `batch` or of all shots if there are fewer."""
        return steps_of(self.options.passes, shots, batch)

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on the shots; needs `target.shots`."""
        assert target.shots is not None
        return trainer.supervised(
            net,
            [target.shots],
            steps=self.length(0, len(target.shots), trainer.settings.batch),
            lr=self.options.lr_factor * trainer.settings.lr,
            trainable=[net.head] if self.options.head_only else None,
        )


def steps_of(passes: float, shots: int, batch: int) -> int:
    """Return the steps of `passes` passes over `shots` images, in batches of `batch` or of all images if there are fewer."""
    return math.ceil(passes * shots / min(batch, shots))
