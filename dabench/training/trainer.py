"""The training loop. An adapter gives it a loss and the streams of batches that the loss reads.

The loop knows no method, no dataset and no label that a method may not see. It does not wait for the device between checkpoints:
losses stay on the device until then, and a loss that is not finite is reported with its step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dabench.data.augment import Augmenter, Stream, as_floats
from dabench.data.distortions import mixed
from dabench.errors import DivergedError, PluginError
from dabench.plugins.contract import Batch, Network, View
from dabench.training.average import WeightAverage
from dabench.training.device import low_precision
from dabench.training.network import estimate_statistics
from dabench.training.progress_line import TrainingProgress
from dabench.training.resume import RunState, has_state
from dabench.training.settings import TrainConfig, adaptation_steps, full_steps

_STATISTICS_BATCH = 512
"""Images of a batch from which the statistics of batch norms are estimated."""


@dataclass
class TrainingTrace:
    """Record of the trainings of a run: the loss of every step, the seconds of training, and the number of steps."""

    losses: list[float] = field(default_factory=list)
    train_seconds: float = 0.0
    steps: int = 0


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

    def stream(self, views: Sequence[View], batch: int | None = None, augment: bool = True) -> Stream:
        """Return endless shuffled batches of `batch` images (default: [train] batch) from `views`, by [train] source_batches."""
        proportional = self.settings.source_batches == "proportional"
        stream = Stream(views, batch or self.settings.batch, self.augmenter, self.generator(), augment, proportional)
        self._streams[len(self._generators)] = stream
        return stream

    def batches(self, view: View, batch: int = 512) -> Iterator[Tensor]:
        """Yield every image of `view` once, cropped as in testing: (B, C, H, W) float32 in [0, 1]."""
        for start in range(0, len(view), batch):
            yield as_floats(self.augmenter.test(view.images[start : start + batch]))

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return (B, C, H, W) uint8 images as (B, C, h, w) float32 in [0, 1], augmented as in training."""
        return self.augmenter.train(images, generator)

    def estimate_statistics(self, net: Network, view: View) -> None:
        """Replace the running mean and variance of each batch norm in `net` by those of all images of `view` together.

        The images pass in equal batches of 512, a half more or less, so that no image counts for more in a small batch.
        """
        parts = view.images.tensor_split(max(1, round(len(view) / _STATISTICS_BATCH)))
        estimate_statistics(net, (as_floats(self.augmenter.test(part)) for part in parts))

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
        return self.fit(net, loss, self.stream(views), **fit)

    def fit(
        self,
        net: Network,
        loss: Callable[..., Tensor],
        *streams: Iterator[Any],
        steps: int,
        trainable: Sequence[nn.Module | Network] | None = None,
        lr: float | None = None,
        precision: Literal["auto", "bf16", "fp32"] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Network:
        """Minimise `loss` for `steps` steps and return `net` in evaluation mode, as `dabench.Trainer.fit` says.

        Raises:
            DivergedError: a loss is not a finite number.
            PluginError: the state of an object in `state` cannot be saved.
            RunStopped: the run was asked to stop.
        """
        modules: list[nn.Module | Network] = list(trainable) if trainable is not None else [net]
        parameters = [p for m in modules for p in m.to(self.device).parameters()]
        highest = self.settings.lr if lr is None else lr
        optimizer = self._optimizer(parameters, highest)

        def step(progress: float) -> Tensor:
            rate = highest * rate_at(self.settings, progress)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with self.autocast(precision):
                value = loss(progress, *(next(s) for s in streams))
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            self._clip(parameters)
            optimizer.step()
            return value.detach()

        things = {"the optimizer": optimizer, **_named(state or {}, streams)}
        with _frozen_else(net, parameters):
            self._train(net, modules, step, steps, things)
        return net

    def _train(
        self,
        net: Network,
        modules: Sequence[nn.Module | Network],
        step: Callable[[float], Tensor],
        steps: int,
        things: Mapping[str, Any],
    ) -> None:
        """Call step(progress) `steps` times, or for the remaining steps of an interrupted training, with checkpoints in between.

        Args:
            step: performs one step and returns its loss, a detached scalar.
            things: name -> object with a state, in addition to the modules and the trainer.
        """
        self._trainings += 1
        losses, marks = torch.zeros(steps, device=self.device), self._marks(steps)
        average = WeightAverage(net, self.settings.ema) if self.settings.ema else None
        things = {**self._states([net, *modules], losses, average), **things}
        start = self._resumed(things)
        self._learn(net, modules)
        pulse = TrainingProgress(self._notify, start, steps)
        started = time.perf_counter()
        for done in range(start, steps):
            losses[done] = step(done / steps)
            if average:
                average.update(net)
            pulse(done + 1)
            if done + 1 in marks:
                self._check(losses[: done + 1])
                self.trace.train_seconds += time.perf_counter() - started
                self._mark(net, done + 1, average)
                if self._partial:
                    self._partial.checkpoint(self._trainings, done + 1, things)
                self._learn(net, modules)
                started = time.perf_counter()
        self._check(losses)
        if average:
            average.swap(net)
        self.trace.train_seconds += time.perf_counter() - started
        self.trace.steps += steps
        self.trace.losses += losses.tolist()

    def _states(self, modules: Sequence[nn.Module | Network], losses: Tensor, average: WeightAverage | None) -> dict[str, Any]:
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

    def _optimizer(self, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        s = self.settings
        fused = self.device.type in ("cuda", "cpu")
        # Biases and the weights of norms are vectors; decay would change scales there, and regularises nothing.
        decayed = [p for p in parameters if s.decay_norms or p.dim() > 1]
        others = [p for p in parameters if not (s.decay_norms or p.dim() > 1)]
        groups = [{"params": p, "weight_decay": d} for p, d in ((decayed, s.decay), (others, 0.0)) if p]
        if s.optimizer == "adamw":
            return torch.optim.AdamW(groups, lr=lr, betas=(s.momentum, 0.999), fused=fused)
        return torch.optim.SGD(groups, lr=lr, momentum=s.momentum, nesterov=s.nesterov and s.momentum > 0, fused=fused)

    def _clip(self, parameters: list[nn.Parameter]) -> None:
        if self.settings.clip == "value":
            nn.utils.clip_grad_value_(parameters, self.settings.clip_at)
        elif self.settings.clip == "norm":
            nn.utils.clip_grad_norm_(parameters, self.settings.clip_at)

    def _check(self, losses: Tensor) -> None:
        bad = torch.nonzero(~torch.isfinite(losses))
        if len(bad):
            step = int(bad[0])
            raise DivergedError(
                f"the loss became {losses[step].item()} at step {step + 1}; try a smaller train.lr (now {self.settings.lr:g}), "
                f'clip = "norm" under [train] (now "{self.settings.clip}"), or precision = "fp32"'
            )


@contextmanager
def _frozen_else(net: Network, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Freeze the parameters of `net` that are not in `parameters` during the block; leave `net` in evaluation mode."""
    learned = {id(p) for p in parameters}
    fixed = [p for p in net.parameters() if p.requires_grad and id(p) not in learned]
    try:
        for p in fixed:
            p.requires_grad_(False)
        yield
    finally:
        for p in fixed:
            p.requires_grad_(True)
        net.eval()


def _named(state: Mapping[str, Any], streams: Sequence[Iterator[Any]]) -> dict[str, Any]:
    """Return the state and the streams of a training by their names in messages; raise PluginError as `Trainer.fit`."""
    for name, thing in state.items():
        if not has_state(thing):
            raise PluginError(
                f"trainer.fit(state=...): the state of {name!r}, a {type(thing).__name__}, cannot be saved; give an object with "
                "state_dict() and load_state_dict(), a random generator, a tensor or array that is changed in place, or a dict, "
                "list or deque with the values that change"
            )
    return {f"stream {i}": s for i, s in enumerate(streams, 1)} | {f"state[{name!r}]": thing for name, thing in state.items()}


def rate_at(settings: TrainConfig, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1) as a fraction of the highest one.

    step: 1 until `step_from`, then `step_factor` to the number of `step_every` begun since; cosine: half a cosine down to 0;
    one-cycle (Smith and Topin 2018): linear up over `warmup`, then linear down to 0.
    """
    if settings.schedule == "step":
        falls = math.floor((progress - settings.step_from) / settings.step_every + 1e-9) + 1
        return settings.step_factor ** max(0, falls)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if settings.schedule == "one-cycle":
        if progress < settings.warmup:
            return max(0.01, progress / settings.warmup)
        return (1 - progress) / max(1e-9, 1 - settings.warmup)
    return 1.0
