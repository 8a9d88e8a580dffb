"""Measure in which operations a VGG19 step, a DANN step and a ten-crop evaluation spend their time, as a table.

python tests/speed/profiles.py [docs/benchmarks.md]
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from table import into
from test_evaluation import IMAGES
from test_steps import CPU, faces, trainer_of
from torch.profiler import ProfilerActivity, profile

from dabench.backbones.conv4 import Conv4
from dabench.backbones.vgg19 import VGG19
from dabench.data.augment import Augmenter
from dabench.plugins.contract import Augment, Target, View
from dabench.plugins.registry import Registry
from dabench.storage.paths import cores
from dabench.training.evaluate import logits
from dabench.training.network import build_network
from dabench.training.settings import EvalConfig

KINDS = {
    "convolutions": ("convolution",),
    "batch norm": ("batch_norm",),
    "linear layers": ("addmm", "aten::mm", "aten::linear", "mkldnn_linear"),
    "pooling and ReLU": ("pool", "relu", "threshold", "clamp"),
    "optimiser": ("_fused_",),
    "input: gathering and augmenting images": ("gather", "index", "randperm", "randint", "grid", "aten::cat"),
    "conversion between fp32 and bf16, copies": ("copy", "aten::to", "reorder"),
}
"""Kind of operation -> parts of its names in torch. The first kind that fits counts."""

REST = "everything else"


def kind_of(operation: str) -> str:
    """Return the kind of an operation of torch."""
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), REST)


def shares(work: Callable[[], object], repeats: int = 3) -> Counter[str]:
    """Return kind -> its part of the processor time of all operations in `work`, after one call that is not measured."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(repeats):
            work()
    times: Counter[str] = Counter()
    for event in found.key_averages():
        times[kind_of(event.key)] += event.self_cpu_time_total
    return Counter({kind: time / times.total() for kind, time in times.items()})


def vgg19_step() -> Callable[[], object]:
    """Return four training steps of VGG19, as in `test_steps`."""
    view, net = faces(1024, 48), build_network(VGG19(), 1, 44, 7, False)
    trainer = trainer_of(48, 4, 128, crop=44, flip=True, rotate=5)
    return lambda: trainer.supervised(net, [view], steps=4)


def dann_step() -> Callable[[], object]:
    """Return forty training steps of DANN, as in `test_steps`."""
    source, other = faces(2048, 32, seed=1), faces(2048, 32, seed=2)
    dann, net = Registry().make("adapter", "dann", {}), build_network(Conv4(), 1, 32, 7, False)
    trainer, target = trainer_of(32, 40, 128), Target("made-up", source.classes, View("made-up", source.classes, other.images))
    return lambda: dann.adapt(net, [source], target, trainer)


def ten_crops() -> Callable[[], object]:
    """Return a ten-crop evaluation, as in `test_evaluation`."""
    net, augmenter = build_network(VGG19(), 1, 44, 7, False).eval(), Augmenter(Augment(crop=44, flip=True), 48, 48, CPU)
    images = np.ascontiguousarray(IMAGES[:128])
    return lambda: logits(net, images, augmenter, EvalConfig(crops=10), "auto")


def table() -> str:
    """Return the shares of all three as Markdown."""
    torch.set_num_threads(cores())
    found = {"VGG19 step": vgg19_step, "DANN step": dann_step, "ten crops": ten_crops}
    columns = {name: shares(make()) for name, make in found.items()}
    rows = [f"| {kind} | {' | '.join(f'{100 * of[kind]:.1f} %' for of in columns.values())} |" for kind in (*KINDS, REST)]
    return "\n".join([f"| operations | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}", *rows])


def main(page: str | None = None) -> None:
    """Print the table, or put it into a page."""
    made = table()
    print(made)
    if page:
        into(Path(page), "operations", made)


if __name__ == "__main__":
    main(*sys.argv[1:])
