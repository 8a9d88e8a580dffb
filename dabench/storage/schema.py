"""Types of the JSON files in a store: sweep.json, run.json, and facts.json of a dataset.

Each type is the only definition of its file. Reading checks every field, because a pack may come from anybody. A field with its
default value is left out of the file.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from dabench.hashing import digest, shortened
from dabench.plugins.options import KeyProblem, build

T = TypeVar("T")

_FILE = re.compile(r"[^/\0]*[^/\0.][^/\0]*")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Settings = tuple[tuple[str, Any], ...]
"""Settings of a run that differ from its sweep: ("train.lr", 0.01) of [train], ("dann.weight", 0.3) of the adapter."""

Task = tuple[tuple[str, ...], str]
"""(sources, target)."""

LabelBudget = int | Literal["all"]
"""The number of target labels that a method is given: per class, or all; 0: none."""


Folds = int | Literal["leave-one-group-out"]
"""How a sweep divides each dataset: into a number of folds, or into one fold for each group."""


Protocol = Literal["inductive", "transductive"]
"""Which images of a target are adapted to: those of its training split, or the test images themselves."""

INDUCTIVE: Protocol = "inductive"
TRANSDUCTIVE: Protocol = "transductive"

ALL_TESTED = "all (tested)"
"""The target images that a method is adapted with in the transductive protocol."""


def budget_text(budget: LabelBudget) -> str:
    """Return a label budget as the tables print it: "0", "5 per class" or "all"."""
    return f"{budget} per class" if budget not in (0, "all") else str(budget)


class NetworkKey(NamedTuple):
    """The networks of one adapter (or method of a run), trained on `sources` and adapted to `target` unless that is None."""

    adapter: str
    sources: tuple[str, ...]
    target: str | None


class CellKey(NamedTuple):
    """One cell of the cross matrix: the networks of a `NetworkKey`, tested on `test`."""

    adapter: str
    sources: tuple[str, ...]
    target: str | None
    test: str

    def __str__(self) -> str:
        return f"{self.adapter}|{'+'.join(self.sources)}|{self.target or ''}|{self.test}"


@dataclass(frozen=True)
class TrialConfig:
    """The tasks of a trial of a search in addition to those of a run.

    Attributes:
        validates: it stores its predictions on the target's validation images, for a search by the oracle.
        rule: the score that may end it early.
        bar: pairs (checkpoint, score): at this checkpoint, counted from 0, it ends if its score is lower.
    """

    validates: bool = False
    rule: str = ""
    bar: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Run:
    """One training job: a pretraining (`target` None), its continuation on the sources, or the adaptation of one to a target.

    Attributes:
        method: the adapter's name, "supervised" for a shared pretraining, or "source-only" for the continuation of one.
        tests: the datasets whose test images it predicts.
        label_budget: its label budget as text.
        parent: digest of the pretraining that it starts from; None in a pretraining.
        digest: identifies the result.
        settings: the settings that differ from the sweep.
        probe: what it does in addition as a trial of a search, if anything.
        length: optimiser steps of a source-only run; None for other runs, whose method decides.
        fold: the fold of every dataset that it trains and tests on, from 1; 0 in a sweep without folds.
    """

    method: str
    sources: tuple[str, ...]
    target: str | None
    seed: int
    tests: tuple[str, ...]
    label_budget: str
    parent: str | None
    digest: str
    settings: Settings = ()
    probe: TrialConfig | None = None
    length: int | None = None
    fold: int = 0

    @property
    def name(self) -> str:
        """A readable name, unique within a sweep, that can name a folder."""
        parts = [self.method, "+".join(self.sources), *([self.target] if self.target else []), f"s{self.seed}"]
        parts += [f"f{self.fold}"] if self.fold else []
        parts += [digest(self.settings)[:6]] if self.settings else []
        return shortened("_".join(parts).replace("/", "-"))  # all other datasets as sources may be many

    @property
    def network(self) -> NetworkKey:
        """The network that it trains, without the seed."""
        return NetworkKey(self.method, self.sources, self.target)

    @property
    def kind(self) -> tuple[str, bool]:
        """Method and whether the run adapts. Runs of one kind take about the same time."""
        return self.method, self.target is not None

    @property
    def folder(self) -> str:
        """The name of its folder in the store."""
        return f"{self.name}-{self.digest[:10]}"


SETTINGS = ("source only", "unlabelled target", "source-free", "test-time", "few labels", "all labels")
"""What a method may use, in the order of the tables."""


@dataclass(frozen=True)
class AdapterFacts:
    """The facts of an adapter that reports need.

    Attributes:
        adapts: whether it implements adapt(); own_pretraining: whether it implements pretrain().
        without_groups: what it does on sources without groups.
        uses_sources: whether adapt() is given the sources.
    """

    title: str
    citation: str
    access: str
    options: Mapping[str, Any]
    adapts: bool
    own_pretraining: bool
    without_groups: str = ""
    uses_sources: bool = True

    @property
    def own_networks(self) -> bool:
        """Whether it trains networks itself. An adapter that changes nothing (`none`) uses those of the shared pretraining."""
        return self.adapts or self.own_pretraining

    @property
    def target_images(self) -> str:
        """The split of the target's images that its networks are adapted with: "none", "train" or "test"."""
        if not self.adapts or self.access == "none":
            return "none"
        return "test" if self.access == "test" else "train"

    def budget(self, shots: LabelBudget) -> LabelBudget:
        """Return the label budget of its networks in a sweep with this number of shots."""
        if not self.adapts or self.access in ("none", "unlabelled", "test"):
            return 0
        return "all" if self.access == "full" else shots

    def setting(self, shots: LabelBudget) -> str:
        """Return the setting of the adapter in a sweep with this number of shots, one of SETTINGS."""
        if not self.adapts or self.access == "none":
            return SETTINGS[0]
        if self.access == "test":
            return SETTINGS[3]
        budget = self.budget(shots)
        if budget != 0:
            return SETTINGS[5] if budget == "all" else SETTINGS[4]
        return SETTINGS[1] if self.uses_sources else SETTINGS[2]


