"""Fine-tuning: continue the training of the pretrained network on the labelled target shots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dabench import Adapter, Network, Target, Trainer, View, setting


class FineTune(Adapter):
    """Supervised training on the target's shots, of the whole network or only of its head."""

    name = "fine-tune"
    title = "fine-tuning on labelled target shots"
    access = "few-shot"

    @dataclass(frozen=True)
    class Options:
        """Options of fine-tune."""

        steps_fraction: float = setting(0.3, "training steps, as a fraction of the pretraining's steps", above=0)
        lr_factor: float = setting(0.2, "highest learning rate, as a fraction of train.lr", above=0, search=5)
        head_only: bool = setting(False, "train only the head and keep the features")

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on the shots; needs `target.shots`."""
        assert target.shots is not None
        return trainer.supervised(
            net,
            [target.shots],
            steps=max(1, round(self.options.steps_fraction * trainer.steps(sources))),
            lr=self.options.lr_factor * trainer.settings.lr,
            trainable=[net.head] if self.options.head_only else None,
        )
