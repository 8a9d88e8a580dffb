"""The training loop. An adapter gives it a loss and the streams of batches that the loss reads.

The loop knows no method, no dataset and no label that a method may not see. It does not wait for the device between checkpoints:
losses stay on the device until then, and a loss that is not finite is reported with its step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, cast
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dabench.data.augment import Augmenter, Stream, as_floats
from dabench.data.distortions import mixed
from dabench.data.host_images import in_parts
from dabench.errors import DivergedError, PluginError
from dabench.plugins.contract import Batch, Network, View
from dabench.training.average import WeightAverage
from dabench.training.device import low_precision
from dabench.training.loss_log import TOTAL, LossLog, TrainingTrace
from dabench.training.network import estimate_statistics, frozen_else
from dabench.training.optimizers import Trained, made_for, minimise, set_rates
from dabench.training.pictures import picture
from dabench.training.progress_line import TrainingProgress
from dabench.training.replay import ReplayedStep
from dabench.training.resume import RunState, has_state, named_states
from dabench.training.settings import TrainConfig, adaptation_steps, full_steps

_STATISTICS_BATCH = 512
"""Images of a batch from which the statistics of batch norms are estimated."""


class RunTrainer:
    """The contract's Trainer: trains for one run on its device, with its settings, its seed and its checkpoints.

    Args:
        checkpoint: called as checkpoint(net, steps) at each checkpoint of a training, with `net` in evaluation mode. If it has
            state_dict() and load_state_dict(), its state is also saved.
        partial: saves the trainings, so that an interrupted run can resume; None: nothing is saved.
        notify: called with a line for the run's log.

    Attributes:
        settings: the sweep's [train].
        device: the device of networks and images.
        trace: losses and seconds so far.
    """

    def __init__(
        self,
        settings: TrainConfig,
        augmenter: Augmenter,
        device: torch.device,
        seed: int,
        checkpoint: Callable[[Any, int], None] | None = None,
        partial: RunState | None = None,
        notify: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.settings, self.augmenter, self.device, self.seed = settings, augmenter, device, seed
        self.trace = TrainingTrace()
        self._checkpoint, self._partial, self._notify = checkpoint, partial, notify
        self._trainings = 0
        self._made: list[Trained] = []  # the optimizers of the next run
        self._generators: list[torch.Generator] = []
        self._streams: WeakValueDictionary[int, Stream] = WeakValueDictionary()  # weak, because a stream holds its images

    def generator(self) -> torch.Generator:
        """Return a new random generator on the device. The n-th generator of a run always has the same seed."""
        number = len(self._generators) + 1
        self._generators.append(torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + number))
        return self._generators[-1]

    def steps(self, views: Sequence[View]) -> int:
        """Return the number of steps of a full training on `views`."""
        return full_steps(self.settings, sum(map(len, views)))

    def adaptation_steps(self, sources: Sequence[View]) -> int:
        """Return the number of steps of an adaptation that is as long as a full training on `sources`."""
        return adaptation_steps(self.settings, sum(map(len, sources)))

    def stream(
        self, views: Sequence[View], batch: int | None = None, augment: bool = True, copies: int = 1, strong: bool = False
    ) -> Stream:
        """Return endless shuffled batches of `batch` images (default: [train] batch) from `views`, by [train] source_batches."""
        proportional = self.settings.source_batches == "proportional"
        generator, images = self.generator(), batch or self.settings.batch
        stream = Stream(views, images, self.augmenter, generator, augment, copies, strong, proportional)
        self._streams[len(self._generators)] = stream
        return stream

    def batches(self, view: View, batch: int = 512) -> Iterator[Tensor]:
        """Yield every image of `view` once, cropped as in testing: (B, C, H, W) float32 in [0, 1]."""
        for part in in_parts(view.images, [*range(0, len(view), batch), len(view)]):
            yield as_floats(self.augmenter.test(part))

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return (B, C, H, W) uint8 images as (B, C, h, w) float32 in [0, 1], augmented as in training."""
        return self.augmenter.train(images, generator)

    def estimate_statistics(self, net: Network, view: View) -> None:
        """Replace the running mean and variance of each batch norm in `net` by those of all images of `view` together.

        The images pass in equal batches of 512, a half more or less, so that no image counts for more in a small batch.
        """
        count = max(1, round(len(view) / _STATISTICS_BATCH))
        edges = [len(view) // count * i + min(i, len(view) % count) for i in range(count + 1)]
        estimate_statistics(net, (as_floats(self.augmenter.test(part)) for part in in_parts(view.images, edges)))

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy of (B, K) logits with the sweep's label smoothing.

        `labels` is (B,) int64 or (B, K) probabilities.
        """
        return F.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)

    def supervised(self, net: Network, views: Sequence[View], **fit: Any) -> Network:
        """Train `net` on labelled `views` by cross-entropy; keyword arguments are those of `fit`."""
        alpha, classes = self.settings.mixup, len(views[0].classes)

        def loss(progress: float, batch: Batch) -> Tensor:
            images, labels = batch.images, batch.require_labels()
            if alpha:
                images, labels = mixed(images, F.one_hot(labels, classes).float(), alpha)
            return self.cross_entropy(net(images), labels)

        fit.setdefault("steps", self.steps(views))
        fit.setdefault("replay", not alpha)  # the draws of mixup were not tried in a captured step
        return self.fit(net, loss, self.stream(views), **fit)

    def fit(
        self,
        net: Network,
        loss: Callable[..., Tensor | Mapping[str, Tensor]],
        *streams: Iterator[Any],
        steps: int,
        trainable: Sequence[nn.Module | Network] | None = None,
        lr: float | None = None,
        precision: Literal["auto", "bf16", "fp32"] | None = None,
        state: Mapping[str, Any] | None = None,
        replay: bool = False,
    ) -> Network:
        """Minimise `loss` for `steps` steps and return `net` in evaluation mode, as `dabench.Trainer.fit` says.

        Raises:
            DivergedError: a loss is not a finite number.
            PluginError: the state of an object in `state` cannot be saved.
            RunStopped: the run was asked to stop.
        """
        modules: list[nn.Module | Network] = list(trainable) if trainable is not None else [net]
        replay = replay and self._captures_steps()
        trained = made_for(self.settings, modules, self.device, self.settings.lr if lr is None else lr, replayed=replay)

        def step(progress: float, *batches: Any) -> Mapping[str, Tensor]:
            found = loss(progress, *batches)
            losses = found if isinstance(found, Mapping) else {TOTAL: found}
            minimise(sum(losses.values()), [trained.optimizer])  # type: ignore[arg-type]
            return losses

        taken = ReplayedStep(step, self.device) if replay else step
        return self._run(net, taken, streams, steps, [trained], modules, precision, state)

    def _captures_steps(self) -> bool:
        return self.settings.replay and self.device.type == "cuda"

    def optimizer(
        self,
        *modules: nn.Module | Network,
        lr: float | None = None,
        lr_factor: float = 1.0,
        kind: Literal["sgd", "adamw"] | None = None,
    ) -> torch.optim.Optimizer:
        """Return an optimizer of `modules` for the next `run`, as `dabench.Trainer.optimizer` says."""
        highest = (self.settings.lr if lr is None else lr) * lr_factor
        self._made.append(made_for(self.settings, modules, self.device, highest, kind))
        return self._made[-1].optimizer

    def minimise(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        """Take one step of each optimizer down the gradient of `loss`, as `dabench.Trainer.minimise` says."""
        minimise(loss, optimizers)

    def run(
        self,
        net: Network,
        step: Callable[..., Mapping[str, Tensor]],
        *streams: Iterator[Any],
        steps: int,
        trainable: Sequence[nn.Module | Network] = (),
        precision: Literal["auto", "bf16", "fp32"] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Network:
        """Call `step` `steps` times and return `net` in evaluation mode, as `dabench.Trainer.run` says.

        Raises:
            DivergedError: a loss is not a finite number.
            PluginError: there is no optimizer, or a step returns no losses, or the state of an object in `state` cannot be saved.
            RunStopped: the run was asked to stop.
        """
        made, self._made = self._made, []
        if not made and not trainable:
            raise PluginError(
                "trainer.run: nothing to train; make an optimizer with trainer.optimizer(modules) before it, or name the modules "
                "of your own optimizers in `trainable` and the optimizers in `state`"
            )
        modules = [*(m for trained in made for m in trained.modules), *(m.to(self.device) for m in trainable)]
        return self._run(net, step, streams, steps, made, modules, precision, state)

    def _run(
        self,
        net: Network,
        step: Callable[..., Mapping[str, Tensor]],
        streams: Sequence[Iterator[Any]],
        steps: int,
        made: Sequence[Trained],
        modules: Sequence[nn.Module | Network],
        precision: Literal["auto", "bf16", "fp32"] | None,
        state: Mapping[str, Any] | None,
    ) -> Network:
        optimizers = [trained.optimizer for trained in made]
        numbers = [""] if len(made) == 1 else [f" {i}" for i in range(1, len(made) + 1)]
        things = {f"the optimizer{number}": of for number, of in zip(numbers, optimizers, strict=True)}

        def one(progress: float) -> Mapping[str, Tensor]:
            set_rates(optimizers, self.settings, progress)
            with self.autocast(precision):
                return step(progress, *(next(s) for s in streams))

        with frozen_else(net, [p for m in modules for p in m.parameters()]):
            self._train(net, modules, one, steps, {**things, **named_states(state or {}, streams)})
        return net

    def _train(
        self,
        net: Network,
        modules: Sequence[nn.Module | Network],
        step: Callable[[float], Mapping[str, Tensor]],
        steps: int,
        things: Mapping[str, Any],
    ) -> None:
        """Call step(progress) `steps` times, or for the remaining steps of an interrupted training, with checkpoints in between.

        Args:
            step: performs one step and returns its losses by name.
            things: name -> object with a state, in addition to the modules and the trainer.
        """
        self._trainings += 1
        losses, marks = LossLog(steps, self.device), self._marks(steps)
        average = WeightAverage(net, self.settings.ema) if self.settings.ema else None
        things = {**self._states([net, *modules], losses, average), **things}
        start = self._resumed(things)
        self._learn(net, modules)
        pulse = TrainingProgress(self._notify, start, steps)
        started = time.perf_counter()
        for done in range(start, steps):
            losses.put(done, step(done / steps))
            if average:
                average.update(net)
            pulse(done + 1)
            if done + 1 in marks:
                self._check(losses, done + 1)
                self.trace.train_seconds += time.perf_counter() - started
                self._mark(net, done + 1, average)
                if self._partial:
                    self._partial.checkpoint(self._trainings, done + 1, things)
                self._learn(net, modules)
                started = time.perf_counter()
        self._check(losses, steps)
        if average:
            average.swap(net)
        self.trace.train_seconds += time.perf_counter() - started
        self.trace.add(steps, losses)

    def _states(self, modules: Sequence[nn.Module | Network], losses: LossLog, average: WeightAverage | None) -> dict[str, Any]:
        """Return what has a state in every training, by its name in messages."""
        learned = nn.ModuleList(dict.fromkeys(cast(Sequence[nn.Module], modules)))
        things: dict[str, Any] = {"the trainer": self, "the modules": learned, "the losses": losses}
        if has_state(self._checkpoint):
            things["the checkpoints"] = self._checkpoint
        return things | ({"the average": average} if average else {})

    def _resumed(self, things: Mapping[str, Any]) -> int:
        """Restore an interrupted training; return the first step."""
        if not self._partial:
            return 0
        start = self._partial.resume(self._trainings, things)
        if self._partial.unsaved:
            self._notify(f"-- this training is not saved and would begin anew: {self._partial.unsaved}")
        return start

    def show(self, name: str, *rows: Tensor) -> None:
        """Keep images for the page of the report; see the contract."""
        self.trace.pictures[name] = picture(rows)

    def state_dict(self) -> dict[str, Any]:
        """Return the trace so far, and the states of all generators and streams of the run."""
        generators = [g.get_state() for g in self._generators]
        streams = {number: stream.state_dict() for number, stream in self._streams.items()}
        return {"trace": vars(self.trace), "generators": generators, "streams": streams}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; raise ValueError if the number of generators differs."""
        before, now = len(state["generators"]), len(self._generators)
        if before != now:
            raise ValueError(
                f"{before} generators and streams were made, now {now}; make all of them before trainer.fit, not in a loss"
            )
        self.trace = TrainingTrace(**state["trace"])
        for generator, saved in zip(self._generators, state["generators"], strict=True):
            generator.set_state(saved)
        for number, stream in self._streams.items():
            if number in state["streams"]:
                stream.load_state_dict(state["streams"][number])

    def autocast(self, precision: Literal["auto", "bf16", "fp32"] | None = None) -> AbstractContextManager[Any]:
        """Return the context for computing losses: bf16 autocast, or none for fp32."""
        if low_precision(precision or self.settings.precision, self.device):
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _learn(self, net: Network, modules: Sequence[nn.Module | Network]) -> None:
        net.eval()
        for module in modules:
            module.train()

    def _mark(self, net: Network, step: int, average: WeightAverage | None) -> None:
        if self._checkpoint:
            net.eval()
            learning = average.swap(net) if average else None
            self._checkpoint(net, self.trace.steps + step)  # if it ends the run, the tested average stays in the network
            if learning:
                net.load_state_dict(learning)

    def _marks(self, steps: int) -> set[int]:
        """Return the steps after which to test, without the last one, because the run tests its final network itself."""
        count = min(self.settings.checkpoints, steps)
        return {round(steps * (i + 1) / count) for i in range(count - 1)}

    def _check(self, losses: LossLog, done: int) -> None:
        if bad := losses.first_bad(done):
            step, name, value = bad
            called = "the loss" if name == TOTAL else f"the loss '{name}'"
            raise DivergedError(
                f"{called} became {value} at step {step + 1}; try a smaller train.lr (now {self.settings.lr:g}), "
                f'clip = "norm" under [train] (now "{self.settings.clip}"), or precision = "fp32"'
            )