def networks(datasets: Sequence[str], tasks: Sequence[Task], adapters: Mapping[str, AdapterFacts]) -> Iterator[NetworkKey]:
    """Yield the networks of each adapter: one per task if it adapts, else one per combination of sources.

    Every dataset is trained on, even if it is the source of no task, because this gives the diagonal of the cross matrix.
    """
    begun = dict.fromkeys(sources for sources, _ in tasks)
    alone = dict.fromkeys((name,) for name in datasets) | begun
    for name, facts in adapters.items():
        if facts.adapts:
            yield from (NetworkKey(name, sources, target) for sources, target in tasks)
        else:
            yield from (NetworkKey(name, s, None) for s in alone if s in begun or not facts.own_pretraining)


@dataclass(frozen=True)
class SearchTable:
    """The table [search] of the sweep."""

    trials: int
    select: str
    method: str
    seed: int
    space: Mapping[str, Any]
    early_stopping: bool = False


@dataclass(frozen=True)
class SweepTable:
    """The keys of the sweep file, with all defaults filled in."""

    name: str
    title: str
    datasets: tuple[str, ...]
    adapters: tuple[str, ...]
    backbone: str
    seeds: int | tuple[int, ...]
    shots: int | Literal["all"]
    pairs: tuple[str, ...] | Literal["leave-one-out", "all + leave-one-out"]
    classes: tuple[str, ...]
    plugins: tuple[str, ...]
    size: int | None
    channels: int | None
    pretrained: bool
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    augment: Mapping[str, Any]
    dataset: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Mapping[str, Any]]
    class_map: Mapping[str, Any]
    search: SearchTable | None = None
    folds: Folds | None = None
    network: Mapping[str, Any] | None = None
    protocol: Protocol = INDUCTIVE

    @property
    def transductive(self) -> bool:
        """Whether targets are tested on the unlabelled images that methods adapt to."""
        return self.protocol == TRANSDUCTIVE


