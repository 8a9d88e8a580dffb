"""A sweep expanded to runs: every pretraining once, every adaptation after the pretraining it starts from.

A run's digest covers exactly what its numbers depend on: the prepared data, the networks, the method's code and options,
the settings and the seed. The same digest is the same work, so it is done once and found again later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dabench.class_space import keeping, renames, shared_classes
from dabench.data.cache import Prepared, Say
from dabench.data.prepared import prepare, reshaped
from dabench.digests import code_digest, digest
from dabench.errors import DataError, SpecError
from dabench.firewall import grant_scored, grant_source, grant_target, grant_test, labels_used
from dabench.places import cache_folder
from dabench.protocols import Adapter, Augment, Backbone, Dataset
from dabench.registry import Registry
from dabench.scratch import cleared
from dabench.settings import Settings, Train
from dabench.spec import Sweep, make_adapter, make_backbone, make_dataset

NUMERICS = 1
"""Raised when the same spec and seed would give other numbers than before, so that finished runs of before are not current."""

SUPERVISED = "supervised"
"""The method of a pretraining that all adapters with the default `pretrain` share."""


@dataclass(frozen=True)
class Run:
    """One piece of work: a pretraining (`target` None), or the adaptation of one to a target.

    Attributes:
        method: the adapter's name, or "supervised" for a shared pretraining.
        tests: the datasets whose test images it predicts.
        parent: digest of the pretraining that an adaptation starts from.
        digest: identifies the result.
        settings: what it sets otherwise than the sweep.
    """

    method: str
    sources: tuple[str, ...]
    target: str | None
    seed: int
    tests: tuple[str, ...]
    labels: str
    parent: str | None
    digest: str
    settings: Settings = ()

    @property
    def name(self) -> str:
        """A name for people, unique within a sweep, that can be a folder's."""
        parts = [self.method, "+".join(self.sources), *([self.target] if self.target else []), f"s{self.seed}"]
        parts += [digest(self.settings)[:6]] if self.settings else []
        return "_".join(parts).replace("/", "-")

    @property
    def sort(self) -> tuple[str, bool]:
        """Runs of one sort take about as long: their method, and whether they adapt."""
        return self.method, self.target is not None

    @property
    def folder(self) -> str:
        """The name of the folder it is stored in."""
        return f"{self.name}-{self.digest[:10]}"


