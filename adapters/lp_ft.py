"""LP-FT (Kumar et al. 2022): linear probing on the target shots, and then fine-tuning of the whole network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dabench.adapters.fine_tune import steps_of

from dabench import Adapter, Network, Target, Trainer, View, setting


class LPFT(Adapter):
    """First only the head learns, then the whole network: a head that fits keeps features from being distorted (Section 3).

    Differences to the paper: the head of the first stage starts from that of the source, which has the same classes. Each
    stage has the schedule of [train]. In the second stage, batch norms learn the statistics of the shots.
    """

    name = "lp-ft"
    title = "linear probing, then fine-tuning"
    access = "few-shot"
    family = "fine-tuning"
    citation = """@inproceedings{kumar2022fine,
  title = {Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution},
  author = {Kumar, Ananya and Raghunathan, Aditi and Jones, Robbie and Ma, Tengyu and Liang, Percy},
  booktitle = {International Conference on Learning Representations},
  year = {2022}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of lp-ft."""

        passes: float = setting(
            50.0, "length of each of the two stages, in passes over the shots", above=0,
            origin="not searched: both stages together are as long as fine-tune",
        )  # fmt: skip
        probe_lr_factor: float = setting(
            1.0, "highest learning rate of the head alone, as a fraction of train.lr", above=0, search=5,
            origin="not searched: that of linear-probe",
        )  # fmt: skip
        lr_factor: float = setting(
            0.2, "highest learning rate of the whole network, as a fraction of train.lr", above=0, search=5,
            origin="not searched: that of fine-tune",
        )  # fmt: skip

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return the steps of both stages."""
        one: int = steps_of(self.options.passes, shots, batch)
        return 2 * one

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train the head on the shots, and then the network; needs `target.shots`."""
        assert target.shots is not None
        shots, lr = [target.shots], trainer.settings.lr
        steps = steps_of(self.options.passes, len(target.shots), trainer.settings.batch)
        net = trainer.supervised(net, shots, steps=steps, lr=self.options.probe_lr_factor * lr, trainable=[net.head])
        return trainer.supervised(net, shots, steps=steps, lr=self.options.lr_factor * lr)