@dataclass(frozen=True)
class InputFacts:
    """The input of the network: channels and side of the images, and the resolved augmentation."""

    channels: int
    size: int
    augment: Mapping[str, Any]


@dataclass(frozen=True)
class BackboneFacts:
    """The facts of the backbone that reports need.

    Attributes:
        weights: name and digest of the file that it starts from; "" without one.
    """

    name: str
    short_name: str
    citation: str
    weights: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """A trial of a task: its number, the run that is scored, and its state ("waiting", "done" or "failed")."""

    number: int
    run: str
    name: str
    settings: Mapping[str, Any]
    state: str
    score: float | None
    steps: int | None
    stopped: bool


@dataclass(frozen=True)
class SearchRecord:
    """The search of one task: its trials, the number of the chosen trial, and seed -> digest of the tested run.

    Attributes:
        tied: number of other trials with the best score; the trial with the lowest number is chosen.
    """

    adapter: str
    sources: tuple[str, ...]
    target: str
    chosen: int | None
    runs: Mapping[int, str]
    trials: tuple[TrialRecord, ...]
    tied: int = 0


@dataclass(frozen=True)
class SweepRecord:
    """sweep.json: the resolved sweep. It is sufficient for reports without the plugins or the data.

    Attributes:
        recipe: the part of the sweep that results depend on.
        runs: the runs of the tables; trials: the runs of the search.
        warnings: what is wrong with its tasks, one line each, such as a source and a target that hold the same images.
        unlabelled: its datasets without labels. They are targets; predictions on them are stored, and have no results.
        folds: number of folds of each dataset; 0 if every dataset has its own splits.
    """

    sweep: SweepTable
    recipe: Mapping[str, Any]
    digest: str
    overrides: tuple[str, ...]
    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    backbone: BackboneFacts
    adapters: Mapping[str, AdapterFacts]
    runs: tuple[Run, ...]
    input: InputFacts | None = None
    search: tuple[SearchRecord, ...] = ()
    trials: tuple[Run, ...] = ()
    warnings: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    folds: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError if it refers to a dataset or adapter that it does not contain."""
        _must(_NAME.fullmatch(self.sweep.name) is not None, "sweep.name", "letters, digits, '.', '_' and '-'")
        _must(not self.search or self.sweep.search is not None, "sweep.search", "present, because the record contains trials")
        for key in ("datasets", "adapters"):
            _must_be_names(f"sweep.{key}", getattr(self.sweep, key))
        _must_be_names("classes", self.classes)
        named = [*self.unlabelled, *(name for sources, target in self.tasks for name in (*sources, target))]
        named += [name for task in self.search for name in (*task.sources, task.target)]
        for run in (*self.runs, *self.trials):
            named += [*run.sources, *run.tests, *([run.target] if run.target else [])]
            _must(run.fold in self.fold_numbers, f"fold {run.fold} of {run.name}", f"among {list(self.fold_numbers)}")
        for name in named:
            _must(name in self.sweep.datasets, f"dataset {name!r}", "in sweep.datasets")
        for name in (*self.sweep.adapters, *(task.adapter for task in self.search)):
            _must(name in self.adapters, f"adapter {name!r}", "in adapters")

    @property
    def title(self) -> str:
        """The title of its tables."""
        return self.sweep.title or self.sweep.name

    @property
    def fold_numbers(self) -> range:
        """The folds of its runs: 1, 2, ...; only 0 without folds."""
        return range(1, self.folds + 1) if self.folds else range(1)

    @property
    def methods(self) -> dict[str, AdapterFacts]:
        """The adapters of the sweep, in its order."""
        return {name: self.adapters[name] for name in self.sweep.adapters}

    @property
    def plain(self) -> str | None:
        """The adapter without adaptation (`none`), with which others are compared."""
        return next((name for name, facts in self.methods.items() if not facts.own_networks), None)

    @property
    def networks(self) -> list[NetworkKey]:
        """The networks of the rows of the cross matrices."""
        alone = [d for d in self.sweep.datasets if d not in self.unlabelled and not self.sweep.transductive]
        return list(networks(alone, self.tasks, self.methods))

    @property
    def labelled_tasks(self) -> list[Task]:
        """The tasks that have results: those whose target has labels."""
        return [(sources, target) for sources, target in self.tasks if target not in self.unlabelled]

    @property
    def cells(self) -> list[CellKey]:
        """All cells of the cross matrices."""
        sweep = self.sweep
        return [CellKey(*of, test) for of in self.networks for test in tests_of(of, sweep.datasets, sweep.transductive)]

    def target_images(self, adapter: str) -> str:
        """Return the target's images that the networks of an adapter are adapted with: "none", "train", "test" or ALL_TESTED."""
        found = self.adapters[adapter].target_images if adapter in self.adapters else "none"
        return ALL_TESTED if found == "train" and self.sweep.transductive else found

    def cell(self, adapter: str, task: Task) -> CellKey:
        """Return the cell of an adapter for a task: its networks tested on the target."""
        sources, target = task
        return CellKey(adapter, sources, target if self.adapters[adapter].adapts else None, target)


