"""Training steps: VGG19, DANN and MAML, as dabench's loop does them and as they are usually written."""

from __future__ import annotations

import time
from typing import Any

import torch
from pytorch_adapt_here import dann_hook
from side_by_side import side_by_side
from torch import nn
from torch.nn import functional as F

from dabench.backbones.conv4 import Conv4
from dabench.backbones.vgg19 import VGG19
from dabench.data.augment import Augmenter
from dabench.plugins.contract import Augment, Target, View
from dabench.plugins.registry import Registry
from dabench.storage.paths import cores
from dabench.training.device import low_precision
from dabench.training.network import TorchNetwork, build_network
from dabench.training.settings import TrainConfig
from dabench.training.trainer import RunTrainer

CPU = torch.device("cpu")
BF16 = low_precision("auto", CPU)


def faces(n: int, size: int, channels: int = 1, classes: int = 7, seed: int = 0) -> View:
    """Return made-up labelled images."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, channels, size, size), generator=generator, dtype=torch.uint8)
    return View("made-up", tuple("abcdefghij"[:classes]), images, torch.randint(0, classes, (n,), generator=generator))


def trainer_of(size: int, steps: int, batch: int, **augment: Any) -> RunTrainer:
    settings = TrainConfig(steps=steps, batch=batch, checkpoints=1, lr=0.01, threads=cores())
    return RunTrainer(settings, Augmenter(Augment(**augment), size, size, CPU), CPU, seed=0)


def batches(view: View, size: int, crop: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch as the usual way has it: floats in [0, 1], cut."""
    at = torch.randint(0, len(view), (size,))
    assert view.labels is not None
    return view.images[at, :, :crop, :crop].float() / 255, view.labels[at]


def test_vgg19_training_step(benchmark: Any) -> None:
    steps, view = 4, faces(1024, 48)
    net, plain = (build_network(VGG19(), 1, 44, 7, False) for _ in range(2))
    trainer = trainer_of(48, steps, 128, crop=44, flip=True, rotate=5)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def ours() -> None:
        trainer.supervised(net, [view], steps=steps)

    def usual() -> None:
        plain.train()
        for _ in range(steps):
            images, labels = batches(view, 128, 44)
            optimizer.zero_grad()
            F.cross_entropy(plain(images), labels).backward()
            optimizer.step()

    alone = convolutions_alone(net)
    side_by_side(
        benchmark, "VGG19 training step, 44x44, batch 128", ours, usual, way="eager fp32 loop", least=1.9, aim=2.2,
        bf16=BF16, seconds_of_its_convolutions_alone=round(alone * steps, 3),
    )  # fmt: skip
    benchmark.extra_info["facts"]["fraction of their rate"] = round(alone * steps / benchmark.extra_info["ours"], 2)


def convolutions_alone(net: TorchNetwork, batch: int = 128) -> float:
    """Return the seconds that forward and backward of a network's convolutions take, each alone, at the loop's precision."""
    shapes: list[tuple[nn.Conv2d, torch.Size]] = []
    hooks = [
        m.register_forward_hook(lambda module, given, out: shapes.append((module, given[0].shape)))
        for m in net.modules()
        if isinstance(m, nn.Conv2d)
    ]
    with torch.no_grad():
        net.eval()(torch.zeros(batch, 1, 44, 44))
    for hook in hooks:
        hook.remove()
    total, dtype = 0.0, torch.bfloat16 if BF16 else torch.float32
    for i, (module, shape) in enumerate(shapes):
        conv = nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1).to(dtype, memory_format=torch.channels_last)
        x = torch.randn(shape, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_(i > 0)
        seconds = []
        for _ in range(4):
            out = conv(x)
            grad = torch.ones_like(out)
            started = time.perf_counter()
            conv(x).backward(grad)
            seconds.append(time.perf_counter() - started)
        total += min(seconds)
    return total


def test_dann_step(benchmark: Any) -> None:
    steps, half = 40, 64
    source, other = faces(2048, 32, seed=1), faces(2048, 32, seed=2)
    trainer = trainer_of(32, steps, 2 * half)
    dann = Registry().make("adapter", "dann", {})
    net = build_network(Conv4(), 1, 32, 7, False)
    plain = build_network(Conv4(), 1, 32, 7, False)
    hook = dann_hook(plain, dann.options.hidden)
    target = Target("made-up", source.classes, View("made-up", source.classes, other.images))

    def ours() -> None:
        dann.adapt(net, [source], target, trainer)

    def usual() -> None:
        plain.train()
        for _ in range(steps):
            images, labels = batches(source, half, 32)
            hook(images, labels, batches(other, half, 32)[0])

    side_by_side(
        benchmark, "DANN step, conv4 at 32x32, 64 + 64 images", ours, usual,
        way="pytorch-adapt's DANNHook", least=2 if BF16 else 1,
        aim=2.5, bf16=BF16,
    )  # fmt: skip


def meta_step(net: nn.Module, tasks: list[Any], inner_steps: int, inner_lr: float) -> torch.Tensor:
    """Return the meta-loss as a plain loop writes it: create_graph, one task after the other.

    The query images pass together with the support images, as in dabench, where the support images give the statistics.
    """
    total = torch.zeros(())
    for support, support_labels, query, query_labels in tasks:
        fast = dict(net.named_parameters())
        for _ in range(inner_steps):
            loss = F.cross_entropy(torch.func.functional_call(net, fast, (support,)), support_labels)
            gradients = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
            fast = {name: value - inner_lr * g for (name, value), g in zip(fast.items(), gradients, strict=True)}
        logits = torch.func.functional_call(net, fast, (torch.cat([support, query]),))[len(support) :]
        total = total + F.cross_entropy(logits, query_labels)
    return total / len(tasks)


def test_maml_meta_step(benchmark: Any) -> None:
    steps, view = 6, faces(2048, 32)
    maml = Registry().make("adapter", "maml", {})
    trainer = trainer_of(32, steps, 128)
    net, plain = build_network(Conv4(), 1, 32, 7, False), build_network(Conv4(), 1, 32, 7, False)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    o = maml.options

    def task() -> tuple[torch.Tensor, ...]:
        images, labels = batches(view, 7 * (o.support + o.query), 32)
        split = 7 * o.support
        return images[:split], labels[:split], images[split:], labels[split:]

    def ours() -> None:
        maml.pretrain(net, [view], trainer)

    def usual() -> None:
        plain.train()
        for _ in range(steps):
            optimizer.zero_grad()
            meta_step(plain, [task() for _ in range(o.tasks)], o.inner_steps, o.inner_lr).backward()
            optimizer.step()

    side_by_side(
        benchmark,
        "MAML meta-step, second order, conv4, 5 shots",
        ours,
        usual,
        way="plain loop with create_graph",
        least=1,
        aim=1.2,
    )
