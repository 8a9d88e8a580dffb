"""What the commands do, as functions with the same words, for scripts and notebooks."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench.drive import Engine, Outcome, carry_out, finished, load, shelf, to_do
from dabench.errors import DataError, SpecError
from dabench.places import cache_folder, data_folder
from dabench.plan import Plan, Run, make_plan
from dabench.protocols import KINDS, Dataset, Kind, Plugin
from dabench.registry import REGISTRY
from dabench.spec import PATHS, Sweep, SweepFile, make_alone, make_dataset
from dabench.store import Store
from dabench.typed import KeyProblem

if TYPE_CHECKING:
    from rich.console import Console

    from dabench.auditing import Audit
    from dabench.contracts.rules import Finding
    from dabench.data.cache import Prepared
    from dabench.dropping import Cleaned
    from dabench.matrix import Matrix
    from dabench.reporting.tables import Table

Overrides = Mapping[str, Any] | Sequence[str]


def register(plugin: type[Plugin] | Plugin) -> type[Plugin] | Plugin:
    """Add a dataset, backbone or adapter class (or instance) to this process and to its sweeps; serves as a decorator.

    Raises:
        PluginError: its facts are incomplete or wrong, or its name is taken.
    """
    return REGISTRY.register(plugin)


@dataclass(frozen=True)
class Planned:
    """What a sweep would do: the plan, what stands already, what is left, and how long that may take.

    Attributes:
        seconds: expected seconds of each run that is left, by digest.
        at_once: runs side by side.
    """

    plan: Plan
    there: set[str]
    left: list[Run]
    seconds: Mapping[str, float]
    at_once: int

    @property
    def wall_seconds(self) -> float:
        """Expected wall time of what is left, Ray's start not counted."""
        return sum(self.seconds.values()) / self.at_once


def plan_sweep(
    sweep: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    set: Overrides = (),
    plugins: Sequence[str | Path] = (),
    data: str | Path | None = None,
    engine: Engine = "ray",
) -> Planned:
    """Return what `sweep(...)` with the same arguments would do. Prepares the data and trains nothing that is kept."""
    from dabench.estimate import seconds_each

    file = _read(sweep, set, plugins)
    store = Store(_out(out, file.sweep.name))
    store.check(file.sweep.recipe)
    plan = _plan(file, data, _note)
    there = finished(plan, store)
    left = to_do(plan, there)
    return Planned(plan, there, left, seconds_each(plan, left, store, REGISTRY), at_once(file.sweep, engine))


def sweep(
    sweep: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    set: Overrides = (),
    plugins: Sequence[str | Path] = (),
    data: str | Path | None = None,
    engine: Engine = "ray",
    redo: bool = False,
    quiet: bool = False,
) -> Matrix:
    """Run what is missing of a sweep, write its report, and return its matrix.

    Args:
        sweep: a shelf name such as "quick", the path of a sweep file, or a table of its keys.
        out: output folder; default runs/NAME.
        set: overrides of keys, {"train.epochs": 2} or ["train.epochs=2"].
        plugins: Python files with plugins.
        data: folder of raw datasets; default DABENCH_DATA.
        engine: "ray" runs side by side on Ray Tune, "inline" in this process; the results are the same.
        redo: run everything again.
        quiet: print nothing.

    Raises:
        DabenchError: the request is wrong. Runs that fail raise nothing: they are in Matrix.failed.
        KeyboardInterrupt: it was stopped; finished runs are kept and the same call goes on with the rest.
    """
    return run_sweep(sweep, out=out, set=set, plugins=plugins, data=data, engine=engine, redo=redo, quiet=quiet)[1]


def run_sweep(
    sweep: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None,
    set: Overrides,
    plugins: Sequence[str | Path],
    data: str | Path | None,
    engine: Engine,
    redo: bool,
    quiet: bool,
) -> tuple[Outcome, Matrix]:
    """Do what `sweep` does and return what came of the runs, too."""
    from dabench.matrix import read_matrix
    from dabench.reporting.terminal import Watch
    from dabench.reporting.write import write_report

    say: Callable[[str], None] = (lambda line: None) if quiet else _note
    file = _read(sweep, set, plugins)
    store = Store(_out(out, file.sweep.name))
    store.check(file.sweep.recipe)
    plan = _plan(file, data, say)
    runs = list(plan.runs) if redo else to_do(plan, finished(plan, store))
    if runs:
        say(f"{file.sweep.name}: {len(plan.runs)} runs, {len(plan.runs) - len(runs)} stand, {len(runs)} to do -> {store.folder}")
    with Watch(_console(quiet), runs, at_once(file.sweep, engine)) as watch:
        outcome = carry_out(file, plan, store, REGISTRY, engine, redo=redo, listen=watch)
    if outcome.interrupted:
        raise KeyboardInterrupt
    matrix = read_matrix(store)
    write_report(matrix, store)
    return outcome, matrix


