"""Find the networks of a results folder and build them with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from dabench.analysis.predictions import Predictions
from dabench.data.augment import Augmenter
from dabench.errors import PluginError, SpecError, StoreError, nearest
from dabench.experiment.adapter_names import plugin_of, without_spaces
from dabench.experiment.config import Sweep
from dabench.experiment.overrides import WEIGHTS
from dabench.experiment.resolve import adapter_options
from dabench.inference.preprocessing import Preprocessing, preprocessing_of
from dabench.plugins.contract import SOURCE_ONLY, SUPERVISED, Adapter, Augment, Backbone
from dabench.plugins.options import build
from dabench.plugins.registry import Registry
from dabench.plugins.weights import weights_of
from dabench.storage.reader import NETWORK, StoredRun
from dabench.storage.remote_fs import is_remote, shown
from dabench.storage.run_store import RunStore
from dabench.storage.schema import CellKey, RunRecord, SweepRecord
from dabench.training.network import TorchNetwork, adapter_network, build_network, misfit
from dabench.training.settings import EvalConfig, NetworkConfig


@dataclass(frozen=True)
class NetworkChoice:
    """Which networks of a results folder are meant.

    Attributes:
        adapter: the adapter; to: the target, or a dataset that a network without adaptation is used on.
        source: the sources as text, "a" or "a + b"; None if there is one choice.
        seed, fold: of the run; None: all.
    """

    adapter: str
    to: str
    source: str | None = None
    seed: int | None = None
    fold: int | None = None


@dataclass(frozen=True)
class StoredNetwork:
    """A trained network of a results folder.

    Attributes:
        network: the torch module, in evaluation mode: (B, channels, crop, crop) from 0 to 1 -> logits (B, K).
        classes: the K classes.
        preprocessing: makes the input of images: `network(preprocessing("image.png"))`.
        run: the record of the run that trained it.
    """

    network: TorchNetwork
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    run: RunRecord


class StoredNetworks:
    """The networks of one adapter, its sources and its target, in the results folder `runs`.

    Attributes:
        key: sources and target, tested on `choice.to`. runs: their runs, by seed and fold.

    Raises:
        StoreError: `runs` is no local results folder, or a run is not complete.
        SpecError: the choice names something that is not in the sweep, or several networks.
    """

    def __init__(self, runs: str | Path, choice: NetworkChoice, registry: Registry, *, whole: bool = False) -> None:
        self.store, self.record = opened(runs)
        self.registry, self.choice = registry, choice
        self.key = chosen_key(self.record, choice)
        record = self.record if whole else _narrowed(self.record, self.key)
        self.predictions = Predictions(self.store, record, None)
        self.runs = self._runs()
        self.preprocessing = preprocessing_of(self.record, choice.to, self.predictions.facts[choice.to], registry)

    def _runs(self) -> list[StoredRun]:
        choice, found = self.choice, self.predictions.of(self.key)
        for what, value, known in (("seed", choice.seed, self.record.seeds), ("fold", choice.fold, self.record.fold_numbers)):
            if value is not None and value not in known:
                folds = (
                    "the sweep has no folds" if what == "fold" and not self.record.folds else f"the sweep has {_listed(known)}"
                )
                raise SpecError(f"--{what} {value}: {folds}")
        seeds = list(found) if choice.seed is None else [choice.seed]
        runs = [run for seed in seeds for run in found.get(seed, []) if choice.fold in (None, run.facts.fold)]
        if not runs:
            of = f" with seed {choice.seed}" if choice.seed is not None else ""
            complete = f"; seeds with complete runs: {_listed(found)}" if found else ""
            raise StoreError(
                f"{self.store.place}: has no complete run of {named(self.key)}{of}{complete}; see dabench status "
                f"{self.store.place}, or continue the sweep"
            )
        return runs

    @property
    def size(self) -> int:
        """The side of the network's input."""
        return self.preprocessing.crop

    @cached_property
    def augmenter(self) -> Augmenter:
        """Crops prepared images as in testing, on the CPU."""
        return crops_of(self.record)

    @cached_property
    def test(self) -> EvalConfig:
        """[test] of the sweep."""
        return build(EvalConfig, self.record.sweep.test)

    def open(self, run: StoredRun) -> StoredNetwork:
        """Return the network of a run.

        Raises:
            StoreError: its file is missing or damaged, or does not fit the plugins of this installation.
        """
        place = self.store.folder / run.where / NETWORK
        try:
            intact = self.store.digest(f"{run.where}/{NETWORK}") == run.facts.files.get(NETWORK)
        except OSError as e:
            raise StoreError(f"{place}: cannot be read ({e}); run the sweep again with --redo") from e
        if not intact:
            raise StoreError(f"{place}: has changed since dabench wrote it; run the sweep again with --redo")
        network = self._built(run, place)
        return StoredNetwork(network, self.record.classes, self.preprocessing, run.facts)

    def _built(self, run: StoredRun, place: Path) -> TorchNetwork:
        try:
            weights = load_file(place)
        except (SafetensorError, OSError) as e:
            raise StoreError(f"{place}: cannot be read ({e}); run the sweep again with --redo") from e
        try:
            net = self._fresh(run)
        except PluginError as e:
            files = f"; the sweep loaded {', '.join(self.record.sweep.plugins)}" if self.record.sweep.plugins else ""
            raise PluginError(f"{e}{files}") from e
        if "log_ratios" in weights:
            net.log_ratios = torch.zeros(len(self.record.classes))
        # A method may keep further modules beside those that predict, such as translators of images.
        parts = {name for name, _ in net.named_children()}
        weights = {name: value for name, value in weights.items() if "." not in name or name.partition(".")[0] in parts}
        if problem := misfit(net, weights):
            what = problem.partition(";")[0]
            version = run.facts.environment.get("dabench", "not known")
            raise StoreError(
                f"{place}: does not fit the backbone and the adapter of this installation: {what}. Their code has changed since "
                f"the run; use the version of dabench that computed it ({version}), or run the sweep again with --redo"
            )
        net.load_state_dict(weights)
        return net.eval().requires_grad_(False)

    def _fresh(self, run: StoredRun) -> TorchNetwork:
        """Return the network of a run as it is before any weights are loaded."""
        sweep, given = self.record.sweep, self.record.input
        assert given is not None
        settings = next((r.settings for r in self.record.runs if r.digest == run.facts.digest), ())
        backbone = backbone_of(self.record, self.registry)
        # torch's random numbers belong to the caller, and new weights are drawn only to be replaced.
        with torch.random.fork_rng([]):
            net = build_network(
                backbone, given.channels, self.size, len(self.record.classes), False, build(NetworkConfig, sweep.network or {})
            )
            return adapter_network(self._adapter(run.facts, dict(settings)), net)

    def _adapter(self, facts: RunRecord, settings: Mapping[str, Any]) -> Adapter:
        if facts.method in (SUPERVISED, SOURCE_ONLY):
            adapter = Adapter()
        else:
            own = {k.removeprefix(f"{facts.method}."): v for k, v in settings.items() if k.startswith(f"{facts.method}.")}
            options = adapter_options(Sweep(options=self.record.sweep.options), facts.method) | own
            adapter = self.registry.make("adapter", plugin_of(facts.method), options)
        adapter.source_count = len(facts.sources)
        return adapter


