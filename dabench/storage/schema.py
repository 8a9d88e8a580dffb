"""The JSON files of a sweep's output as types: sweep.json, run.json, and facts.json of a dataset.

Each type is the only definition of its file. Reading checks everything, since whoever sends a pack writes all of it. A field that
has its default value is left out of the file.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from dabench.hashing import digest
from dabench.plugins.options import KeyProblem, build

T = TypeVar("T")

_FILE = re.compile(r"[^/\0]*[^/\0.][^/\0]*")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Settings = tuple[tuple[str, Any], ...]
"""What a run sets otherwise than its sweep: ("train.lr", 0.01) of [train], ("dann.weight", 0.3) of its adapter's options."""

Task = tuple[tuple[str, ...], str]
"""(sources, target)."""

LabelBudget = int | Literal["all"]
"""How many target labels a method is given: of each class, or all; 0: none."""


def budget_text(budget: LabelBudget) -> str:
    """Return a label budget in the words of the tables: "0", "5 per class" or "all"."""
    return f"{budget} per class" if budget not in (0, "all") else str(budget)


class NetworkKey(NamedTuple):
    """Which networks: of an adapter, or the method of a run, trained on `sources` and, unless it is None, adapted to `target`."""

    adapter: str
    sources: tuple[str, ...]
    target: str | None


class CellKey(NamedTuple):
    """Which cell of the matrix: the networks of a `NetworkKey`, tested on `test`."""

    adapter: str
    sources: tuple[str, ...]
    target: str | None
    test: str

    def __str__(self) -> str:
        return f"{self.adapter}|{'+'.join(self.sources)}|{self.target or ''}|{self.test}"


@dataclass(frozen=True)
class TrialConfig:
    """What a trial of a search does beside what every run does.

    Attributes:
        validates: it keeps its predictions on the target's validation images, for a search that was asked to look at labels.
        rule: the score by which it may be ended early.
        bar: (checkpoint, score): at that checkpoint, counted from 0, it ends if its score is lower.
    """

    validates: bool = False
    rule: str = ""
    bar: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Run:
    """One piece of work: a pretraining (`target` None), or the adaptation of one to a target.

    Attributes:
        method: the adapter's name, or "supervised" for a shared pretraining.
        tests: the datasets whose test images it predicts.
        label_budget: its label budget in words.
        parent: digest of the pretraining that an adaptation starts from.
        digest: identifies the result.
        settings: what it sets otherwise than the sweep.
        probe: what it does beside as a trial of a search, if there is anything.
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

    @property
    def name(self) -> str:
        """A name for people, unique within a sweep, that can be a folder's."""
        parts = [self.method, "+".join(self.sources), *([self.target] if self.target else []), f"s{self.seed}"]
        parts += [digest(self.settings)[:6]] if self.settings else []
        return "_".join(parts).replace("/", "-")

    @property
    def network(self) -> NetworkKey:
        """What it trains, whatever the seed."""
        return NetworkKey(self.method, self.sources, self.target)

    @property
    def kind(self) -> tuple[str, bool]:
        """Runs of one sort take about as long: their method, and whether they adapt."""
        return self.method, self.target is not None

    @property
    def folder(self) -> str:
        """The name of the folder it is stored in."""
        return f"{self.name}-{self.digest[:10]}"


@dataclass(frozen=True)
class AdapterFacts:
    """What a report must know of an adapter.

    Attributes:
        adapts: it has a step of its own on the target; own_pretraining: it has a training of its own on the sources.
    """

    title: str
    citation: str
    access: str
    options: Mapping[str, Any]
    adapts: bool
    own_pretraining: bool

    @property
    def own_networks(self) -> bool:
        """Whether its networks are its own; those of an adapter that does nothing (`none`) are of the shared pretraining."""
        return self.adapts or self.own_pretraining

    def budget(self, shots: LabelBudget) -> LabelBudget:
        """Return how many target labels its networks were given, in a sweep with that many shots."""
        if not self.adapts or self.access in ("none", "unlabelled"):
            return 0
        return "all" if self.access == "full" else shots


