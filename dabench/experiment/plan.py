"""The plan of a sweep: prepared data, resolved settings, and runs with their digests.

The digest of a run covers everything its result depends on: the prepared data, the code of its plugins and of dabench that
computes it, options, settings, seed, class of device and precision. Equal digests mean the same work, which is done once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from dabench.data.cache import Prepared
from dabench.experiment.access import grant_scored, grant_source, grant_target, grant_test
from dabench.experiment.adapter_facts import adapter_facts
from dabench.experiment.adapter_names import plugin_of
from dabench.experiment.config import Sweep
from dabench.experiment.job import Job
from dabench.experiment.overrides import WEIGHTS
from dabench.experiment.resolve import adapter_options
from dabench.hashing import digest
from dabench.plugins.code_hash import code_digest, core_digest, modules_digest
from dabench.plugins.contract import SOURCE_ONLY, SUPERVISED, Adapter, Augment, Backbone, Dataset
from dabench.plugins.weights import own_options, weights_of
from dabench.storage.schema import AdapterFacts, NetworkKey, Run, Settings, TrialConfig, budget_text, networks, tests_of
from dabench.training.settings import TrainConfig, adaptation_steps


@dataclass(frozen=True)
class Plan:
    """A sweep with prepared data and resolved settings: size, channels, augmentation, classes, runs in order.

    `runs` is empty for a sweep with a search, because its runs are known only when settings are chosen
    (dabench.experiment.search).

    Attributes:
        device: the class of device of the runs: "cpu", "cuda" or "mps".
        precision: the meaning of train.precision = "auto" on it: "bf16" or "fp32".
        warnings: what is wrong with its tasks, one line each.
        weights: the SHA-256 of the file that the backbone starts from; "" without one.
        folds: the prepared datasets of each fold; empty without folds. `prepared` then holds the undivided datasets.
        fold: the fold that `prepared` holds instead, in the plan of one fold (`at`), from 1.
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
    warnings: tuple[str, ...] = ()
    weights: str = ""
    folds: tuple[Mapping[str, Prepared], ...] = ()
    fold: int = 0

    @property
    def divisions(self) -> tuple[Mapping[str, Prepared], ...]:
        """The prepared datasets that runs open: those of each fold, or the only ones without folds."""
        return self.folds or (self.prepared,)

    def data(self, fold: int) -> Mapping[str, Prepared]:
        """Return the prepared datasets of a fold; without folds, the fold is 0."""
        return self.folds[fold - 1] if fold else self.prepared

    def at(self, fold: int) -> Plan:
        """Return the plan of one fold."""
        return replace(self, prepared=self.data(fold), fold=fold)

    @property
    def fold_numbers(self) -> range:
        """The folds of its runs: 1, 2, ...; only 0 without folds."""
        return range(1, len(self.folds) + 1) if self.folds else range(1)

    def digest_of(self, name: str) -> str:
        """Return the digest of a prepared dataset; with folds, one over those of its folds."""
        return digest([data[name].digest for data in self.folds]) if self.folds else self.prepared[name].digest

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of every dataset in the sweep, in the order of the logits."""
        return next(iter(self.prepared.values())).classes

    @property
    def facts(self) -> dict[str, AdapterFacts]:
        """The facts of each adapter."""
        return {name: adapter_facts(adapter) for name, adapter in self.adapters.items()}

    @property
    def networks(self) -> list[NetworkKey]:
        """The networks of each adapter, without seeds."""
        return list(networks(self.trained_on, self.sweep.tasks, self.facts))

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The datasets without labels, which can only be targets."""
        return tuple(name for name in self.sweep.datasets if not self.prepared[name].labelled)

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The datasets on each of which alone a network is trained: those with labels.

        In the transductive protocol there are none but the sources of tasks: all images of a target are tested.
        """
        return () if self.sweep.transductive else tuple(n for n in self.sweep.datasets if n not in self.unlabelled)

    @property
    def input_size(self) -> int:
        """Side in pixels of the images that the network sees."""
        return self.augment.crop or self.size

    def test_digests(self, run: Run) -> dict[str, str]:
        """Return dataset -> digest of its prepared data, for the datasets that a run predicts."""
        return {t: self.data(run.fold)[t].digest for t in run.tests}

    def train(self, settings: Settings) -> TrainConfig:
        """Return [train] for a run with these settings, with device and precision resolved."""
        own = {"precision": self.sweep.train.precision, **_of("train", settings), "device": self.device}
        return replace(self.sweep.train, **own | ({"precision": self.precision} if own["precision"] == "auto" else {}))

    @property
    def backbone_options(self) -> dict[str, Any]:
        """The options of the backbone that the sweep sets, with the path of its file of weights on this machine."""
        given = self.sweep.options.get(self.sweep.backbone, {})
        return {**given, **({WEIGHTS: weights_of(self.backbone)} if self.weights else {})}

    def job(self, run: Run) -> Job:
        """Return everything that a worker needs for a run. The worker is given nothing else."""
        prepared = self.data(run.fold)
        adapter = self.adapters.get(run.method)  # none for training on sources alone
        target = None
        if run.target is not None and adapter is not None:
            split = "test" if self.sweep.transductive else "train"
            target = grant_target(prepared[run.target], adapter.access, self.sweep.shots, run.seed, split)
        used = run.target is None or adapter is None or adapter.uses_sources
        correction = adapter.correction if adapter and run.target else None
        targets = [run.target] if run.target else run.tests  # a pretraining is scored for every dataset
        scored = {t: grant_scored(prepared[t]) for t in targets}
        validated = {validation_of(t): path for t, path in scored.items() if run.probe and run.probe.validates}
        return Job(
            name=run.name,
            digest=run.digest,
            method=run.method,
            adapter=plugin_of(run.method),
            options=adapter_options(self.sweep, run.method) | _of(run.method, run.settings),
            correction=correction.name if correction else None,
            correction_options=asdict(correction.options) if correction else {},
            backbone=self.sweep.backbone,
            backbone_options=self.backbone_options,
            channels=self.channels,
            size=self.size,
            pretrained=self.sweep.pretrained,
            network=self.sweep.network,
            classes=self.classes,
            train=self.train(run.settings),
            asked_precision=dict(run.settings).get("train.precision", self.sweep.train.precision),
            test=self.sweep.test,
            augment=self.augment,
            seed=run.seed,
            fold=run.fold,
            label_budget=run.label_budget,
            source_names=run.sources,
            sources=tuple(grant_source(prepared[s]) for s in run.sources) if used else (),
            target=target,
            tests={t: grant_test(prepared[t]) for t in run.tests} | validated,
            scored=scored,
            test_digests=self.test_digests(run),
            parent=run.parent,
            length=run.length,
            probe=run.probe,
        )


def validation_of(dataset: str) -> str:
    """Return the name under which a trial stores its logits on a dataset's validation split, if it does."""
    return f"validation of {dataset}"


