"""A sweep from its file to its store: plan, find what is finished, do the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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


@dataclass(frozen=True)
class Outcome:
    """What came of a sweep: how many runs stood already, were done now, and failed or were skipped."""

    store: Store
    there: int
    done: int
    failed: int
    interrupted: bool = False


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


def finished(plan: Plan, store: Store) -> set[str]:
    """Return the digests of the plan's runs that stand in the store, whole."""
    listed = store.listed()
    return {r.digest for r in plan.runs if store.find(r.digest, plan.test_digests(r), among=listed)}


def to_do(plan: Plan, there: set[str]) -> list[Run]:
    """Return the runs to do: what is missing, the longest chains first."""
    chains = {r.parent for r in plan.runs if r.parent}
    missing = [r for r in plan.runs if r.digest not in there]
    # A method's own pretraining is the longest single piece of work: begun last, it would end alone.
    return sorted(missing, key=lambda r: (r.digest not in chains, r.method == "supervised"))


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
        if redo or len(finished(plan, store)) < len(plan.runs):
            _try_network(plan)
            from dabench.engines.room import fitted  # imports torch

            how = fitted(plan, how, engine == "inline", say)
        _take(file, plan, store, redo)
        there = finished(plan, store)
        runs = to_do(plan, there)
        for run in runs:
            if problem := store.damage(run.digest):
                say(f"{run.name}: its folder is damaged ({problem}); it is done again")
        counts = {"done": 0, "failed": 0, "skipped": 0}
        with ExitStack() as stack:
            kept = [stack.enter_context(session(store.folder / "events"))] if runs else []
            lines = stack.enter_context(Lines([*kept, *write], file.sweep.name, len(there), len(runs), again))

            def count(event: Event) -> None:
                if event.what in counts:
                    counts[event.what] += 1
                if event.what in ("failed", "skipped"):
                    store.fail(event.run.name, event.reason)
                lines(event)
                listen(event)

            try:
                if runs:
                    with interruptible(store.ongoing.stop, say):
                        _engine(engine)(plan, runs, store, registry, count, how)
            except KeyboardInterrupt:
                lines.outcome = "stopped"
    interrupted = lines.outcome == "stopped"
    return Outcome(store, len(there), counts["done"], counts["failed"] + counts["skipped"], interrupted)


def _take(file: SweepFile, plan: Plan, store: Store, redo: bool) -> None:
    """Make `store` this sweep's: its record, its datasets, and nothing that it has no use for."""
    store.claim(_record(file, plan), file.sweep.recipe, file.text)
    store.ongoing.keep_only({r.digest for r in plan.runs})
    for name, dataset in plan.datasets.items():
        _keep_dataset(store, plan, name, dataset)
    if redo:
        for run in plan.runs:
            store.remove(run.digest)


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


def _record(file: SweepFile, plan: Plan) -> dict[str, Any]:
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
        "runs": [asdict(r) for r in plan.runs],
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
