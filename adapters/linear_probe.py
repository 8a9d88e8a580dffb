"""Linear probing: train only the classifier on the labelled target shots, above the features of the source network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dabench.adapters.fine_tune import steps_of

from dabench import Adapter, Network, Target, Trainer, View, setting


class LinearProbe(Adapter):
    """Cross-entropy of the linear classifier on the shots; the encoder and its batch statistics do not change.

    Differences to the paper, which looks into a network without changing it: the classifier starts from that of the source,
    which has the same classes, and it is trained to be used.
    """

    name = "linear-probe"
    title = "linear probing on labelled target shots"
    access = "few-shot"
    family = "fine-tuning"
    citation = """@misc{alain2016understanding,
  title = {Understanding Intermediate Layers Using Linear Classifier Probes},
  author = {Alain, Guillaume and Bengio, Yoshua},
  year = {2016},
  eprint = {1610.01644},
  archivePrefix = {arXiv}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of linear-probe."""

        passes: float = setting(100.0, "length in passes over the shots", above=0, origin="not searched: that of fine-tune")
        lr_factor: float = setting(
            1.0, "highest learning rate, as a fraction of train.lr", above=0, search=5,
            origin="not searched: the pretraining's rate, because no features can be lost",
        )  # fmt: skip

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return the steps of `passes` passes over the shots, in batches of `batch` or of all shots if there are fewer."""
        steps: int = steps_of(self.options.passes, shots, batch)
        return steps

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train the head on the shots; needs `target.shots`."""
        assert target.shots is not None
        steps = self.length(0, len(target.shots), trainer.settings.batch)
        lr = self.options.lr_factor * trainer.settings.lr
        return trainer.supervised(net, [target.shots], steps=steps, lr=lr, trainable=[net.head])