@dataclass(frozen=True)
class Plan:
    """A sweep with its data prepared and all its choices made: sizes, channels, augmentation, classes, runs in order."""

    sweep: Sweep
    augment: Augment
    channels: int
    size: int
    datasets: Mapping[str, Dataset]
    prepared: Mapping[str, Prepared]
    adapters: Mapping[str, Adapter]
    backbone: Backbone
    runs: tuple[Run, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of every dataset in the sweep, in the order of the logits."""
        return next(iter(self.prepared.values())).classes

    @property
    def input_size(self) -> int:
        """Side of the image that the network sees."""
        return self.augment.crop or self.size

    def test_digests(self, run: Run) -> dict[str, str]:
        """Return what a run's predictions are of: dataset -> digest of its prepared data."""
        return {t: self.prepared[t].digest for t in run.tests}

    def train(self, run: Run) -> Train:
        """Return how a run is trained: as [train] says, but for what it sets otherwise."""
        return replace(self.sweep.train, **_of("train", run.settings))

    def job(self, run: Run) -> dict[str, Any]:
        """Return all that a worker needs for a run, as plain values: what is not in it, the worker does not have."""
        adapter = None if run.method == SUPERVISED else self.adapters[run.method]
        target = None
        if run.target is not None and adapter is not None:
            target = grant_target(self.prepared[run.target], adapter.access, self.sweep.shots, run.seed)
        return {
            "name": run.name,
            "digest": run.digest,
            "method": run.method,
            "options": dict(self.sweep.options.get(run.method, {})) | _of(run.method, run.settings),
            "backbone": [self.sweep.backbone, self.sweep.options.get(self.sweep.backbone, {})],
            "channels": self.channels,
            "size": self.size,
            "pretrained": self.sweep.pretrained,
            "classes": list(self.classes),
            "train": asdict(self.train(run)),
            "test": asdict(self.sweep.test),
            "augment": asdict(self.augment),
            "seed": run.seed,
            "labels": run.labels,
            "sources": [grant_source(self.prepared[s]) for s in run.sources],
            "target": target,
            "tests": {t: grant_test(self.prepared[t]) for t in run.tests},
            # A pretraining may be tested on any of its sets, so it is scored for each of them.
            "scored": {t: grant_scored(self.prepared[t]) for t in ([run.target] if run.target else run.tests)},
            "test_digests": self.test_digests(run),
            "parent": run.parent,
        }


def make_plan(sweep: Sweep, registry: Registry, data: Path, say: Say) -> Plan:
    """Prepare the sweep's datasets and expand it to runs.

    Raises:
        SpecError, DataError: the datasets do not fit each other or the sweep.
    """
    cleared(cache_folder(), ".*")
    datasets = {name: make_dataset(sweep, name, registry) for name in sweep.datasets}
    raw = {name: prepare(dataset, dataset.raw_in(data), cache_folder(), say=say) for name, dataset in datasets.items()}
    classes = shared_classes(sweep, raw)
    channels = sweep.channels or max(p.shape[0] for p in raw.values())
    size = sweep.size or max(max(p.shape[1:]) for p in raw.values())
    prepared = {n: reshaped(p, channels, size, classes, renames(sweep, n, p.classes), say=say) for n, p in raw.items()}
    for name, p in prepared.items():
        _check_counts(sweep, name, p)
    augment = _augment(sweep, datasets)
    if augment.crop and augment.crop > size:
        raise SpecError(
            f"augment.crop = {augment.crop}: larger than the images, which are {size}x{size}; set size or augment.crop"
        )
    if sweep.test.crops == 10 and augment.crop is None:
        raise SpecError("test.crops = 10 needs augment.crop: ten crops of the whole image are one")
    adapters = {name: make_adapter(sweep, name, registry) for name in sweep.adapters}
    plan = Plan(sweep, augment, channels, size, datasets, prepared, adapters, make_backbone(sweep, registry), ())
    plan = replace(plan, runs=tuple(_runs(plan)))
    for run in plan.runs:  # shots larger than a class are found now, not in the middle of the night
        if run.target is not None:
            grant_target(prepared[run.target], adapters[run.method].access, sweep.shots, run.seed)
    return plan


def _check_counts(sweep: Sweep, name: str, prepared: Prepared) -> None:
    for split in ("train", "test"):
        for label, count in prepared.splits[split]["classes"].items():
            if count == 0:
                others = [c for c in prepared.classes if c != label]
                advice = f", or leave the class out with {keeping(sweep, others)}" if len(others) > 1 else ""
                raise DataError(f"dataset '{name}': its {split} split has no image of class '{label}'; add some{advice}")


def _augment(sweep: Sweep, datasets: Mapping[str, Dataset]) -> Augment:
    """Return the augmentation that the datasets agree on, changed by the sweep's [augment]."""
    wanted = {d.augment for d in datasets.values()}
    if len(wanted) > 1 and {"crop", "flip", "rotate"} > set(sweep.augment):
        rows = "; ".join(f"{n}: {d.augment}" for n, d in datasets.items())
        raise SpecError(f"the datasets ask for different augmentation ({rows}); set crop, flip and rotate under [augment]")
    chosen = replace(next(iter(wanted)), **sweep.augment)
    return chosen if chosen.crop else replace(chosen, crop=None)


def _runs(plan: Plan) -> list[Run]:
    """Return the pretrainings and then the adaptations, each once."""
    pretrained: list[Run] = []
    adapted: list[Run] = []
    sweep = plan.sweep
    # Each dataset is a row of the matrix: its own pretraining gives the diagonal even where no pair starts from it.
    rows = dict.fromkeys([(d,) for d in sweep.datasets] + [s for s, _ in sweep.tasks])
    for seed in sweep.seed_list:
        shared = {sources: pretraining(plan, None, sources, seed) for sources in rows}
        pretrained += shared.values()
        for name, adapter in plan.adapters.items():
            parents = shared
            if not adapter.shares_pretraining():
                parents = {sources: pretraining(plan, name, sources, seed) for sources, _ in sweep.tasks}
                pretrained += parents.values()
            if adapter.adapts():
                adapted += [adaptation(plan, name, parents[sources], target) for sources, target in sweep.tasks]
    return [*pretrained, *adapted]


def pretraining(plan: Plan, adapter: str | None, sources: tuple[str, ...], seed: int, settings: Settings = ()) -> Run:
    """Return the training on the sources that an adapter starts from: its own, or else (or of None) the shared one."""
    shared = adapter is None or plan.adapters[adapter].shares_pretraining()
    return _run(plan, adapter if adapter and not shared else SUPERVISED, sources, None, seed, None, settings)


def adaptation(plan: Plan, adapter: str, parent: Run, target: str, settings: Settings = ()) -> Run:
    """Return the run of an adapter that carries the pretraining `parent` to a target."""
    return _run(plan, adapter, parent.sources, target, parent.seed, parent.digest, settings)


def _of(table: str, settings: Settings) -> dict[str, Any]:
    """Return the settings of one table, without its name."""
    return {key.removeprefix(f"{table}."): value for key, value in settings if key.startswith(f"{table}.")}


def _run(
    plan: Plan,
    method: str,
    sources: tuple[str, ...],
    target: str | None,
    seed: int,
    parent: str | None,
    settings: Settings,
) -> Run:
    sweep, tests = plan.sweep, (*sources, target) if target else plan.sweep.datasets
    settings = tuple((key, value) for key, value in settings if key.startswith(("train.", f"{method}.")))
    labels = "0"
    how: list[Any] = [SUPERVISED]
    if method != SUPERVISED:
        adapter = plan.adapters[method]
        how = [method, code_digest(adapter), asdict(adapter.options) | _of(method, settings)]
        if target is not None:
            labels = labels_used(adapter.access, sweep.shots)
            how += [adapter.access, labels, plan.prepared[target].digest]
    key = {
        "numerics": NUMERICS,
        "backbone": [sweep.backbone, code_digest(plan.backbone), asdict(plan.backbone.options)],
        "input": [plan.channels, plan.size, sweep.pretrained, list(plan.classes)],
        "train": asdict(replace(sweep.train, **_of("train", settings))),
        "test": asdict(sweep.test),
        "augment": asdict(plan.augment),
        "sources": [plan.prepared[s].digest for s in sources],
        "seed": seed,
        "method": how,
        "parent": parent,
    }
    return Run(method, sources, target, seed, tests, labels, parent, digest(key), settings)
