"""MAML (Finn et al. 2017): meta-train an initialisation on the source that a few gradient steps on the shots can adapt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dabench import Adapter, DataError, Network, Target, Trainer, View, setting

if TYPE_CHECKING:
    from torch import Tensor, nn


Episode = tuple["Tensor", "Tensor", "Tensor", "Tensor"]
"""Support images and labels, query images and labels."""


class MAML(Adapter):
    """Model-agnostic meta-learning, second order by default (the paper's Algorithm 2 with the meta-update of Eq. 1).

    A meta-task is one group of a source (a subject, a font). If a source has no groups, it is random images under one random
    photometric and geometric shift: MAML on synthetic shifts of one source. The classes have the same meaning in every meta-task.

    The paper does not say which statistics batch norm uses. Here inner steps use those of their batch. Query images in
    meta-training are normalised by the statistics of the support images, just as test images are by those of the shots. No test
    image is classified by the statistics of the images beside it.
    """

    name = "maml"
    title = "meta-learning over groups of a source"
    access = "few-shot"
    family = "meta-learning"
    without_groups = "MAML on synthetic shifts of one source, because its images have no groups"
    citation = """@inproceedings{finn2017model,
  title = {Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks},
  author = {Finn, Chelsea and Abbeel, Pieter and Levine, Sergey},
  booktitle = {Proceedings of the 34th International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {70},
  pages = {1126--1135},
  year = {2017}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of maml."""

        first_order: bool = setting(
            False,
            "ignore second derivatives (first-order MAML, Section 5.2 of the paper)",
            origin="the paper: Algorithm 2 differentiates through the inner steps",
        )
        inner_steps: int = setting(
            3, "gradient steps on the support set of a meta-task", low=1,
            origin="not searched: between the 1 and the 5 that the paper takes on images (Appendix A.1)",
        )  # fmt: skip
        test_steps: int = setting(
            10, "gradient steps on the shots", low=1, origin="the paper: its number in testing on MiniImagenet (Appendix A.1)"
        )
        inner_lr: float = setting(
            0.1, "learning rate of the inner steps", above=0, search=5,
            origin="the paper: its value for 20 classes of Omniglot (Appendix A.1)",
        )  # fmt: skip
        tasks: int = setting(
            2, "meta-tasks per meta-step", low=1, origin="not searched: few, because second-order steps are slow on a CPU"
        )
        support: int = setting(5, "support images per class", low=1, origin="the default of `shots` in a sweep")
        query: int = setting(5, "query images per class", low=1, origin="not searched: as many as support images")
        steps_fraction: float = setting(
            1.0, "meta-steps, as a fraction of the steps of supervised pretraining", above=0,
            origin="not searched: as many steps as supervised pretraining",
        )  # fmt: skip

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Meta-train on episodes of the sources."""

        from dabench.training.batchnorm import SecondOrder

        def loss(progress: float, tasks: list[Episode]) -> Tensor:
            with SecondOrder():
                total = sum(self._query_loss(net, task, trainer) for task in tasks)
            return total / len(tasks)  # type: ignore[return-value]

        steps = max(1, round(self.options.steps_fraction * trainer.steps(sources)))
        # Second derivatives lose a quarter of their size in bf16, so this method computes in fp32.
        return trainer.fit(net, loss, Episodes(sources, self.options, trainer, self.name), steps=steps, precision="fp32")

    def _query_loss(self, net: Network, task: Episode, trainer: Trainer) -> Tensor:
        import torch

        from dabench.training.batchnorm import StatisticsOfFirst

        support, support_labels, query, query_labels = task
        steps, second_order = self.options.inner_steps, not self.options.first_order
        fast = self._inner(net, lambda: (support, support_labels), trainer, steps, second_order)
        with StatisticsOfFirst(len(support)):
            logits = _logits(net, fast, torch.cat([support, query]))[len(support) :]
        return trainer.cross_entropy(logits, query_labels)

    def inner_parameters(self, net: Network) -> dict[str, Tensor]:
        """Return the parameters that inner steps change, by name: all."""
        return dict(net.named_parameters())

    def _inner(
        self,
        net: Network,
        batch: Callable[[], tuple[Tensor, Tensor]],
        trainer: Trainer,
        steps: int,
        second_order: bool,
    ) -> dict[str, Tensor]:
        """Take gradient steps from the parameters of `net` and return the new ones, differentiable if `second_order`."""
        import torch

        parameters = self.inner_parameters(net)
        for _ in range(steps):
            images, labels = batch()
            loss = trainer.cross_entropy(_logits(net, parameters, images), labels)
            gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=second_order)
            parameters = {
                name: value - self.options.inner_lr * gradient
                for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
            }
        return parameters

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return 0: the inner steps on the shots are no steps of the training loop."""
        return 0

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Take `test_steps` gradient steps on the shots; needs `target.shots`."""
        assert target.shots is not None
        shots = trainer.stream([target.shots], batch=min(512, len(target.shots)))

        def draw() -> tuple[Tensor, Tensor]:
            batch = next(shots)
            return batch.images, batch.require_labels()

        net.train()
        fast = self._inner(net, draw, trainer, self.options.test_steps, second_order=False)
        net.load_state_dict(fast, strict=False)
        trainer.estimate_statistics(net, target.shots)
        return net


def _logits(net: Network, parameters: dict[str, Tensor], images: Tensor) -> Tensor:
    """Return the logits of `net` with `parameters` in place of its own."""
    from torch.func import functional_call

    logits: Tensor = functional_call(cast("nn.Module", net), parameters, (images,))
    return logits


class Episodes(Iterator[list["Episode"]]):
    """Endless lists of meta-tasks drawn from labelled views."""

    def __init__(self, views: Sequence[View], options: MAML.Options, trainer: Trainer, method: str = "maml") -> None:
        import torch

        self.options, self.trainer = options, trainer
        self.generator = trainer.generator()
        self.shuffler = torch.Generator().manual_seed(trainer.seed)
        # One pool per meta-task: (view, the positions of each class in it, whether it needs a shift).
        self.pools: list[tuple[View, list[Tensor], bool]] = []
        for view in views:
            assert view.labels is not None
            labels = view.labels.cpu()
            groups = torch.zeros_like(labels) if view.groups is None else view.groups.cpu()
            for group in torch.unique(groups):
                members = [torch.nonzero((labels == k) & (groups == group)).flatten() for k in range(len(view.classes))]
                # A class needs two images: one for the support set and one for the query set.
                members = [m for m in members if len(m) >= 2]
                if len(members) >= 2:
                    self.pools.append((view, members, view.groups is None))
        if not self.pools:
            names = ", ".join(f"'{v.name}'" for v in views)
            raise DataError(
                f"{method}: no group of {names} has two images each of two classes to learn from; choose other sources"
            )

    def __next__(self) -> list[Episode]:
        return [self._task() for _ in range(self.options.tasks)]

    def state_dict(self) -> dict[str, Any]:
        """Return the state of `self.shuffler`; the trainer saves that of `self.generator`."""
        return {"shuffler": self.shuffler.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the state that `state_dict` returned."""
        self.shuffler.set_state(state["shuffler"])

    def _task(self) -> Episode:
        import torch

        from dabench.data.transfer import sent

        view, members, needs_shift = self.pools[self._below(len(self.pools))]
        support, query = [], []
        for positions in members:
            order = positions[torch.randperm(len(positions), generator=self.shuffler)]
            k = min(self.options.support, len(order) // 2)
            support.append(order[:k])
            query.append(order[k : k + self.options.query])
        at = sent(torch.cat(support + query), self.trainer.device)
        images = self._images(view, at, needs_shift)
        assert view.labels is not None
        labels, split = view.labels[at], sum(map(len, support))
        return images[:split], labels[:split], images[split:], labels[split:]

    def _images(self, view: View, at: Tensor, needs_shift: bool) -> Tensor:
        from dabench.data.distortions import shifted

        images = self.trainer.augmented(view.rows(at), self.generator)
        # Second derivatives of convolutions are twice as slow on channels-last memory.
        return (shifted(images, self.shuffler) if needs_shift else images).contiguous()

    def _below(self, limit: int) -> int:
        import torch

        return int(torch.randint(limit, (1,), generator=self.shuffler))
