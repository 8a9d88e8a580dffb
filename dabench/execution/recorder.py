"""Write sweep.json and dataset records; record failures and the choices of a search."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dabench.data.folds import pooled
from dabench.errors import StoreError
from dabench.execution.queue import Event
from dabench.experiment.plan import Plan
from dabench.experiment.schedule import RunSchedule
from dabench.experiment.sweep_file import SweepFile
from dabench.plugins.contract import Dataset
from dabench.plugins.options import build
from dabench.plugins.weights import weights_of
from dabench.storage.run_store import RunStore
from dabench.storage.schema import BackboneFacts, DatasetRecord, FoldRecord, InputFacts, Run, SweepRecord, SweepTable

_SECONDS = 10.0
"""The choices of a search are written to sweep.json at most this often, and at the end, because the file may be large."""


@dataclass(frozen=True)
class SweepOutcome:
    """Result of a sweep: numbers of runs that were already complete, were completed, and failed or were skipped.

    Attributes:
        runs: all known runs.
        failed: failed runs of the table, and tasks of a search with no successful trial.
        trials_failed: failed runs that only serve a search.
    """

    store: RunStore
    runs: Sequence[Run]
    already_complete: int
    completed: int
    failed: int
    interrupted: bool = False
    trials_failed: int = 0
    searched: bool = False


class SweepRecorder:
    """Write failures and the choices of a search into the store."""

    def __init__(self, file: SweepFile, plan: Plan, store: RunStore, schedule: RunSchedule) -> None:
        self.file, self.plan, self.store, self.schedule = file, plan, store, schedule
        self.counts = Counter[str]()
        self.expect: list[Callable[[Sequence[Run]], None]] = []
        """Callbacks for the pending runs, called whenever a search changes them."""
        self._begun: set[str] = set()
        self._at = time.monotonic()

    def claim_store(self) -> None:
        """Claim the store for this sweep: write its record and datasets, and remove saved states that it does not need."""
        self.store.claim(self.record(), self.file.text)
        self.store.sweep_lock.keep_only({r.digest for r in self.schedule.expected()})
        for name, dataset in self.plan.datasets.items():
            _keep_dataset(self.store, self.plan, name, dataset)

    def __call__(self, event: Event) -> None:
        """Count an event of a run, and record failures."""
        self.counts[f"trial {event.what}" if self._trial(event.run) else event.what] += 1
        self._begun.add(event.run.digest)
        if event.what in ("failed", "skipped"):
            self.store.fail(event.run.name, event.reason)

    def _trial(self, run: Run) -> bool:
        return self.plan.sweep.search.trials > 0 and run.seed == self.plan.sweep.search.seed

    def grow(self, run: Run, done: bool) -> Iterable[Run]:
        """Return the follow-up runs; from time to time, write the choices of the search."""
        more = list(self.schedule.grow(run, done))
        if more and time.monotonic() - self._at > _SECONDS:
            self.write_now()
        return more

    def write_now(self) -> None:
        """Write the choices of the search so far, and report the pending runs."""
        if self.plan.sweep.search.trials:
            self.store.write_record(self.record())
            pending = self.left()
            for report in self.expect:
                report(pending)
        self._at = time.monotonic()

    def left(self) -> list[Run]:
        """Return the pending runs."""
        over = self._begun | self.schedule.complete
        return [run for run in self.schedule.expected() if run.digest not in over]

    def record(self) -> SweepRecord:
        """Return the content of sweep.json."""
        return _record(self.file, self.plan, self.schedule)

    def outcome(self, interrupted: bool) -> SweepOutcome:
        """Return the result of the sweep."""
        lost = 0 if interrupted else len(self.schedule.failed_tasks())
        failed = self.counts["failed"] + self.counts["skipped"] + lost
        return SweepOutcome(
            self.store,
            self.schedule.expected(),
            len(self.schedule.complete),
            self.counts["done"] + self.counts["trial done"],
            failed,
            interrupted,
            self.counts["trial failed"] + self.counts["trial skipped"],
            self.plan.sweep.search.trials > 0,
        )


def left_out(store: RunStore, plan: Plan) -> str:
    """Return which adapters and datasets of the stored tables a sweep does not name, in one line; "" if none."""
    try:
        there = store.read_sweep()
    except StoreError:  # the folder is new, or its record is damaged and will be written again
        return ""
    gone = [n for n in there.adapters if n not in plan.adapters] + [n for n in there.sweep.datasets if n not in plan.datasets]
    if not gone:
        return ""
    return (
        f"{store.folder}: also has runs of {', '.join(gone)}, which this sweep does not name: its tables leave them out; the "
        "runs are kept, and a sweep that names them shows them again"
    )


def remove_runs(store: RunStore, runs: Iterable[Run]) -> None:
    """Delete these runs, and the trials of a search that sweep.json names."""
    try:
        runs = [*runs, *store.read_sweep().trials]
    except StoreError:
        runs = list(runs)
    for digest in {run.digest for run in runs}:
        store.remove(digest)


def _record(file: SweepFile, plan: Plan, schedule: RunSchedule) -> SweepRecord:
    sweep, backbone = file.sweep, plan.backbone
    return SweepRecord(
        sweep=build(SweepTable, sweep.as_dict()),
        recipe=sweep.recipe,
        digest=sweep.digest,
        overrides=file.overrides,
        tasks=sweep.tasks,
        seeds=sweep.seed_list,
        classes=plan.classes,
        input=InputFacts(plan.channels, plan.size, plan.augment.recorded),
        backbone=BackboneFacts(backbone.name, backbone.short_name, backbone.citation, _weights(plan)),
        adapters=plan.facts,
        runs=tuple(schedule.table_runs),
        search=tuple(schedule.searched()),
        trials=tuple(schedule.trials),
        warnings=plan.warnings,
        unlabelled=plan.unlabelled,
        folds=len(plan.folds),
    )


def _weights(plan: Plan) -> str:
    return f"{Path(weights_of(plan.backbone)).name}, SHA-256 {plan.weights[:12]}" if plan.weights else ""


def _keep_dataset(store: RunStore, plan: Plan, name: str, dataset: Dataset) -> None:
    parts = [data[name] for data in plan.divisions]
    samples = pooled([prepared.samples("test") for prepared in parts])
    folds = tuple(FoldRecord(p.digest, {split: p.count(split) for split in p.splits}) for p in parts) if plan.folds else ()
    facts = DatasetRecord(
        name=name,
        short_name=dataset.short_name,
        title=dataset.title,
        license=dataset.license,
        homepage=dataset.homepage,
        citation=dataset.citation,
        digest=plan.digest_of(name),
        counts={"test": len(samples.images)} if folds else {s: parts[0].count(s) for s in parts[0].splits},
        grouped=samples.groups is not None,
        train_grouped=parts[0].has_groups("train"),
        files={},
        dropped=plan.prepared[name].dropped,
        folds=folds,
        notes=plan.prepared[name].notes,
    )
    test = {"labels": samples.labels, "groups": samples.groups}
    store.add_dataset(facts, test | {f"attribute-{a}": v for a, v in samples.attributes.items()})
