"""The keys of [search] in a sweep file, with their defaults and ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dabench.errors import SpecError, nearest
from dabench.hashing import digest
from dabench.plugins.options import setting
from dabench.training.settings import EvalConfig, TrainConfig


@dataclass(frozen=True)
class SearchConfig:
    """[search]: how the settings of each task, an adapter from its sources to a target, are searched."""

    trials: int = setting(0, "settings to try for each task, the same number for every adapter; 0: no search", low=0)
    select: str = setting("source-accuracy", "the rule that chooses among trials; 'oracle' looks at labels of the target")
    method: Literal["random", "optuna", "grid"] = setting("random", "how settings are proposed")
    early_stopping: bool = setting(False, "end trials that are behind the others half of the time, by `select`")
    seed: int = setting(1000, "of the proposals, and of the trials' trainings; none of the sweep's seeds", low=0)
    space: Mapping[str, Any] = setting(
        {}, '"train.lr" = { loguniform = [1e-3, 1e-1] }, uniform, int, or a list of values; ADAPTER.OPTION of one adapter'
    )


_PAIR = re.compile(r"\s*->\s*")


@dataclass(frozen=True)
class Sweep:
    """Everything that a sweep file may say."""

    name: str = setting("", "name of the sweep and of its output folder")
    title: str = setting("", "one line for the heading of the tables")
    datasets: tuple[str, ...] = setting((), "every ordered pair of them becomes source -> target")
    adapters: tuple[str, ...] = setting((), "the methods to compare")
    backbone: str = setting("", "the network")
    seeds: int | tuple[int, ...] = setting(3, "how many seeds (0, 1, ...), or which", low=1)
    shots: int | Literal["all"] = setting(5, "labelled target images per class for few-shot adapters, or all", low=1)
    pairs: tuple[str, ...] = setting((), 'only these, as "A -> B" or "A + B -> C"; every ordered pair if not set')
    classes: tuple[str, ...] = setting((), "the classes to keep, where the datasets have different ones; or [classes] keep")
    class_map: Mapping[str, Any] = setting({}, "[classes.map]: other names for classes; [classes.map.DATASET]: of one")
    plugins: tuple[str, ...] = setting((), "Python files with plugins; relative to this file")
    size: int | None = setting(None, "side of the square images are resized to; the largest of the datasets if not set", low=4)
    channels: Literal[1, 3] | None = setting(None, "1 grey, 3 RGB; 3 if any dataset has colours, if not set")
    pretrained: bool = setting(False, "start from the backbone's published weights")
    train: TrainConfig = field(default_factory=TrainConfig)
    test: EvalConfig = field(default_factory=EvalConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    augment: Mapping[str, Any] = setting({}, "training augmentation: crop, flip, rotate; as the datasets say if not set")
    dataset: Mapping[str, Mapping[str, Any]] = setting(
        {}, "[dataset.NAME]: options of a dataset, its drop list, or a folder declared as one"
    )
    options: Mapping[str, Mapping[str, Any]] = setting({}, "options of adapters and of the backbone, by name")

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def tasks(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Every (sources, target) that the sweep is about."""
        if not self.pairs:
            return tuple(((s,), t) for s in self.datasets for t in self.datasets if s != t)
        return tuple(pair_of(p, self.datasets) for p in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; [search] only where there is one."""
        return {key: value for key, value in asdict(self).items() if key != "search" or self.search.trials}

    @property
    def recipe(self) -> dict[str, Any]:
        """The part that numbers depend on; the rest only says how many of them there are, or what they are called."""
        extent = {"title", "datasets", "adapters", "seeds", "pairs", "plugins", "dataset"}
        found = {key: value for key, value in self.as_dict().items() if key not in extent}
        return found | {"search": {k: v for k, v in found["search"].items() if k != "trials"}} if "search" in found else found

    @property
    def digest(self) -> str:
        """Identifies the sweep as written."""
        return digest(self.as_dict())


def pair_of(text: str, datasets: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the (sources, target) of "A + B -> C"; raise SpecError if it is no pair of different `datasets`."""
    parts = _PAIR.split(text.strip())
    if len(parts) != 2:
        raise SpecError('must be "SOURCE -> TARGET" or "SOURCE + SOURCE -> TARGET"')
    sources, target = tuple(p.strip() for p in parts[0].split("+")), parts[1]
    for name in (*sources, target):
        if name not in datasets:
            raise SpecError(f"'{name}' is not in datasets{nearest(name, datasets)}")
    if target in sources or len(set(sources)) < len(sources):
        raise SpecError("sources and target must be different")
    return sources, target
