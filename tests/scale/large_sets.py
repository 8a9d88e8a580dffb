"""Large datasets: time and memory of preparing, opening, training on and evaluating made-up sets, on a CPU.

    make scale                                          # all tables of docs/scaling.md about large sets
    python tests/scale/large_sets.py raw --n 20000      # the first two tables with fewer images, printed
    python tests/scale/large_sets.py jpeg 10000 100000  # some rows of the last table, printed

Each phase runs in a process of its own. Its floor is the resident memory after the same phase of a set of 500 images, which loads
all libraries. A thread then samples the resident memory every 50 ms. Pages of mapped files count. Images are patterns of their
class with noise, so that no two are equal.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
PHASES = ("prepare", "open", "train", "evaluate")
RAW, SIZES, SIDE_JPEG = 200_000, (10_000, 100_000, 1_000_000), 64
STEPS, BATCH, ROUNDS = 100, 64, 20
EVALUATED = 1_536  # images of a round of evaluation: three batches
BOUND, RATE = 1.5, 0.8
"""The aims: GiB above the floor, and the speed of training and evaluation as a ratio to mapped images."""


class Memory:
    """Resident memory of this process over time, in MiB above its floor."""

    def __init__(self) -> None:
        self.samples: list[float] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample the memory during the block."""
        floor, ended = resident(), threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                self.samples.append(resident() - floor)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.samples.append(resident() - floor)
        self.floor = floor

    def course(self, parts: int = 10) -> list[float]:
        """Return the highest memory of each tenth of the time."""
        edges = [round(i * len(self.samples) / parts) for i in range(parts + 1)]
        return [max(self.samples[min(a, len(self.samples) - 1) : max(b, a + 1)]) for a, b in itertools.pairwise(edges)]


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def made_up(n: int, side: int, store: str) -> Any:
    """Return a dataset of n RGB images, a tenth of them for testing."""
    import numpy as np

    from dabench import Dataset, LazyImages, Samples

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 16, 2**24, dtype=np.uint8)
    patterns = rng.integers(0, 240, (10, 3, side // 8, side // 8), dtype=np.uint8).repeat(8, 2).repeat(8, 3)
    pixels = 3 * side * side

    def split(first: int, count: int) -> Samples:
        def read(at: Any) -> Any:
            images = patterns[(at + first) % 10]
            for image, start in zip(images, (at + first) * 8191 % (len(noise) - pixels), strict=True):
                image += noise[start : start + pixels].reshape(image.shape)
            return images

        return Samples(LazyImages((count, 3, side, side), read), (np.arange(count) + first) % 10)

    class MadeUp(Dataset):
        name, classes = "made-up", tuple("0123456789")

        def prepare(self, raw: Path) -> dict[str, Samples]:
            return {"train": split(0, n - n // 10), "test": split(n - n // 10, n // 10)}

        def raw_files(self, raw: Path) -> list[Path]:
            return []

    MadeUp.Options = type("Options", (), {"__repr__": lambda self: f"{n} {side}"})
    return MadeUp().with_facts(store=store)


def prepared(folder: Path, n: int, side: int, store: str) -> Any:
    """Prepare the dataset, or open it if it is prepared."""
    from dabench.data.prepare import prepare_dataset

    return prepare_dataset(made_up(n, side, store), folder, folder / "cache", notify=lambda line: None)


class Work:
    """Training and evaluation on a prepared set, with the classes that a run uses."""

    def __init__(self, of: Any, side: int) -> None:
        import torch

        from dabench.data.augment import Augmenter
        from dabench.execution.placement import ImagePlacement
        from dabench.plugins.contract import Augment

        self.of, self.cpu, self.side = of, torch.device("cpu"), side
        self.augmenter = Augmenter(Augment(crop=side * 7 // 8, flip=True), side, side, self.cpu)
        self.placement = ImagePlacement(self.cpu, lambda line: None)
        torch.set_num_threads(1)
        torch.manual_seed(0)

    def network(self) -> Any:
        from dabench.backbones.conv4 import Conv4
        from dabench.training.network import build_network

        return build_network(Conv4(Conv4.Options(width=8)), 3, self.augmenter.size[0], 10)

    def view(self) -> Any:
        """Return the training images as a run gets them."""
        import torch

        from dabench import View

        images = self.placement.placed("made-up", str(self.of.path("train", "images")))
        return View("made-up", self.of.classes, images, torch.from_numpy(self.of.labels("train")))

    def train(self, view: Any, steps: int) -> None:
        from dabench.training.settings import TrainConfig
        from dabench.training.trainer import RunTrainer

        settings = TrainConfig(steps=steps, batch=BATCH, precision="fp32", checkpoints=1)
        RunTrainer(settings, self.augmenter, self.cpu, 0).supervised(self.network(), [view])

    def evaluate(self, most: int | None = None) -> None:
        from dabench.data.file_rows import first_images, open_images
        from dabench.training.evaluate import logits
        from dabench.training.settings import EvalConfig

        images = open_images(self.of.path("test", "images"))
        logits(self.network(), first_images(images, most or len(images)), self.augmenter, EvalConfig(), "fp32")


def phase(name: str, folder: Path, n: int, side: int, store: str) -> dict[str, Any]:
    """Do one phase in this process; return its seconds, floor and memory."""
    actions: dict[str, Callable[[Path, int], object]] = {
        "prepare": lambda at, of: prepared(at, of, side, store),
        "open": lambda at, of: prepared(at, of, side, store),
        "train": lambda at, of: (work := Work(prepared_before(at), side)).train(work.view(), STEPS),
        "evaluate": lambda at, of: Work(prepared_before(at), side).evaluate(),
    }
    with tempfile.TemporaryDirectory(prefix="large-sets-small-") as small:
        prepared(Path(small), 500, side, store)
        actions[name](Path(small), 500)
    memory, began = Memory(), time.perf_counter()
    with memory.watched():
        actions[name](folder, n)
    return {"seconds": time.perf_counter() - began, "floor": memory.floor, "course": memory.course()}


def prepared_before(folder: Path) -> Any:
    """Open the prepared dataset without verifying its files again, as a worker does."""
    from dabench.data.cache import open_prepared

    (path,) = (path for path in (folder / "cache").iterdir() if not path.name.startswith("."))
    return open_prepared(path)


def rates(folder: Path, n: int, side: int, store: str) -> dict[str, Any]:
    """Return seconds of training and of evaluation, read and mapped, in alternation: (wall, processor) of each round."""
    from dabench.data import file_rows

    limits = {"read": 0, "mapped": 2**60}
    work = Work(prepared_before(folder), side)
    for part in ("train", "test"):  # into the page cache of the system, for both sides
        with open(work.of.path(part, "images"), "rb") as file:
            while file.read(2**24):
                pass
    views = {}
    for how, limit in limits.items():
        file_rows.LARGEST_MAPPED = limit
        views[how] = work.view()
    actions: dict[str, Callable[[str], None]] = {
        "train": lambda how: work.train(views[how], 5),
        "evaluate": lambda how: work.evaluate(EVALUATED),
    }
    found: dict[str, dict[str, list[tuple[float, float]]]] = {what: {how: [] for how in limits} for what in actions}
    for turn in range(ROUNDS + 1):
        for what, do in actions.items():
            for how in list(limits)[:: 1 if turn % 2 else -1]:
                file_rows.LARGEST_MAPPED = limits[how]
                wall, cpu = time.perf_counter(), time.process_time()
                do(how)
                if turn:  # the first turn warms up
                    found[what][how].append((time.perf_counter() - wall, time.process_time() - cpu))
    return found


def in_own_process(*words: object) -> Any:
    """Return what a phase prints, in a process of its own."""
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__, "--one", *map(str, words)], env=own, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def raw_tables(n: int) -> tuple[list[str], list[str]]:
    """Return the tables of a set of uncompressed images of 128x128: memory of each phase over time, and rates."""
    memory = ["| phase | s | floor, MiB | most above it, MiB | aim, MiB | above the floor in each tenth of the time, MiB |",
              "|---|---:|---:|---:|---:|---|"]  # fmt: skip
    speed = [
        "| phase | read, images/s | mapped, images/s | ratio | middle half of 20 rounds | ratio of processor time | aim |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    with tempfile.TemporaryDirectory(prefix="large-sets-") as folder:
        for name in PHASES:
            found = in_own_process(name, folder, n, 128, "raw")
            course = " ".join(f"{value:,.0f}" for value in found["course"])
            highest = max(found["course"])
            memory.append(
                f"| {name} | {found['seconds']:,.1f} | {found['floor']:,.0f} | {highest:,.0f} | {BOUND * 1024:,.0f} | {course} |"
            )
            print(memory[-1], file=sys.stderr, flush=True)
        for what, of in in_own_process("rates", folder, n, 128, "raw").items():
            images = {"train": 5 * BATCH, "evaluate": EVALUATED}[what]
            rate = {how: images / statistics.median(wall for wall, _ in of[how]) for how in of}
            wall, cpu = (sorted(m[i] / r[i] for r, m in zip(of["read"], of["mapped"], strict=True)) for i in (0, 1))
            low, middle, high = statistics.quantiles(wall, n=4)
            spread = f"{low:.2f} to {high:.2f} | {statistics.median(cpu):.2f}"
            speed.append(f"| {what} | {rate['read']:,.0f} | {rate['mapped']:,.0f} | {middle:.2f} | {spread} | {RATE} |")
            print(speed[-1], file=sys.stderr, flush=True)
    return memory, speed


def jpeg_table(sizes: list[int]) -> list[str]:
    """Return the table of sets of JPEG images of 64x64."""
    lines = [
        "| images | in the cache | " + " | ".join(f"{name}, s | MiB" for name in PHASES) + " |",
        "|---:" * (2 + 2 * len(PHASES)) + "|",
    ]
    for n in sizes:
        with tempfile.TemporaryDirectory(prefix="large-sets-") as folder:
            cells = []
            for name in PHASES:
                found = in_own_process(name, folder, n, SIDE_JPEG, "jpeg")
                cells.append(f"{found['seconds']:,.1f} | {max(found['course']):,.0f}")
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.npy"))
        lines.append(f"| {n:,} | {size / 1e6:,.0f} MB | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def main() -> None:
    """Measure what is asked for, and print it or write it into the page."""
    if sys.argv[1:2] == ["--one"]:
        name, folder, n, side, store = sys.argv[2:]
        done = rates if name == "rates" else lambda *given: phase(name, *given)
        print(json.dumps(done(Path(folder), int(n), int(side), store)))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("what", choices=["all", "raw", "jpeg"])
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--n", type=int, default=RAW)
    parser.add_argument("--write", action="store_true", help="write into docs/scaling.md")
    asked = parser.parse_args()
    tables: dict[str, list[str]] = {}
    if asked.what in ("all", "raw"):
        tables["large-memory"], tables["large-rates"] = raw_tables(asked.n)
    if asked.what in ("all", "jpeg"):
        tables["large-jpeg"] = jpeg_table(asked.sizes or list(SIZES))
    sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
    from table import into

    for part, lines in tables.items():
        if asked.write:
            into(PAGE, part, "\n".join(lines))
        else:
            print("\n".join(lines))


if __name__ == "__main__":
    main()