def crops_of(record: SweepRecord) -> Augmenter:
    """Return what crops the test images of a sweep, on the CPU. It cannot rotate, because the tables for that are large."""
    assert record.input is not None
    augment = replace(build(Augment, record.input.augment), rotate=0)
    return Augmenter(augment, record.input.size, record.input.size, torch.device("cpu"))


def opened(runs: str | Path) -> tuple[RunStore, SweepRecord]:
    """Return the store of a local results folder and its record.

    Raises:
        StoreError: it is none.
    """
    if is_remote(runs):
        address = shown(str(runs))
        raise StoreError(
            f"{address}: networks are used from a local folder; copy the results folder to this machine, and name that"
        )
    path = Path(runs).expanduser()
    if path.is_file():
        raise StoreError(f"{path}: is a pack, and packs hold no networks; use the results folder that dabench sweep wrote")
    store = RunStore(path)
    return store, store.read_sweep()


def backbone_of(record: SweepRecord, registry: Registry) -> Backbone:
    """Return the backbone of a sweep, without the file of weights that its trainings started from."""
    options = dict(record.sweep.options.get(record.sweep.backbone, {}))
    backbone: Backbone = registry.make("backbone", record.sweep.backbone, options)
    if options.get(WEIGHTS) and weights_option(backbone):
        del options[WEIGHTS]
        backbone = registry.make("backbone", record.sweep.backbone, options)
    return backbone


