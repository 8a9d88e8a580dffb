"""Measure seconds and memory for growing numbers of images, classes and groups, each size in its own process.

    python tests/speed/larger.py [docs/benchmarks.md]

Images are noise of 32x32 pixels, predictions drawn; no network is larger than it must be. The audit looks for duplicates.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from many_runs import Drawn
from numpy.typing import NDArray
from table import into

sys.path.insert(0, str(Path(__file__).parents[1] / "scale"))

from fabricated import ADABN, NONE, DatasetContent
from growth import Growth

from dabench.plugins.contract import Dataset, Samples

IMAGES, CLASSES, GROUPS = (1_000, 10_000, 100_000, 1_000_000), (2, 10, 100, 1_000), (10, 100, 1_000, 10_000, 100_000)
AT = 100
"""Steps of training that are timed."""


class Noise(Dataset):
    """As many images of noise in ten classes as wanted; drawn when they are read."""

    name = "noise"
    short_name = "NOISE"
    classes = tuple("abcdefghij")
    count = 0

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Return the set."""
        return {"train": self._drawn(self.count), "test": self._drawn(100)}

    def _drawn(self, n: int) -> Samples:
        from dabench.data.lazy import LazyImages

        def read(at: NDArray[np.int64]) -> NDArray[np.uint8]:
            return np.random.default_rng(int(at[0])).integers(0, 256, (len(at), 1, 32, 32), np.uint8)

        return Samples(LazyImages((n, 1, 32, 32), read), np.arange(n, dtype=np.int64) % 10)


def images(n: int, folder: Path) -> Growth:
    """Prepare, open, audit, train on and test `n` images, and report their predictions."""
    import torch

    from dabench.data.audit import audit_datasets
    from dabench.data.augment import Augmenter
    from dabench.data.prepare import prepare_dataset
    from dabench.plugins.contract import Augment, View
    from dabench.plugins.registry import Registry
    from dabench.training.evaluate import logits
    from dabench.training.network import build_network
    from dabench.training.settings import EvalConfig, TrainConfig
    from dabench.training.trainer import RunTrainer

    torch.set_num_threads(1)
    growth, dataset = Growth(), type("Sized", (Noise,), {"count": n, "__module__": __name__})()
    for part in ("prepare", "open again"):
        with growth.of(part):
            prepared = prepare_dataset(dataset, folder, folder / "cache", notify=lambda line: None)
    with growth.of("audit"):
        audit_datasets([prepared])
    shown = prepared.samples("train")
    augmenter = Augmenter(Augment(crop=28), 32, 32, torch.device("cpu"))
    trainer = RunTrainer(TrainConfig(steps=AT, checkpoints=1, threads=1), augmenter, torch.device("cpu"), 0)
    net = build_network(Registry(entry_points=False).make("backbone", "conv4", {"width": 4}), 1, 28, 10)
    mapped = np.load(prepared.path("train", "images"), mmap_mode="c", allow_pickle=False)  # as a run opens it
    view = View("noise", Noise.classes, torch.from_numpy(mapped), torch.from_numpy(prepared.labels("train")))
    with growth.of(f"train {AT} steps"):
        trainer.supervised(net, [view], steps=AT)
    with growth.of("test"):
        logits(net, shown.images, augmenter, EvalConfig(), "fp32")
    return growth


def reported(n: int, folder: Path, classes: int = 10, groups: int | None = None) -> Growth:
    """Report a sweep of two datasets, one method and two seeds with `n` test images each."""
    from dabench.analysis.matrix import read_matrix
    from dabench.reporting.write import write_report

    def made(label: str) -> DatasetContent:
        labels = np.arange(n) % classes
        return DatasetContent(label, labels, None if groups is None else np.arange(n) % groups)

    sets = {"first": made("FIRST"), "second": made("SECOND")}
    names = tuple(f"class-{k}" for k in range(classes))
    adapters = {"none": NONE, "adabn": ADABN}
    store = Drawn(lambda run, test: 0, sets, adapters, classes=names, pairs=("first -> second",)).write(folder / "made")
    growth = Growth()
    with growth.of("report"):
        write_report(read_matrix(store), store.report)
    return growth


WORKS: dict[str, Callable[[int, Path], Growth]] = {
    "images": images,
    "report": reported,
    "classes": lambda k, folder: reported(10_000, folder, classes=k),
    "groups": lambda g, folder: reported(100_000, folder, groups=g),
}


def measured(work: str, size: int) -> dict[str, Any]:
    """Return what a work of that size took: part -> seconds; "peak" -> MiB."""
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"DABENCH_CACHE": f"{folder}/cache", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--one", work, str(size), folder]
        done = subprocess.run(command, env=own, stdout=subprocess.PIPE, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def table(title: str, sizes: tuple[int, ...], *works: str) -> str:
    """Return the works at all sizes as Markdown; memory is the highest of the works' processes."""
    rows, parts = [], []
    for size in sizes:
        found = [measured(work, size) for work in works]
        seconds = {part: value for one in found for part, value in one.items() if part != "peak"}
        parts, peak = list(seconds), max(one["peak"] for one in found)
        rows.append(" | ".join([f"| {size:,}", *(f"{value:.2f} s" for value in seconds.values()), f"{peak:,.0f} MiB |"]))
        print(rows[-1], flush=True)
    return "\n".join([f"| {title} | {' | '.join(parts)} | peak memory |", "|---:" * (len(parts) + 2) + "|", *rows])


def one(work: str, size: int, folder: Path) -> None:
    """Do one work and print what it took."""
    found = WORKS[work](size, folder).found
    print(json.dumps({part: wall for part, (wall, *_) in found.items()} | {"peak": max(p for *_, p in found.values())}))


def main(page: str | None = None) -> None:
    """Print the tables, or put them into a page."""
    made = [
        table("images", IMAGES, "images"),
        table("test images of two datasets, 10 classes", IMAGES, "report"),
        table("classes, 10,000 test images", CLASSES, "classes"),
        table("groups, 100,000 test images", GROUPS, "groups"),
    ]
    if page:
        into(Path(page), "growth", "\n\n".join(made))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(*sys.argv[1:])
