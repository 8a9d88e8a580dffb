"""AdaBN (Li et al. 2017): use the target's statistics in every batch norm. There is no training."""

from __future__ import annotations

from collections.abc import Sequence

from dabench import Adapter, Network, PluginError, Target, Trainer, View


class AdaBN(Adapter):
    """Replace the mean and variance of each batch norm by those of the target's training images."""

    name = "adabn"
    title = "target batch-norm statistics"
    access = "unlabelled"
    family = "batch statistics"
    citation = """@inproceedings{li2017revisiting,
  title = {Revisiting Batch Normalization for Practical Domain Adaptation},
  author = {Li, Yanghao and Wang, Naiyan and Shi, Jianping and Liu, Jiaying and Hou, Xiaodi},
  booktitle = {International Conference on Learning Representations, Workshop Track},
  year = {2017}
}"""

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return 0: nothing is trained."""
        return 0

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Pass the target's images through the network once; needs `target.unlabelled` and a network with batch norm."""
        from torch.nn.modules.batchnorm import _BatchNorm

        assert target.unlabelled is not None
        if not any(isinstance(m, _BatchNorm) for m in net.modules()):
            raise PluginError("adabn needs a backbone with batch norm, but this backbone has none; choose another backbone")
        trainer.estimate_statistics(net, target.unlabelled)
        return net