def weights_option(backbone: Backbone) -> bool:
    """Whether a backbone starts from a file by the option `weights` that all backbones have."""
    try:
        return bool(weights_of(backbone))
    except PluginError:  # the file is part of a package that is not installed, and is not needed
        return True


def chosen_key(record: SweepRecord, choice: NetworkChoice) -> CellKey:
    """Return the cell of the networks that a choice means.

    Raises:
        SpecError: the adapter, a dataset or the sources are not in the sweep, or several networks are meant.
    """
    adapter = without_spaces(choice.adapter)
    for option, name, known in (("--adapter", adapter, record.sweep.adapters), ("--to", choice.to, record.sweep.datasets)):
        if name not in known:
            raise SpecError(f"{option} {name}: is not in this sweep{nearest(name, known)}; it has {', '.join(known)}")
    facts = record.adapters[adapter]
    if facts.adapts and facts.access == "test":
        others = [name for name, f in record.methods.items() if not (f.adapts and f.access == "test")]
        instead = f"; use the network of another adapter ({', '.join(others)})" if others else ""
        raise SpecError(
            f"--adapter {adapter}: is a test-time method. It changes its network with each batch of test images, so the store "
            f"holds no network with its results, and its prediction of an image depends on the images before it{instead}"
        )
    target = choice.to if facts.adapts else None
    every = dict.fromkeys(n.sources for n in record.networks if n.adapter == adapter and n.target == target)
    asked = tuple(part.strip() for part in choice.source.split("+")) if choice.source else None
    # Without adaptation, a network from any source can be used; without --from, those of the tasks to this target are meant.
    likely = [s for s, t in record.tasks if t == choice.to and s in every] or list(every)
    found = [s for s in every if asked is None or s == asked]
    found = [s for s in found if s in likely] if asked is None else found
    if len(found) == 1:
        return CellKey(adapter, found[0], target, choice.to)
    if not every:
        raise SpecError(f"--adapter {adapter} --to {choice.to}: is no task of this sweep; its tasks: {_tasks(record)}")
    listed = ", ".join("'" + " + ".join(sources) + "'" for sources in every)
    given = f"--from '{choice.source}': is not a source here" if asked else "several networks are meant; choose one with --from"
    raise SpecError(f"--adapter {adapter} --to {choice.to}: {given}; sources: {listed}")


def _tasks(record: SweepRecord) -> str:
    return ", ".join(f"{' + '.join(sources)} -> {target}" for sources, target in record.tasks)


def _narrowed(record: SweepRecord, key: CellKey) -> SweepRecord:
    """Return the record with the runs of one cell and those they started from, so that no others are read."""
    methods = (key.adapter, SUPERVISED, SOURCE_ONLY)
    return replace(record, runs=tuple(r for r in record.runs if r.method in methods and r.sources == key.sources))


def named(key: CellKey) -> str:
    """Return the networks of a cell in words: "dann, a -> b" or "none, a"."""
    arrow = f" -> {key.target}" if key.target else ""
    return f"{key.adapter}, {' + '.join(key.sources)}{arrow}"


def _listed(values: Any) -> str:
    return ", ".join(map(str, values))