@dataclass(frozen=True)
class Claim:
    """The owner of a store: name and recipe of its sweep, and whether sweep.json is unchanged."""

    name: str
    recipe: Mapping[str, Any]
    intact: bool


def tests_of(of: NetworkKey, datasets: Sequence[str], transductive: bool) -> tuple[str, ...]:
    """Return the datasets that a network is tested on: all, or the sources and the target that it was adapted to.

    In the transductive protocol, the test images of a source are those that the network learned with their labels, so sources are
    left out.
    """
    tested = tuple(datasets) if of.target is None else (*of.sources, of.target)
    return tuple(name for name in tested if not transductive or name not in of.sources)


@dataclass(frozen=True)
class Seconds:
    """The seconds that a run took."""

    train: float
    test: float
    total: float
    score: float = 0.0


@dataclass(frozen=True)
class RunRecord:
    """run.json: a complete run.

    Attributes:
        tests: dataset -> digest of its prepared data; files: name -> SHA-256 of the files in its folder.
        checkpoints: the steps of its checkpoints; scores: dataset -> rule -> score of each checkpoint, None: the rule has no
            value there. unscored: dataset -> rule -> the reason at each checkpoint, "" where it has a value.
        losses: the loss of each step, or the sum of its named losses. named_losses: name -> that loss of each step, None where a
            step did not have it; empty if there is one loss without a name.
        outputs: the number of classes, if only predicted classes are kept.
        stopped: whether it was stopped early.
        pictures: the headings of the images that its method showed, in the order of their files.
        fold: the fold that it trained and tested on, from 1; 0 in a sweep without folds.
    """

    name: str
    method: str
    sources: tuple[str, ...]
    target: str | None
    label_budget: str
    seed: int
    digest: str
    parent: str | None
    tests: Mapping[str, str]
    classes: tuple[str, ...]
    steps: int
    checkpoints: tuple[int, ...]
    scores: Mapping[str, Mapping[str, tuple[float | None, ...]]]
    losses: tuple[float, ...]
    seconds: Seconds
    environment: Mapping[str, Any]
    files: Mapping[str, str]
    outputs: int = 0
    stopped: bool = False
    unscored: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    named_losses: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()
    fold: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError if a file name leads out of its folder."""
        check_files(self.files)

    @property
    def network(self) -> NetworkKey:
        """The network that was trained, without the seed."""
        return NetworkKey(self.method, self.sources, self.target)


@dataclass(frozen=True)
class FoldRecord:
    """A fold of a dataset: the digest of its prepared data, and split -> number of images."""

    digest: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class DatasetRecord:
    """facts.json: the facts of a dataset that reports need.

    Attributes:
        short_name: its short name; digest: digest of its prepared data; counts: split -> number of images.
        grouped: whether the groups of its test images are known; files: name -> SHA-256 of the files in its folder.
        dropped: what a cleaned variant leaves out (`Prepared.dropped`).
        sorted: its test images are sorted by their predictions, so that no file can name an image.
        train_grouped: whether the groups of its training images are known; None in older records.
        folds: its folds in order; the arrays of its folder are those of their test splits, one after the other, and `counts` has
            only "test". Empty if the dataset has its own splits.
        notes: what users of the dataset must know (`Prepared.notes`).
    """

    name: str
    short_name: str
    title: str
    license: str
    homepage: str
    citation: str
    digest: str
    counts: Mapping[str, int]
    grouped: bool
    files: Mapping[str, str]
    dropped: Mapping[str, Any] = field(default_factory=dict)
    sorted: bool = False
    train_grouped: bool | None = None
    folds: tuple[FoldRecord, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError if a file name leads out of its folder, or the folds do not have the test images."""
        check_files(self.files)
        tested = sum(fold.counts.get("test", 0) for fold in self.folds)
        _must(not self.folds or tested == self.counts.get("test"), "counts", "those of all folds")

    def digest_in(self, fold: int) -> str:
        """Return the digest of the prepared data of a fold; that of the dataset for 0."""
        return self.folds[fold - 1].digest if fold else self.digest

    def tested_in(self, fold: int) -> slice:
        """Return the place of the test images of a fold among all test images; that of all for 0."""
        if not fold:
            return slice(0, self.counts["test"])
        start = sum(before.counts["test"] for before in self.folds[: fold - 1])
        return slice(start, start + self.folds[fold - 1].counts["test"])