def _plan(file: SweepFile, data: str | Path | None, say: Callable[[str], None]) -> Plan:
    try:
        return make_plan(file.sweep, REGISTRY, data_folder(data), say)
    except KeyProblem as e:
        raise file.located(e) from e


def at_once(sweep: Sweep, engine: Engine) -> int:
    """Return how many runs go side by side on this machine."""
    from dabench.places import cores

    return 1 if engine == "inline" else max(1, cores() // sweep.train.threads)


def report(runs: str | Path, *, metric: str = "accuracy", select: str = "last", write: bool = True) -> Matrix:
    """Return the matrix of a sweep's output folder, and write its report; trains nothing.

    Args:
        runs: the folder that `sweep` wrote.
        metric: "accuracy", "balanced-accuracy", "macro-f1", or "recall:CLASS".
        select: the rule that chooses a checkpoint of each run.
        write: write the files of runs/report/, too.

    Raises:
        StoreError: it is no sweep's folder, or is damaged.
        SpecError: an unknown metric or rule.
    """
    from dabench.matrix import read_matrix

    store = Store(Path(runs))
    matrix = read_matrix(store, metric, select)
    if write:
        from dabench.reporting.write import write_report

        write_report(matrix, store)
    return matrix


def compare(runs: str | Path, baseline: str | Path) -> Table:
    """Return the numbers of a sweep's output folder beside those of a committed table, cell by cell.

    Raises:
        StoreError, SpecError: one of the two is not there or cannot be read.
    """
    from dabench.committed import comparison, read_baseline
    from dabench.matrix import read_matrix

    committed = read_baseline(baseline)
    return comparison(read_matrix(Store(Path(runs)), committed["metric"]), committed)


def prepare(
    dataset: str,
    *,
    raw: str | Path | None = None,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
    strict: bool = False,
    rebuild: bool = False,
) -> Prepared:
    """Decode a dataset into the prepared cache once, check its counts, and return it; files it lists are downloaded first.

    Args:
        raw: the folder with its files; default DATA/NAME.
        set: its options, {"face": True} or ["face=true"], as [dataset.NAME] of a sweep file has them.
        strict: set its option `strict`: what would be skipped is an error.

    Raises:
        DataError: files are missing or wrong; the message says which and how to get them.
        SpecError: there is no such option.
    """
    load_plugins(plugins)
    made = make_alone(dataset, _pairs(set), REGISTRY)
    if strict:
        _be_strict([made])
    return _prepared(made, Path(raw).expanduser().resolve() if raw else made.raw_in(data_folder(data)), rebuild)


def prepare_sweep(
    sweep: str | Path | Mapping[str, Any],
    *,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
    strict: bool = False,
    rebuild: bool = False,
) -> list[Prepared]:
    """Do what `prepare` does for each dataset of a sweep, with the options and drop lists that the sweep gives them."""
    file = _read(sweep, set, plugins)
    made = [make_dataset(file.sweep, name, REGISTRY) for name in file.sweep.datasets]
    if strict:
        _be_strict(made)
    return [_prepared(d, d.raw_in(data_folder(data)), rebuild) for d in made]


def _be_strict(datasets: Sequence[Dataset]) -> None:
    """Set the option `strict` of those that have it."""
    able = [d for d in datasets if hasattr(d.options, "strict")]
    if not able:
        names = ", ".join(d.name for d in datasets)
        raise SpecError(f"--strict: no dataset that has the option 'strict' is named ({names}); leave it out")
    for dataset in able:
        dataset.options = replace(dataset.options, strict=True)


def _prepared(dataset: Dataset, raw: Path, rebuild: bool) -> Prepared:
    from dabench.data.prepared import prepare as prepare_dataset

    if dataset.files:
        from dabench.fetch import fetch
        from dabench.reporting.download import Download

        with Download(_console(False)) as bar:
            fetch(dataset.files, raw, say=_note, progress=bar)
    return prepare_dataset(dataset, raw, cache_folder(), rebuild=rebuild, say=_note)


def audit(
    *names: str | Path,
    data: str | Path | None = None,
    raw: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
    radius: int | None = None,
) -> Audit:
    """Look for copies, near copies, conflicting labels, shared subjects and constant pictures; prepares what is not prepared.

    A dataset that cannot be prepared because of pictures that cannot be read is not looked at, but all of these are listed.

    Args:
        names: datasets, or sweeps (shelf name or path of a .toml file), which stand for their datasets.
        data: the folder of all raw datasets; default DABENCH_DATA.
        raw: the raw folder of the one dataset named.
        set: overrides of the keys of the sweep, or of the options of the dataset.
        radius: bits of 64 in which the hashes of near-identical pictures may differ; default 5; -1: do not look for them.

    Raises:
        DataError, SpecError, PluginError: a name is neither, or a dataset cannot be prepared.
    """
    from dabench.auditing import RADIUS
    from dabench.auditing import audit as look
    from dabench.data.prepared import prepare as prepare_dataset
    from dabench.data.unreadable import unreadable

    load_plugins(plugins)
    datasets = {d.name: d for name in names for d in _datasets_of(name, set)}
    if raw and len(datasets) != 1:
        raise SpecError(f"raw = {raw}: is the folder of one dataset, but {len(datasets)} are named; give data instead")
    radius = RADIUS if radius is None else radius
    if not -1 <= radius <= 15:
        raise SpecError(f"radius = {radius}: must be 0 to 15 bits of the 64 of a hash, or -1 to look for identical pictures only")
    folders = {n: Path(raw).expanduser().resolve() if raw else d.raw_in(data_folder(data)) for n, d in datasets.items()}
    prepared, bad = [], []
    for name, dataset in datasets.items():
        try:
            prepared.append(prepare_dataset(dataset, folders[name], cache_folder(), say=_note))
        except DataError:
            found = [] if dataset.drop else unreadable(dataset, folders[name])
            if not found:
                raise
            bad += found
    return look(prepared, radius=None if radius < 0 else radius, unreadable=bad)


def drop(found: Audit, folder: str | Path, *, near: bool = False) -> list[Cleaned]:
    """Write lists of what to drop of the datasets of an audit into `folder`, and make their cleaned variants in the cache.

    The rule, and what is raised, is said in `dabench.dropping`. A sweep uses a list by `drop = "FILE"` under [dataset.NAME].

    Args:
        near: near-identical pictures, too.
    """
    from dabench.dropping import drop as drop_of

    return drop_of(found, Path(folder).expanduser(), near=near, say=_note)


def names_sweep(name: str | Path) -> bool:
    """Whether a name is that of a sweep: on the shelf or a .toml file, and no dataset's."""
    known = {e.name for e in REGISTRY.entries("dataset")}
    return str(name) not in known and (str(name) in shelf() or Path(name).suffix == ".toml")


def _datasets_of(name: str | Path, overrides: Overrides) -> list[Dataset]:
    """Return the dataset of that name, or those of the sweep of that name or path."""
    if names_sweep(name):
        file = _read(name, overrides, ())
        return [make_dataset(file.sweep, d, REGISTRY) for d in file.sweep.datasets]
    return [make_alone(str(name), _pairs(overrides), REGISTRY)]


def new(kind: Kind, name: str, to: str | Path | None = None) -> list[Path]:
    """Write the package of a new plugin into the folder `to` (default: NAME), which must not be there; return its files.

    Raises:
        PluginError, StoreError: the name or the folder cannot be.
    """
    from dabench.scaffold import scaffold

    return scaffold(kind, name, Path(to).expanduser() if to else Path(name))


def check(
    *names: str, raw: str | Path | None = None, data: str | Path | None = None, plugins: Sequence[str | Path] = ()
) -> list[Finding]:
    """Hold plugins to the contract of their kind, all that there are if none is named; return what came of every rule.

    Args:
        raw: the folder with the raw files of the dataset named; default DATA/NAME. Without raw files, the rules about
            samples are not done.

    Raises:
        PluginError: there is no plugin of a name, or a plugin file is broken.
    """
    from dabench.contracts.check import check_plugins

    load_plugins(plugins)
    return check_plugins(names, REGISTRY, data_folder(data), Path(raw).expanduser().resolve() if raw else None)


def load_plugins(files: Sequence[str | Path]) -> None:
    """Add the plugins of Python files to this process and to its sweeps."""
    for file in files:
        REGISTRY.load_file(Path(file))


def listing() -> dict[str, list[dict[str, Any]]]:
    """Return every plugin, sweep and baseline that there is, by kind; loads neither torch nor ray."""
    from dabench.committed import shelf as baseline_shelf

    found: dict[str, list[dict[str, Any]]] = {f"{kind}s": [_facts(e) for e in REGISTRY.entries(kind)] for kind in KINDS}
    found["sweeps"] = [{"name": name, "title": _title(path)} for name, path in shelf().items()]
    found["baselines"] = [{"name": name, "title": _title(path)} for name, path in baseline_shelf().items()]
    return found


def show(kind: Kind, name: str, *, data: str | Path | None = None, plugins: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Return all facts of one plugin, its options with their defaults among them; prepares and builds nothing that is kept.

    Args:
        data: the folder of all raw datasets, in which a dataset's files are looked for; default DABENCH_DATA.

    Raises:
        PluginError: it is unknown or broken.
    """
    from dabench.facts import facts_of

    load_plugins(plugins)
    plugin, origin = REGISTRY.make(kind, name), REGISTRY.find(kind, name).origin
    members = REGISTRY.members(kind, name) if plugin.variants and not plugin.variant else []
    return facts_of(plugin, origin, members, data_folder(data), cache_folder())


def _facts(entry: Any) -> dict[str, Any]:
    plugin = entry.plugin
    facts = {"name": entry.name, "title": getattr(plugin, "title", ""), "origin": entry.origin}
    if entry.kind == "adapter" and plugin is not None:
        facts["access"] = plugin.access
    return facts | ({"error": entry.error} if entry.error else {})


def _title(path: Path) -> str:
    import tomllib

    text = path.read_text(encoding="utf-8")
    return str((tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)).get("title", ""))


def cite(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> str:
    """Return BibTeX for the toolkit and all that a sweep, a sweep's output folder, or a baseline rests on."""
    from dabench import __version__
    from dabench.citations import citations_of_store, citations_of_sweep, toolkit, unique
    from dabench.committed import read_baseline
    from dabench.committed import shelf as baseline_shelf

    name, path = str(what), Path(what)
    if (path / "sweep.json").is_file():
        store = Store(path)
        from dabench.matrix import read_matrix

        return _bibtex(citations_of_store(store, __version__), f"{path}: digest {read_matrix(store).digest}")
    committed = read_baseline(name) if name in baseline_shelf() else None
    note = f"baseline {name}: digest {committed['digest']}" if committed and "digest" in committed else ""
    if name in shelf() or path.suffix == ".toml":
        return _bibtex(citations_of_sweep(_read(what, (), plugins).sweep, REGISTRY, __version__), note)
    if committed:
        return _bibtex(unique([toolkit(__version__), *committed["citations"]]), note)
    known = sorted({*shelf(), *baseline_shelf()})
    raise SpecError(
        f"nothing to cite under '{name}'; give a sweep or baseline ({', '.join(known)}), a .toml file, or an output folder"
    )


def _bibtex(entries: list[str], note: str) -> str:
    return "\n\n".join([*([f"% {note}"] if note else []), *entries]) + "\n"


def _read(sweep: str | Path | Mapping[str, Any], overrides: Overrides, plugins: Sequence[str | Path]) -> SweepFile:
    from dabench.toml import toml_text

    pairs = _pairs(overrides)
    if not isinstance(sweep, Mapping):
        return load(sweep, pairs, plugins, REGISTRY)

    folder = Path(tempfile.mkdtemp(prefix="dabench-"))
    try:
        # Written and read again, so that a table in Python and a file go the same way. Paths in it are of this folder.
        path = folder / "sweep.toml"
        path.write_text(toml_text(_absolute(sweep)), encoding="utf-8")
        return replace(load(path, pairs, plugins, REGISTRY), path=None)
    except SpecError as e:
        # The file is gone when the message is read; it is the key that counts.
        raise SpecError(re.sub(rf"^{re.escape(str(path))}(, line \d+)?: ", "", str(e))) from e
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pairs(overrides: Overrides) -> list[str]:
    from dabench.toml import toml_value

    return [f"{k}={toml_value(v, k)}" for k, v in overrides.items()] if isinstance(overrides, Mapping) else list(overrides)


def _absolute(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return `table` with its paths made absolute; what is not as it must be is left for the reader to refuse."""
    result = dict(table)
    plugins, datasets = table.get("plugins"), table.get("dataset")
    if isinstance(plugins, (list, tuple)):
        result["plugins"] = [_resolved(p) for p in plugins]
    if isinstance(datasets, Mapping):
        result["dataset"] = {
            n: {k: _resolved(v) if k in PATHS and v else v for k, v in o.items()} if isinstance(o, Mapping) else o
            for n, o in datasets.items()
        }
    return result


def _resolved(path: Any) -> Any:
    return str(Path(path).expanduser().resolve()) if isinstance(path, (str, Path)) else path


def _out(out: str | Path | None, name: str) -> Path:
    return Path(out).expanduser() if out else Path("runs") / name


def _console(quiet: bool) -> Console:
    from rich.console import Console

    return Console(stderr=True, quiet=quiet, highlight=False)


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