def networks(datasets: Sequence[str], tasks: Sequence[Task], adapters: Mapping[str, AdapterFacts]) -> Iterator[NetworkKey]:
    """Yield the networks of each adapter of a sweep: of one that adapts for every task, of another for all that it is trained on.

    Every dataset is trained on, even where no task begins with it: that gives the diagonal of the matrix.
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
    """[search] of the sweep."""

    trials: int
    select: str
    method: str
    seed: int
    space: Mapping[str, Any]
    early_stopping: bool = False


@dataclass(frozen=True)
class SweepTable:
    """The keys of the sweep file, with all defaults."""

    name: str
    title: str
    datasets: tuple[str, ...]
    adapters: tuple[str, ...]
    backbone: str
    seeds: int | tuple[int, ...]
    shots: int | Literal["all"]
    pairs: tuple[str, ...]
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


@dataclass(frozen=True)
class InputFacts:
    """What the network sees: side and channels of the images, and the resolved augmentation."""

    channels: int
    size: int
    augment: Mapping[str, Any]


@dataclass(frozen=True)
class BackboneFacts:
    """What a report must know of the backbone."""

    name: str
    short_name: str
    citation: str


@dataclass(frozen=True)
class TrialRecord:
    """A trial of a task: its number, the run that is scored, and what came of it ("waiting", "done" or "failed")."""

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
    """The search of one task: its trials, the number of the chosen one, and seed -> digest of the run that is tested."""

    adapter: str
    sources: tuple[str, ...]
    target: str
    chosen: int | None
    runs: Mapping[int, str]
    trials: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class SweepRecord:
    """sweep.json: the sweep as resolved; enough to report without the plugins or the data.

    Attributes:
        recipe: the part of the sweep that numbers depend on.
        runs: those that make the table; trials: those of the search.
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

    def __post_init__(self) -> None:
        """Raise ValueError if it names what it does not have."""
        _must(_NAME.fullmatch(self.sweep.name) is not None, "sweep.name", "letters, digits, '.', '_' and '-'")
        _must(not self.search or self.sweep.search is not None, "sweep.search", "there, since something was searched")
        for key in ("datasets", "adapters"):
            _must_be_names(f"sweep.{key}", getattr(self.sweep, key))
        _must_be_names("classes", self.classes)
        named = [name for sources, target in self.tasks for name in (*sources, target)]
        named += [name for task in self.search for name in (*task.sources, task.target)]
        for run in (*self.runs, *self.trials):
            named += [*run.sources, *run.tests, *([run.target] if run.target else [])]
        for name in named:
            _must(name in self.sweep.datasets, f"dataset {name!r}", "in sweep.datasets")
        for name in (*self.sweep.adapters, *(task.adapter for task in self.search)):
            _must(name in self.adapters, f"adapter {name!r}", "in adapters")

    @property
    def title(self) -> str:
        """The heading of its tables."""
        return self.sweep.title or self.sweep.name

    @property
    def methods(self) -> dict[str, AdapterFacts]:
        """The adapters of the sweep, in its order."""
        return {name: self.adapters[name] for name in self.sweep.adapters}

    @property
    def plain(self) -> str | None:
        """The adapter whose networks were trained and not adapted, with which others are compared."""
        return next((name for name, facts in self.methods.items() if not facts.own_networks), None)

    @property
    def networks(self) -> list[NetworkKey]:
        """The networks that the matrices have a row for."""
        return list(networks(self.sweep.datasets, self.tasks, self.methods))

    @property
    def cells(self) -> list[CellKey]:
        """Every cell that the matrices may have: an adapted network is tested on its sources and its target."""
        return [CellKey(*of, test) for of in self.networks for test in _tests(of, self.sweep.datasets)]

    def cell(self, adapter: str, task: Task) -> CellKey:
        """Return the cell of an adapter's networks for a task, tested on its target."""
        sources, target = task
        return CellKey(adapter, sources, target if self.adapters[adapter].adapts else None, target)


@dataclass(frozen=True)
class Claim:
    """Whose an output folder is: the name and recipe of its sweep, and whether sweep.json is what was written."""

    name: str
    recipe: Mapping[str, Any]
    intact: bool