def record_from(cls: type[T], value: Any) -> T:
    """Return the record in the value of a JSON file; raise ValueError, which names the first wrong field."""
    table = {k: v for k, v in value.items() if k != "check"} if isinstance(value, Mapping) else value
    try:
        return build(cls, table)
    except KeyProblem as e:
        raise ValueError(str(e)) from None


def claim_from(value: Any) -> Claim:
    """Return the owner of a store from its sweep.json, which may have changed; raise ValueError if it is not there."""
    _must(isinstance(value, Mapping) and isinstance(value.get("recipe"), Mapping), "recipe", "a table")
    sweep = value.get("sweep")
    _must(isinstance(sweep, Mapping) and isinstance(sweep.get("name"), str), "sweep.name", "a text")
    return Claim(sweep["name"], value["recipe"], intact(value))


def to_json(value: Any) -> Any:
    """Return a record, or a part of one, as plain JSON values."""
    if dataclasses.is_dataclass(value):
        found = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: to_json(v) for f, v in found if v != f.default and not (v == {} and f.default_factory is dict)}
    if isinstance(value, Mapping):
        return {str(key): to_json(v) for key, v in value.items()}
    return [to_json(v) for v in value] if isinstance(value, (list, tuple)) else value


def from_json(text: str) -> Any:
    """Return the value of a JSON text; raise ValueError if it is not valid or contains NaN or Infinity."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not a number")

    return json.loads(text, parse_constant=refuse)


def sealed(record: Any) -> dict[str, Any]:
    """Return a record as plain JSON values, with their digest as "check"."""
    table = to_json(record)
    return {**table, "check": digest(table)}


def intact(table: Mapping[str, Any]) -> bool:
    """Whether a table matches its digest "check". A table without a digest counts as unchanged."""
    return "check" not in table or table["check"] == digest({k: v for k, v in table.items() if k != "check"})


def _must(right: bool, where: str, what: str) -> None:
    if not right:
        raise ValueError(f"{where} must be {what}")


def _must_be_names(key: str, names: Sequence[str]) -> None:
    _must(0 < len(set(names)) == len(names), key, "names, each once")


def check_files(names: Iterable[str]) -> None:
    """Raise ValueError if one of the names is not a file name but a path to another folder."""
    for name in names:
        _must(_FILE.fullmatch(name) is not None, f"file {name!r}", "a file in its folder")
