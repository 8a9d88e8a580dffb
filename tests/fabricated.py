"""Stores made without training: the predictions are planned, so that every number of a matrix can be checked by hand.

Of N test images the first `wrong` are predicted wrong: accuracy is 1 - wrong / N. The wrong class is the next one. Each run
has two checkpoints, after steps 10 and 20; at the first, every image is wrong. Losses fall from 1 to 0.05.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.experiment.config import Sweep
from dabench.hashing import digest
from dabench.plugins.contract import SUPERVISED
from dabench.plugins.options import build
from dabench.storage.run_store import RunStore
from dabench.storage.schema import (
    AdapterFacts,
    BackboneFacts,
    DatasetRecord,
    Run,
    RunRecord,
    Seconds,
    SweepRecord,
    SweepTable,
    budget_text,
    networks,
)
from dabench.training.selection import VALIDATORS

CLASSES = ("x", "y", "z")
LABELS = (0, 0, 0, 0, 1, 1, 1, 2, 2, 2)

SCORES = {rule: [0.1, 0.2] for rule in VALIDATORS} | {"entropy": [0.2, 0.1], "dev": [0.0, 0.0]}
"""Of the two checkpoints: most rules choose the last, entropy the first, and dev cannot tell them apart."""

ENVIRONMENT = {
    "dabench": "0.1.0",
    "python": "3.11.7",
    "torch": "2.15.0",
    "numpy": "2.4.6",
    "device": "cpu (x86_64)",
    "precision": "fp32",
}

Wrong = Callable[[Run, str], int]
"""A run and a test set -> how many of its images the run predicts wrong."""


@dataclass(frozen=True)
class DatasetContent:
    """A dataset of a fabricated store."""

    label: str
    labels: Sequence[int] = LABELS
    groups: Sequence[int] | None = None
    citation: str = ""
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def method(
    title: str = "", access: str = "none", *, adapts: bool = True, own_pretraining: bool = False, citation: str = ""
) -> AdapterFacts:
    """Return an adapter of a fabricated store."""
    return AdapterFacts(title, citation, access, {}, adapts, own_pretraining)


NONE = method("no adaptation", adapts=False)
ADABN = method("target batch-norm statistics", "unlabelled", citation="@misc{li, title={AdaBN}}")
FINE_TUNE = method("fine-tuning on shots", "few-shot")


@dataclass
class Fabrication:
    """What a fabricated sweep is, and how wrong each of its runs is."""

    wrong: Wrong
    datasets: Mapping[str, DatasetContent] = field(
        default_factory=lambda: {"print": DatasetContent("P"), "hand": DatasetContent("H")}
    )
    adapters: Mapping[str, AdapterFacts] = field(default_factory=lambda: {"none": NONE, "adabn": ADABN, "fine-tune": FINE_TUNE})
    name: str = "made"
    title: str = "Made up, to be checked by hand"
    classes: tuple[str, ...] = CLASSES
    keep: tuple[str, ...] = ()
    class_map: Mapping[str, Any] = field(default_factory=dict)
    backbone_label: str = "NET"
    seeds: int = 2
    pairs: tuple[str, ...] = ()
    leave_out: Callable[[Run], bool] = lambda run: False
    order: Callable[[list[Run]], Iterable[Run]] = lambda runs: runs
    checkpoints: tuple[int, ...] = (10, 20)
    steps: Callable[[Run], int] = lambda run: 20
    overrides: tuple[str, ...] = ()
    environment: Callable[[Run], Mapping[str, str]] = lambda run: {}
    pictures: Callable[[Run], Mapping[str, NDArray[np.uint8]]] = lambda run: {}

    def sweep(self) -> Sweep:
        """Return the sweep as a file would give it."""
        return Sweep(
            self.name,
            self.title,
            tuple(self.datasets),
            tuple(self.adapters),
            "conv4",
            self.seeds,
            pairs=self.pairs,
            classes=self.keep,
            class_map=self.class_map,
        )

    def runs(self) -> list[Run]:
        """Return the runs of its plan."""
        sweep, found = self.sweep(), []
        rows = dict.fromkeys([(d,) for d in sweep.datasets] + [s for s, _ in sweep.tasks])
        for seed in sweep.seed_list:
            begun = [(SUPERVISED, s) for s in rows]
            begun += [(n, s) for n, a in self.adapters.items() if a.own_pretraining for s in dict(sweep.tasks)]
            found += [self._run(m, s, None, seed, sweep.datasets, None) for m, s in begun]
            for name, sources, target in networks(sweep.datasets, sweep.tasks, self.adapters):
                if target:
                    first = name if self.adapters[name].own_pretraining else SUPERVISED
                    parent = self._run(first, sources, None, seed, (), None).digest
                    found.append(self._run(name, sources, target, seed, (*sources, target), parent))
        return found

    def _run(
        self, method: str, sources: tuple[str, ...], target: str | None, seed: int, tests: tuple[str, ...], parent: str | None
    ) -> Run:
        labels = budget_text(self.adapters[method].budget(5)) if target else "0"
        return Run(method, sources, target, seed, tests, labels, parent, digest([method, sources, target, seed]))

    def write(self, folder: Path) -> RunStore:
        """Write the store as a sweep would and return it."""
        sweep, store = self.sweep(), RunStore(folder)
        record = SweepRecord(
            sweep=build(SweepTable, sweep.as_dict()),
            recipe=sweep.recipe,
            digest=sweep.digest,
            overrides=self.overrides,
            tasks=sweep.tasks,
            seeds=sweep.seed_list,
            classes=self.classes,
            backbone=BackboneFacts("conv4", self.backbone_label, "@misc{net, title={Net}}"),
            adapters=self.adapters,
            runs=tuple(self.runs()),
        )
        store.claim(record, "# made\n")
        for name, made in self.datasets.items():
            store.add_dataset(self._facts(name, made), self._test(made))
        for run in self.order(self.runs()):
            if not self.leave_out(run):
                self.add(store, run)
        return store

    def add(self, store: RunStore, run: Run) -> None:
        """Store one run."""
        logits = {t: self._logits(run, t) for t in run.tests}
        store.add(self.facts(run), logits, lambda path: path.write_bytes(b"no network"), self.pictures(run))

    def facts(self, run: Run) -> RunRecord:
        """Return what run.json says of a run."""
        scored = (run.target,) if run.target else run.tests
        return run_record(
            name=run.name,
            method=run.method,
            sources=run.sources,
            target=run.target,
            label_budget=run.label_budget,
            seed=run.seed,
            digest=run.digest,
            parent=run.parent,
            tests={t: digest(t) for t in run.tests},
            classes=self.classes,
            steps=self.steps(run),
            checkpoints=self.checkpoints,
            scores={t: {rule: tuple(of[-len(self.checkpoints) :]) for rule, of in SCORES.items()} for t in scored},
            environment=ENVIRONMENT | dict(self.environment(run)),
            losses=tuple(1 - step / 20 for step in range(20)),
        )

    def _logits(self, run: Run, test: str) -> NDArray[np.float32]:
        labels = np.asarray(self.datasets[test].labels)
        predicted = labels.copy()
        wrong = self.wrong(run, test)
        predicted[:wrong] = (labels[:wrong] + 1) % len(self.classes)
        begun = (labels + 1) % len(self.classes)
        return np.stack([np.eye(len(self.classes), dtype=np.float32)[p] for p in (begun, predicted)[-len(self.checkpoints) :]])

    @staticmethod
    def _facts(name: str, made: DatasetContent) -> DatasetRecord:
        return DatasetRecord(
            name=name,
            short_name=made.label,
            title=name,
            license="none needed",
            homepage="",
            citation=made.citation,
            digest=digest(name),
            counts={"train": 20, "val": 2, "test": len(made.labels)},
            grouped=made.groups is not None,
            files={},
            train_grouped=made.groups is not None,
        )

    @staticmethod
    def _test(made: DatasetContent) -> dict[str, NDArray[Any] | None]:
        groups = None if made.groups is None else np.asarray(made.groups, np.int64)
        test = {"labels": np.asarray(made.labels, np.int64), "groups": groups}
        return test | {f"attribute-{name}": np.asarray(values) for name, values in made.attributes.items()}


WRONG = {
    # method, trained on, adapted to, tested on: wrong of 10 images with seed 0, with seed 1
    (SUPERVISED, "print", None, "print"): (1, 1),
    (SUPERVISED, "print", None, "hand"): (6, 4),
    (SUPERVISED, "hand", None, "print"): (3, 5),
    (SUPERVISED, "hand", None, "hand"): (0, 2),
    ("adabn", "print", "hand", "print"): (2, 2),
    ("adabn", "print", "hand", "hand"): (4, 2),
    ("adabn", "hand", "print", "hand"): (1, 1),
    ("adabn", "hand", "print", "print"): (3, 5),
    ("fine-tune", "print", "hand", "print"): (5, 5),
    ("fine-tune", "print", "hand", "hand"): (1, 1),
    ("fine-tune", "hand", "print", "hand"): (0, 2),
    ("fine-tune", "hand", "print", "print"): (5, 5),
}


def from_table(table: Mapping[tuple[str, str, str | None, str], tuple[int, ...]]) -> Wrong:
    """Return `wrong` as a table says it."""
    return lambda run, test: table[run.method, "+".join(run.sources), run.target, test][run.seed]


def two_sets(**changes: Any) -> Fabrication:
    """Return two datasets, both directions, three adapters, two seeds, as wrong as WRONG says."""
    return Fabrication(**{"wrong": from_table(WRONG), **changes})


def sweep_record(recipe: Mapping[str, Any]) -> SweepRecord:
    """Return the record of a sweep of that recipe, whatever else it is."""
    made = Sweep(recipe["name"], datasets=("pale", "fonts/a"), adapters=("none",), backbone="conv4", seeds=1)
    table, backbone = build(SweepTable, made.as_dict()), BackboneFacts("conv4", "CONV4", "")
    return SweepRecord(table, recipe, "01", (), made.tasks, (0,), CLASSES, backbone, {"none": NONE}, ())


def run_record(**facts: Any) -> RunRecord:
    """Return run.json of a run, with these facts and others that are as good as any."""
    usual = {
        "name": "none_bright_s0",
        "method": SUPERVISED,
        "sources": ("bright",),
        "target": None,
        "label_budget": "0",
        "seed": 0,
        "digest": "01",
        "parent": None,
        "tests": {},
        "classes": CLASSES,
        "steps": 20,
        "checkpoints": (),
        "scores": {},
        "losses": (),
        "seconds": Seconds(1.0, 0.5, 1.5),
        "environment": ENVIRONMENT,
        "files": {},
    }
    return RunRecord(**{**usual, **facts})


def edit(record: Path, change: Callable[[str], str]) -> None:
    """Change the text of a record (run.json, facts.json, sweep.json), as if it had been written so."""
    facts = json.loads(change(record.read_text(encoding="utf-8")))
    facts["check"] = digest({key: value for key, value in facts.items() if key != "check"})
    record.write_text(json.dumps(facts), encoding="utf-8")