def _tests(of: NetworkKey, datasets: Sequence[str]) -> Sequence[str]:
    return datasets if of.target is None else (*of.sources, of.target)


@dataclass(frozen=True)
class Seconds:
    """How long a run took."""

    train: float
    test: float
    total: float
    score: float = 0.0


@dataclass(frozen=True)
class RunRecord:
    """run.json: a finished run.

    Attributes:
        tests: dataset -> digest of its prepared data; files: name -> SHA-256, of its folder.
        checkpoints: the steps of its checkpoints; scores: dataset -> rule -> score of each of them.
        losses: of each step.
        outputs: how many classes its predictions are of, where predicted classes alone are kept.
        stopped: whether it was ended early.
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
    scores: Mapping[str, Mapping[str, tuple[float, ...]]]
    losses: tuple[float, ...]
    seconds: Seconds
    environment: Mapping[str, Any]
    files: Mapping[str, str]
    outputs: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError if a file is none of its folder."""
        check_files(self.files)

    @property
    def network(self) -> NetworkKey:
        """What was trained, whatever the seed."""
        return NetworkKey(self.method, self.sources, self.target)


@dataclass(frozen=True)
class DatasetRecord:
    """facts.json: what a report must know of a dataset.

    Attributes:
        short_name: its short name; digest: of its prepared data; counts: split -> images.
        grouped: whether groups of its test images are known; files: name -> SHA-256, of its folder.
        dropped: what a cleaned variant leaves out (`Prepared.dropped`).
        sorted: its test images are in the order of what was predicted of them, so that no file can name one.
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

    def __post_init__(self) -> None:
        """Raise ValueError if a file is none of its folder."""
        check_files(self.files)


def record_from(cls: type[T], value: Any) -> T:
    """Return a record of what a JSON file holds; raise ValueError with the place of the first thing that is wrong in it."""
    table = {k: v for k, v in value.items() if k != "check"} if isinstance(value, Mapping) else value
    try:
        return build(cls, table)
    except KeyProblem as e:
        raise ValueError(str(e)) from None


def claim_from(value: Any) -> Claim:
    """Return whose a folder is by its sweep.json, which may have changed; raise ValueError if it does not say so."""
    _must(isinstance(value, Mapping) and isinstance(value.get("recipe"), Mapping), "recipe", "a table")
    sweep = value.get("sweep")
    _must(isinstance(sweep, Mapping) and isinstance(sweep.get("name"), str), "sweep.name", "a text")
    return Claim(sweep["name"], value["recipe"], intact(value))


def to_json(value: Any) -> Any:
    """Return a record, or a part of one, as plain values that JSON can hold."""
    if dataclasses.is_dataclass(value):
        found = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: to_json(v) for f, v in found if v != f.default and not (v == {} and f.default_factory is dict)}
    if isinstance(value, Mapping):
        return {str(key): to_json(v) for key, v in value.items()}
    return [to_json(v) for v in value] if isinstance(value, (list, tuple)) else value


def from_json(text: str) -> Any:
    """Return the value of a JSON text; raise ValueError where it is none, or holds a number that is none (NaN, Infinity)."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    return json.loads(text, parse_constant=refuse)


def sealed(record: Any) -> dict[str, Any]:
    """Return a record as plain values, with their own digest beside, as "check"."""
    table = to_json(record)
    return {**table, "check": digest(table)}


def intact(table: Mapping[str, Any]) -> bool:
    """Whether a table is what was written, by its own digest; one that was written without any is taken as it is."""
    return "check" not in table or table["check"] == digest({k: v for k, v in table.items() if k != "check"})


def _must(right: bool, where: str, what: str) -> None:
    if not right:
        raise ValueError(f"{where} must be {what}")


def _must_be_names(key: str, names: Sequence[str]) -> None:
    _must(0 < len(set(names)) == len(names), key, "names, each once")


def check_files(names: Iterable[str]) -> None:
    """Raise ValueError if one of these is no name of a file in the folder itself, but a path that leads elsewhere."""
    for name in names:
        _must(_FILE.fullmatch(name) is not None, f"file {name!r}", "a file in its folder")
