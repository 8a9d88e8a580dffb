"""Sets ten times as large as the memory that the process may take: prepared, resized and trained on.

The limit is real: each test runs in a process whose heap and private writable mappings the system keeps to what was held
before, and some megabytes. Whoever reads a whole split gets no memory, and the test fails.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from limited import needs_limits, run_limited
from pictures import png

pytestmark = needs_limits

# A smaller piece at a time than usual, so that a limit of megabytes and a set of a hundred show what gigabytes would.
HEAD = """
import sys
from pathlib import Path
import numpy as np
from dabench import Dataset, LazyImages, Samples
from dabench.data import lazy
from dabench.data.prepare import prepare_dataset, reshaped

lazy._BYTES = 500_000
folder = Path(sys.argv[1])
"""

PLUGIN = """
class Large(Dataset):
    name, classes, n = "large", ("a", "b"), 100

    def prepare(self, raw):
        def read(at):
            images = np.empty((len(at), 3, 64, 64), np.uint8)
            images[:] = (at % 251)[:, None, None, None]
            return images
        def split(n):
            return Samples(LazyImages((n, 3, 64, 64), read), np.arange(n) % 2, np.arange(n) // 10)
        return {"train": split(self.n), "test": split(self.n // 10)}

def both(large):
    made = prepare_dataset(large, folder, folder / "cache", notify=print)
    return made, reshaped(made, 1, 32, large.classes, notify=print)

both(Large())  # what is imported and compiled on the way is there
limit(10)
Large.n, Large.classes = 8200, ("b", "a")
for made in both(Large()):
    print(made.folder.name, sum(made.path(split, "images").stat().st_size for split in made.splits))
"""


def test_a_plugins_set_of_ten_times_the_memory_is_prepared_and_resized(tmp_path: Path) -> None:
    *_, prepared, resized = (line.split() for line in run_limited(HEAD + PLUGIN, tmp_path).splitlines())
    assert int(prepared[1]) > 100_000_000
    images = np.load(tmp_path / "cache" / resized[0] / "train-images.npy", mmap_mode="r")
    assert images.shape == (7380, 1, 32, 32)  # a tenth of the groups is held out for validation
    np.testing.assert_array_equal(images[:, 0, 0, 0], images[:, 0, 31, 31])


FOLDER = """
from dabench.data import images
from dabench.datasets.image_folder import ImageFolder

images._IN_MEMORY = 4_000_000

def made(name):
    return prepare_dataset(ImageFolder(ImageFolder.Options(path=str(folder / name))), folder, folder / "cache", notify=print)

made(sys.argv[2])
limit(10)
large = made(sys.argv[3])
print(sum(large.path(split, "images").stat().st_size for split in large.splits))
"""


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_pictures_of_ten_times_the_memory_are_prepared(tmp_path: Path, form: str) -> None:
    picture = png(1, (512, 512), "RGB")
    for name, each in (("small", 5), ("large", 70)):
        if form == "zip":
            with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
                for i in range(2 * each):
                    archive.writestr(f"{'ab'[i % 2]}/{i}.png", picture)
        else:
            for i in range(2 * each):
                (tmp_path / name / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
                (tmp_path / name / "ab"[i % 2] / f"{i}.png").write_bytes(picture)
    end = ".zip" if form == "zip" else ""
    assert int(run_limited(HEAD + FOLDER, tmp_path, f"small{end}", f"large{end}").split()[-1]) > 100_000_000


TRAINING = """
from dataclasses import replace
import torch
from torch import nn
from dabench import Adapter, Backbone
from dabench.experiment.access import Shots
from dabench.experiment.planner import make_plan
from dabench.plugins.registry import Registry
from dabench.experiment.validation import sweep_from
from dabench.storage.run_store import RunStore
from dabench.execution.run import execute

class Set(Dataset):
    classes = ("a", "b")
    def prepare(self, raw):
        images = np.random.default_rng(ord(self.name)).integers(0, 256, (80, 3, 64, 64), np.uint8)
        return {split: Samples(images, np.arange(80) % 2) for split in ("train", "val", "test")}

class Mean(Backbone):
    name = "mean"
    def build(self, channels, size, pretrained):
        net = nn.Sequential(nn.AvgPool2d(16), nn.Flatten())
        net.num_features = channels * (size // 16) ** 2
        return net

class AllShots(Adapter):
    name, access = "shots", "full"
    def adapt(self, net, sources, target, trainer):
        return trainer.supervised(net, [*sources, target.shots])

registry = Registry(entry_points=False)
for plugin in (type("X", (Set,), {"name": "x"}), type("Y", (Set,), {"name": "y"}), Mean, AllShots):
    registry.register(plugin)
table = {"name": "t", "datasets": ["x", "y"], "adapters": ["shots"], "backbone": "mean", "seeds": 1, "pairs": ["x -> y"],
         "train": {"steps": 3, "batch": 16, "device": "cpu", "checkpoints": 1, "precision": "fp32"}, "test": {"batch": 64}}
plan = make_plan(sweep_from(table, registry), registry, folder, print)
training, _, adapting = [plan.job(run) for run in plan.runs]
store = RunStore(folder / "out")
store.runs.mkdir(parents=True)
for job in (training, adapting):
    execute(job, store, registry)
limit(40)
# The same jobs on 35,000 pictures, which take no place on the disk.
images, labels = folder / "images.npy", np.arange(35_000) % 2
np.lib.format.open_memmap(images, "w+", np.uint8, (len(labels), 3, 64, 64))
np.save(folder / "labels.npy", labels)
sources = tuple(replace(s, images=str(images), labels=str(folder / "labels.npy")) for s in training.sources)
target = replace(adapting.target, images=str(images), shots=Shots(tuple(range(len(labels))), tuple(labels.tolist())))
training = replace(training, sources=sources, tests=training.tests | {"x": str(images)})
for job in (training, replace(adapting, sources=sources, target=target)):
    store.remove(job.digest)
    execute(job, store, registry)
    print(images.stat().st_size, store.find(job.digest).logits("x").shape)
"""


def test_a_set_of_ten_times_the_memory_is_trained_on_and_tested(tmp_path: Path) -> None:
    lines = run_limited(HEAD + TRAINING, tmp_path).splitlines()
    assert lines[-2:] == ["430080128 (1, 35000, 2)", "430080128 (1, 80, 2)"]


# Resident memory, with the pages of mapped files

PEAK = """
from dabench.data import file_rows

file_rows.LARGEST_MAPPED = int(sys.argv[2])

def highest():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
"""

BOUND = 120_000_000


def growth(code: str, folder: Path, largest_mapped: int) -> int:
    """Return by how many bytes the highest memory of a process grows in `code`, from where a limit would be set."""
    before, _, after = code.partition("limit(")
    measured = f"{HEAD}{PEAK}{before}floor = highest()\n{after.partition(')')[2]}\nprint(highest() - floor)"
    return int(run_limited(measured, folder, largest_mapped).split()[-1])


def test_training_and_testing_on_a_large_set_keep_to_little_memory(tmp_path: Path) -> None:
    assert growth(TRAINING, tmp_path, 2**20) < BOUND


def test_training_and_testing_on_a_mapped_set_take_its_size(tmp_path: Path) -> None:
    assert growth(TRAINING, tmp_path, 2**40) > 2 * BOUND


def test_preparing_and_resizing_a_large_set_keep_to_little_memory(tmp_path: Path) -> None:
    assert growth(PLUGIN, tmp_path, 2**20) < BOUND / 2