def pretraining(
    plan: Plan,
    adapter: str | None,
    sources: tuple[str, ...],
    seed: int,
    settings: Settings = (),
    probe: TrialConfig | None = None,
) -> Run:
    """Return the pretraining that an adapter starts from: its own if it has one, else (and for None) the shared one."""
    shared = adapter is None or plan.adapters[adapter].shares_pretraining()
    return _run(plan, adapter if adapter and not shared else SUPERVISED, sources, None, seed, None, settings, probe)


def source_only(
    plan: Plan, sources: tuple[str, ...], seed: int, settings: Settings = (), probe: TrialConfig | None = None
) -> list[Run]:
    """Return the runs of `none`: the shared pretraining, and its continuation on the sources.

    The continuation has as many steps as the longest adaptation of the sweep from these sources, so that a gain over `none` is
    not due to longer training. Without such an adaptation, or without `none`, there is only the pretraining.
    """
    first = pretraining(plan, None, sources, seed, settings, probe)
    compared = any(not adapter.adapts() and adapter.shares_pretraining() for adapter in plan.adapters.values())
    longest = longest_adaptation(plan, sources, settings) if compared else 0
    if not longest:
        return [first]
    return [first, _run(plan, SOURCE_ONLY, sources, None, seed, first.digest, settings, probe, longest)]


def longest_adaptation(plan: Plan, sources: tuple[str, ...], settings: Settings = ()) -> int:
    """Return the steps of the longest adaptation of the sweep from `sources`; 0 if no adapter trains."""
    return max((adaptation_length(plan, name, sources, settings) for name in plan.adapters), default=0)


def adaptation_length(plan: Plan, adapter: str, sources: tuple[str, ...], settings: Settings = ()) -> int:
    """Return the optimiser steps that an adapter says it takes from `sources` (`Adapter.length`); 0 if it does not adapt.

    With access to all labels of a target, the number is that of the largest dataset, so that it is the same for every target.
    So is that of a method that does not use the sources.
    """
    method, train = plan.adapters[adapter], plan.train(settings)
    if not method.adapts():
        return 0
    budget = adapter_facts(method).budget(plan.sweep.shots)
    largest = max(p.count("train") for p in plan.prepared.values())
    labelled = budget * len(plan.classes) if budget != "all" else largest
    images = sum(plan.prepared[s].count("train") for s in sources) if method.uses_sources else largest
    return method.length(adaptation_steps(train, images), labelled, train.batch)


def adaptation(
    plan: Plan, adapter: str, parent: Run, target: str, settings: Settings = (), probe: TrialConfig | None = None
) -> Run:
    """Return the run that adapts the pretraining `parent` to a target."""
    return _run(plan, adapter, parent.sources, target, parent.seed, parent.digest, settings, probe)


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
    length: int | None = None,
) -> Run:
    sweep = plan.sweep
    tests = tests_of(NetworkKey(method, sources, target), sweep.datasets, sweep.transductive)
    settings = tuple((key, value) for key, value in settings if key.startswith(("train.", f"{method}.")))
    labels = "0"
    how: list[Any] = [SUPERVISED] if length is None else [SOURCE_ONLY, length]
    if method not in (SUPERVISED, SOURCE_ONLY):
        adapter = plan.adapters[method]
        how = [method, code_digest(adapter), asdict(adapter.options) | _of(method, settings)]
        if target is not None:
            labels = budget_text(adapter_facts(adapter).budget(sweep.shots))
            how += [adapter.access, labels, plan.prepared[target].digest]
            if adapter.correction:
                how += [code_digest(adapter.correction), asdict(adapter.correction.options)]
    key = {
        "code": core_digest(),
        "backbone": [sweep.backbone, code_digest(plan.backbone), own_options(plan.backbone)],
        **({"weights": [plan.weights, modules_digest("dabench.plugins.weights")]} if plan.weights else {}),
        "input": [plan.channels, plan.size, sweep.pretrained, list(plan.classes)],
        **({"network": sweep.network.recorded} if sweep.network.recorded else {}),
        "train": plan.train(settings).recorded,  # faster than asdict for tens of thousands of runs
        "test": sweep.test.recorded,
        "augment": plan.augment.recorded,
        "sources": [plan.prepared[s].digest for s in sources],
        "seed": seed,
        "method": how,
        "parent": parent,
        **({"probe": asdict(probe)} if probe else {}),
    }
    return Run(method, sources, target, seed, tests, labels, parent, digest(key), settings, probe, length, plan.fold)
