"""A sweep with its data and all its choices, the runs that it comes to, and what identifies each of them.

A run's digest covers what its numbers depend on: the prepared data, the code of its plugins and of dabench that computes it,
options, settings, seed, device class and precision. The same digest is the same work, so it is done once and found again later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from dabench.data.cache import Prepared
from dabench.experiment.access import grant_scored, grant_source, grant_target, grant_test
from dabench.experiment.config import Sweep
from dabench.experiment.job import Job
from dabench.hashing import digest
from dabench.plugins.code_hash import code_digest, core_digest
from dabench.plugins.contract import SUPERVISED, Adapter, Augment, Backbone, Dataset
from dabench.storage.schema import AdapterFacts, NetworkKey, Run, Settings, TrialConfig, budget_text, networks
from dabench.training.settings import TrainConfig


@dataclass(frozen=True)
class Plan:
    """A sweep with its data prepared and all its choices made: sizes, channels, augmentation, classes, runs in order.

    Which runs a sweep with a search comes to is known when their settings are chosen (dabench.experiment.search).
    It has none here.

    Attributes:
        device: the class of device that the runs compute on: "cpu", "cuda" or "mps".
        precision: "bf16" or "fp32": what train.precision = "auto" is on it.
    """

    sweep: Sweep
    augment: Augment
    channels: int
    size: int
    datasets: Mapping[str, Dataset]
    prepared: Mapping[str, Prepared]
    adapters: Mapping[str, Adapter]
    backbone: Backbone
    runs: tuple[Run, ...]
    device: str
    precision: str

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of every dataset in the sweep, in the order of the logits."""
        return next(iter(self.prepared.values())).classes

    @property
    def facts(self) -> dict[str, AdapterFacts]:
        """What is known of each adapter."""
        return {name: _facts(adapter) for name, adapter in self.adapters.items()}

    @property
    def networks(self) -> list[NetworkKey]:
        """The networks of each adapter, whatever the seed."""
        return list(networks(self.sweep.datasets, self.sweep.tasks, self.facts))

    @property
    def input_size(self) -> int:
        """Side of the image that the network sees."""
        return self.augment.crop or self.size

    def test_digests(self, run: Run) -> dict[str, str]:
        """Return what a run's predictions are of: dataset -> digest of its prepared data."""
        return {t: self.prepared[t].digest for t in run.tests}

    def train(self, settings: Settings) -> TrainConfig:
        """Return how a run with these settings is trained: as [train] says else, with its device and precision known."""
        own = {"precision": self.sweep.train.precision, **_of("train", settings), "device": self.device}
        return replace(self.sweep.train, **own | ({"precision": self.precision} if own["precision"] == "auto" else {}))

    def job(self, run: Run) -> Job:
        """Return all that a worker needs for a run: what is not in it, the worker does not have."""
        adapter = None if run.method == SUPERVISED else self.adapters[run.method]
        target = None
        if run.target is not None and adapter is not None:
            target = grant_target(self.prepared[run.target], adapter.access, self.sweep.shots, run.seed)
        targets = [run.target] if run.target else run.tests  # a pretraining may be tested on any, so it is scored for each
        scored = {t: grant_scored(self.prepared[t]) for t in targets}
        validated = {validation_of(t): path for t, path in scored.items() if run.probe and run.probe.validates}
        return Job(
            name=run.name,
            digest=run.digest,
            method=run.method,
            options=dict(self.sweep.options.get(run.method, {})) | _of(run.method, run.settings),
            backbone=self.sweep.backbone,
            backbone_options=self.sweep.options.get(self.sweep.backbone, {}),
            channels=self.channels,
            size=self.size,
            pretrained=self.sweep.pretrained,
            classes=self.classes,
            train=self.train(run.settings),
            asked_precision=dict(run.settings).get("train.precision", self.sweep.train.precision),
            test=self.sweep.test,
            augment=self.augment,
            seed=run.seed,
            label_budget=run.label_budget,
            sources=tuple(grant_source(self.prepared[s]) for s in run.sources),
            target=target,
            tests={t: grant_test(self.prepared[t]) for t in run.tests} | validated,
            scored=scored,
            test_digests=self.test_digests(run),
            parent=run.parent,
            probe=run.probe,
        )


def validation_of(dataset: str) -> str:
    """Return the name under which a trial keeps its logits on a dataset's validation split, where it was asked to."""
    return f"validation of {dataset}"


def pretraining(
    plan: Plan,
    adapter: str | None,
    sources: tuple[str, ...],
    seed: int,
    settings: Settings = (),
    probe: TrialConfig | None = None,
) -> Run:
    """Return the training on the sources that an adapter starts from: its own, or else (or of None) the shared one."""
    shared = adapter is None or plan.adapters[adapter].shares_pretraining()
    return _run(plan, adapter if adapter and not shared else SUPERVISED, sources, None, seed, None, settings, probe)


def adaptation(
    plan: Plan, adapter: str, parent: Run, target: str, settings: Settings = (), probe: TrialConfig | None = None
) -> Run:
    """Return the run of an adapter that carries the pretraining `parent` to a target."""
    return _run(plan, adapter, parent.sources, target, parent.seed, parent.digest, settings, probe)


def _facts(adapter: Adapter) -> AdapterFacts:
    options, own_pretraining = asdict(adapter.options), not adapter.shares_pretraining()
    return AdapterFacts(adapter.title, adapter.citation, adapter.access, options, adapter.adapts(), own_pretraining)


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
    probe: TrialConfig | None,
) -> Run:
    sweep, tests = plan.sweep, (*sources, target) if target else plan.sweep.datasets
    settings = tuple((key, value) for key, value in settings if key.startswith(("train.", f"{method}.")))
    labels = "0"
    how: list[Any] = [SUPERVISED]
    if method != SUPERVISED:
        adapter = plan.adapters[method]
        how = [method, code_digest(adapter), asdict(adapter.options) | _of(method, settings)]
        if target is not None:
            labels = budget_text(_facts(adapter).budget(sweep.shots))
            how += [adapter.access, labels, plan.prepared[target].digest]
    key = {
        "code": core_digest(),
        "backbone": [sweep.backbone, code_digest(plan.backbone), asdict(plan.backbone.options)],
        "input": [plan.channels, plan.size, sweep.pretrained, list(plan.classes)],
        "train": vars(plan.train(settings)),  # faster than asdict, for ten thousands of runs
        "test": vars(sweep.test),
        "augment": vars(plan.augment),
        "sources": [plan.prepared[s].digest for s in sources],
        "seed": seed,
        "method": how,
        "parent": parent,
        **({"probe": asdict(probe)} if probe else {}),
    }
    return Run(method, sources, target, seed, tests, labels, parent, digest(key), settings, probe)
