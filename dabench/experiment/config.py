"""The keys of a sweep file, with their defaults, ranges and meanings.

Those of [train], [test] and [network] are in dabench.training.settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dabench.errors import SpecError, nearest
from dabench.hashing import digest
from dabench.plugins.options import setting
from dabench.storage.schema import TRANSDUCTIVE, Task
from dabench.training.settings import EvalConfig, NetworkConfig, TrainConfig


@dataclass(frozen=True)
class SearchConfig:
    """[search]: the hyperparameter search. Each adapter is searched on each task by itself."""

    trials: int = setting(0, "settings to try for each adapter and task; 0: no search", low=0)
    select: str = setting("source-accuracy", "selection rule that chooses among trials; 'oracle' reads target labels")
    method: Literal["random", "optuna", "grid"] = setting("random", "sampler of the settings")
    early_stopping: bool = setting(False, "stop a trial that scores below the median of the earlier trials; not with 'oracle'")
    seed: int = setting(1000, "seed of the sampler and of the trials' trainings; must not be among `seeds`", low=0)
    space: Mapping[str, Any] = setting(
        {}, "settings to search: `train.KEY` or `ADAPTER.OPTION`, each with a range or a list of values"
    )


_PAIR = re.compile(r"\s*->\s*")


@dataclass(frozen=True)
class ClassesTable:
    """[classes]: the classes of a sweep, where its datasets have different ones."""

    keep: tuple[str, ...] = setting((), "the classes to keep, by their new names; the same as the key `classes`")
    map: Mapping[str, Any] = setting({}, "[classes.map] OLD = 'NEW' renames a class of every dataset, [classes.map.NAME] of one")


@dataclass(frozen=True)
class DatasetTable:
    """The keys of [dataset.NAME] beside the options of its plugin."""

    plugin: str | None = setting(
        None,
        "the dataset plugin to use; default: NAME if it is one, else parquet-images with the key `parquet`, else image-folder",
    )
    drop: str = setting("", "a drop list: a CSV of images to leave out, relative to the sweep file")
    store: Literal["raw", "jpeg"] = setting(
        "raw", '"jpeg": prepared images are kept as JPEG, which takes a fraction of the space and changes pixels slightly'
    )
    store_quality: int = setting(95, 'quality of `store = "jpeg"`', low=1, high=100)


@dataclass(frozen=True)
class Sweep:
    """A sweep file: the datasets, adapters, backbone, seeds and settings of an experiment."""

    name: str = setting("", "name of the sweep and of its results folder, runs/NAME")
    title: str = setting("", "heading of the tables; default: the name")
    datasets: tuple[str, ...] = setting(
        (), "the datasets; every ordered pair becomes a task, source -> target; NAME/* is every member of a family"
    )
    adapters: tuple[str, ...] = setting(
        (), "the methods to compare; NAME@OPTION=VALUE is one with other options, NAME + CORRECTION one for label shift"
    )
    backbone: str = setting("", "the architecture of the encoder")
    seeds: int | tuple[int, ...] = setting(3, "number of seeds (3 means 0, 1 and 2), or a list of seeds", low=1)
    folds: int | Literal["leave-one-group-out"] | None = setting(
        None,
        'test every image once: a number of folds, or "leave-one-group-out" for one fold per group; default: the splits of '
        "the datasets",
        low=2,
    )
    protocol: Literal["inductive", "transductive"] = setting(
        "inductive",
        '"inductive": methods adapt to the training images of a target, and its test images are tested; "transductive": all '
        "images of a target are both, without their labels",
    )
    shots: int | Literal["all"] = setting(5, "labelled target images per class for few-shot adapters", low=1)
    pairs: tuple[str, ...] | Literal["leave-one-out", "all + leave-one-out"] = setting(
        (),
        'the tasks, as a list of "A -> B" and "A + B -> C"; "leave-one-out": each dataset is the target of all others together; '
        '"all + leave-one-out": these and every ordered pair; default: every ordered pair of datasets',
    )
    classes: tuple[str, ...] = setting((), "the classes to keep; required if the datasets have different classes; default: all")
    class_map: Mapping[str, Any] = setting({}, "other names for classes")
    plugins: tuple[str, ...] = setting((), "Python files with plugins; relative to the sweep file")
    size: int | None = setting(
        None, "side in pixels of the square that images are resized to; default: that of the largest dataset", low=4
    )
    channels: Literal[1, 3] | None = setting(None, "1: grey, 3: RGB; default: 3 if any dataset has colours, else 1")
    pretrained: bool = setting(False, "start from the published weights of the backbone")
    train: TrainConfig = field(default_factory=TrainConfig)
    test: EvalConfig = field(default_factory=EvalConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    augment: Mapping[str, Any] = setting({}, "training augmentation; default: that of the datasets")
    dataset: Mapping[str, Mapping[str, Any]] = setting({}, "options of a dataset")
    options: Mapping[str, Mapping[str, Any]] = setting({}, "options of adapters and of the backbone, by name")

    @property
    def transductive(self) -> bool:
        """Whether targets are tested on the unlabelled images that methods adapt to."""
        return self.protocol == TRANSDUCTIVE

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of the sweep, each (sources, target)."""
        if self.pairs and not isinstance(self.pairs, str):
            return tuple(pair_of(p, self.datasets) for p in self.pairs)
        single: list[Task] = [((s,), t) for s in self.datasets for t in self.datasets if s != t]
        if not self.pairs or len(self.datasets) < 2:
            return tuple(single)
        joined: list[Task] = [(tuple(s for s in self.datasets if s != t), t) for t in self.datasets]
        # Of two datasets, all others are one: the same task counts once.
        return tuple(dict.fromkeys(single + joined if self.pairs == "all + leave-one-out" else joined))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; [search], [network], `folds` and `protocol` only where not the default."""
        network = self.network.recorded
        found = asdict(self) | {"train": self.train.recorded, "test": self.test.recorded, "network": network}
        changed = {"search": self.search.trials, "network": network, "folds": self.folds, "protocol": self.transductive}
        return {key: value for key, value in found.items() if changed.get(key, True)}

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings that each number depends on, without those that decide which numbers there are and how they are named."""
        extent = {"title", "datasets", "adapters", "seeds", "pairs", "plugins", "dataset"}
        found = {key: value for key, value in self.as_dict().items() if key not in extent}
        return found | {"search": {k: v for k, v in found["search"].items() if k != "trials"}} if "search" in found else found

    @property
    def digest(self) -> str:
        """Digest of the sweep with all its settings."""
        return digest(self.as_dict())


def pair_of(text: str, datasets: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return (sources, target) of "A + B -> C"; raise SpecError unless they are different names among `datasets`."""
    parts = _PAIR.split(text.strip())
    if len(parts) != 2:
        words = "" if "->" in text else ' (the words "leave-one-out" and "all + leave-one-out" stand without brackets)'
        raise SpecError(f'must be "SOURCE -> TARGET" or "SOURCE + SOURCE -> TARGET"{words}')
    sources, target = tuple(p.strip() for p in parts[0].split("+")), parts[1]
    for name in (*sources, target):
        if name.endswith("/*"):
            example = next((d for d in datasets if d.startswith(name[:-1])), f"{name[:-1]}NAME")
            raise SpecError(f"'{name}' is a family; a pair names single datasets, for example '{example}'")
        if name not in datasets:
            raise SpecError(f"'{name}' is not in datasets{nearest(name, datasets)}")
    if target in sources or len(set(sources)) < len(sources):
        raise SpecError("sources and target must be different")
    return sources, target
