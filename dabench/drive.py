"""A sweep from its file to its store: plan, find what is finished, do the rest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dabench.agenda import Agenda, agenda_of
from dabench.engines.how import How
from dabench.engines.interrupts import interruptible
from dabench.engines.queue import Event
from dabench.errors import SpecError, nearest
from dabench.plan import Plan, Run
from dabench.protocols import Dataset
from dabench.registry import Registry
from dabench.spec import SweepFile, read_sweep
from dabench.store import Store
from dabench.watching.lines import Lines, Write
from dabench.watching.session import session

Engine = Literal["ray", "inline"]

_SECONDS = 10.0
"""What a search chose is kept in sweep.json at most that often, and at the end: the file may be large."""


@dataclass(frozen=True)
class Outcome:
    """What came of a sweep: how many runs stood already, were done now, and failed or were skipped.

    Attributes:
        failed: runs that make the table, and tasks of a search of which every trial failed.
        trials_failed: runs that serve a search alone.
    """

    store: Store
    there: int
    done: int
    failed: int
    interrupted: bool = False
    trials_failed: int = 0


def shelf() -> dict[str, Path]:
    """Return the sweeps that dabench brings: name -> file."""
    from importlib import import_module

    folder = Path(next(iter(import_module("dabench.sweeps").__path__)))
    return {p.stem: p for p in sorted(folder.glob("*.toml"))}


def sweep_path(sweep: str | Path) -> Path:
    """Return the file of a sweep given by shelf name or path; raise SpecError if there is none."""
    path = Path(sweep).expanduser()
    if path.suffix == ".toml" or (path.exists() and path.is_file()):
        if not path.is_file():
            raise SpecError(f"there is no sweep file {path}")
        return path
    known = shelf()
    if str(sweep) not in known:
        raise SpecError(
            f"unknown sweep '{sweep}'{nearest(str(sweep), known)}; known: {', '.join(known)}, or give the path of a .toml file"
        )
    return known[str(sweep)]


def load(sweep: str | Path, overrides: Sequence[str], plugins: Sequence[str | Path], registry: Registry) -> SweepFile:
    """Read a sweep by shelf name or path, after the plugin files that it may need."""
    for plugin in plugins:
        registry.load_file(Path(plugin))
    return read_sweep(sweep_path(sweep), overrides, registry)


def carry_out(
    file: SweepFile,
    plan: Plan,
    store: Store,
    registry: Registry,
    engine: Engine,
    *,
    how: How = How(),
    redo: bool = False,
    listen: Callable[[Event], None] = lambda event: None,
    say: Callable[[str], None] = lambda line: None,
    write: Sequence[Write] = (),
    again: str = "",
) -> Outcome:
    """Do what is missing of a plan and keep it in `store`.

    Args:
        how: how the runs are done here; changes no number.
        redo: do every run again, finished or not.
        listen: is told of each run.
        say: is told what else happens, one line a call.
        write: each is given all events as lines of JSON.
        again: the command that goes on with the sweep, for who asks how far it is.

    Raises:
        StoreError: the store is another sweep's or cannot be written, or another process is at work in it.
        StoppedError: it ended before its runs did, since going on had no sense.
    """
    with store.alone(file.sweep.recipe):
        agenda = agenda_of(plan, store)
        runs = agenda.begin()
        if redo or runs:
            _try_network(plan)
            from dabench.engines.room import fitted  # imports torch

            how = fitted(plan, how, engine == "inline", say)
        if redo:
            store.forget([run.digest for run in agenda.expected()])
            agenda = agenda_of(plan, store)
            runs = agenda.begin()
        keep = _Keep(file, plan, store, agenda)
        _take(file, plan, store, keep.record(), agenda)
        for run in runs:
            if problem := store.damage(run.digest):
                say(f"{run.name}: its folder is damaged ({problem}); it is done again")
        with ExitStack() as stack:
            kept = [stack.enter_context(session(store.folder / "events"))] if runs else []
            left = len(agenda.expected()) - len(agenda.stood)
            lines = stack.enter_context(Lines([*kept, *write], file.sweep.name, len(agenda.stood), left, again))

            def tell(event: Event) -> None:
                keep(event)
                lines(event)
                listen(event)

            try:
                if runs:
                    with interruptible(store.ongoing.stop, say):
                        _engine(engine)(plan, runs, store, registry, tell, how, keep.grow)
            except KeyboardInterrupt:
                lines.outcome = "stopped"
        keep.now()
    return keep.outcome(lines.outcome == "stopped")


class _Keep:
    """Keeps in the store what is said of runs beside their own folders: what failed, and what a search chose."""

    def __init__(self, file: SweepFile, plan: Plan, store: Store, agenda: Agenda) -> None:
        self.file, self.plan, self.store, self.agenda = file, plan, store, agenda
        self.counts = Counter[str]()
        self._at = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Take an event of the engine."""
        self.counts[f"trial {event.what}" if self._trial(event.run) else event.what] += 1
        if event.what in ("failed", "skipped"):
            self.store.fail(event.run.name, event.reason)

    def _trial(self, run: Run) -> bool:
        return self.plan.sweep.search.trials > 0 and run.seed == self.plan.sweep.search.seed

    def grow(self, run: Run, done: bool) -> Iterable[Run]:
        """Return the runs that there are to do now; what a search chose is kept, now and then."""
        more = list(self.agenda.grow(run, done))
        if more and time.monotonic() - self._at > _SECONDS:
            self.now()
        return more

    def now(self) -> None:
        """Keep what a search chose so far."""
        if self.plan.sweep.search.trials:
            self.store.write_record(self.record())
        self._at = time.monotonic()

    def record(self) -> dict[str, Any]:
        """Return what sweep.json holds."""
        return _record(self.file, self.plan, self.agenda)

    def outcome(self, interrupted: bool) -> Outcome:
        """Return what came of the sweep."""
        lost = 0 if interrupted else len(self.agenda.lost())
        failed = self.counts["failed"] + self.counts["skipped"] + lost
        return Outcome(
            self.store,
            len(self.agenda.stood),
            self.counts["done"] + self.counts["trial done"],
            failed,
            interrupted,
            self.counts["trial failed"] + self.counts["trial skipped"],
        )


def _take(file: SweepFile, plan: Plan, store: Store, record: Mapping[str, Any], agenda: Agenda) -> None:
    """Make `store` this sweep's: its record, its datasets, and nothing that it has no use for."""
    store.claim(record, file.sweep.recipe, file.text)
    store.ongoing.keep_only({r.digest for r in agenda.expected()})
    for name, dataset in plan.datasets.items():
        _keep_dataset(store, plan, name, dataset)


def _try_network(plan: Plan) -> None:
    """Build the network once, so that a backbone that cannot take these images is told of now, not by every run."""
    from dabench.network import build_network

    build_network(plan.backbone, plan.channels, plan.input_size, len(plan.classes), plan.sweep.pretrained)


def _engine(name: Engine) -> Callable[..., None]:
    if name == "inline":
        from dabench.engines import inline

        return inline.run_all
    from dabench.engines import ray

    return ray.run_all


def _record(file: SweepFile, plan: Plan, agenda: Agenda) -> dict[str, Any]:
    """Return what sweep.json holds: enough to report without the plugins or the data."""
    adapters = {
        n: {"title": a.title, "citation": a.citation, "access": a.access, "options": asdict(a.options), "adapts": a.adapts(),
            "own_pretraining": not a.shares_pretraining()}
        for n, a in plan.adapters.items()
    }  # fmt: skip
    return {
        "sweep": file.sweep.as_dict(),
        "recipe": file.sweep.recipe,
        "digest": file.sweep.digest,
        "overrides": list(file.overrides),
        "tasks": [[list(sources), target] for sources, target in file.sweep.tasks],
        "seeds": list(file.sweep.seed_list),
        "classes": list(plan.classes),
        "input": {"channels": plan.channels, "size": plan.size, "augment": asdict(plan.augment)},
        "backbone": {"name": plan.backbone.name, "label": plan.backbone.label, "citation": plan.backbone.citation},
        "adapters": adapters,
        "runs": [r.as_dict() for r in agenda.finals],
        **agenda.record(),
    }


def _keep_dataset(store: Store, plan: Plan, name: str, dataset: Dataset) -> None:
    prepared = plan.prepared[name]
    samples = prepared.samples("test")
    facts = {
        "name": name,
        "label": dataset.label,
        "title": dataset.title,
        "licence": dataset.licence,
        "homepage": dataset.homepage,
        "citation": dataset.citation,
        "digest": prepared.digest,
        "counts": {split: prepared.count(split) for split in prepared.splits},
        "dropped": dict(prepared.dropped),
        "grouped": samples.groups is not None,
    }
    test = {"labels": samples.labels, "groups": samples.groups}
    store.add_dataset(name, facts, test | {f"attribute-{a}": v for a, v in samples.attributes.items()})
