"""The public functions of dabench: what each command does, as a function of the same name."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from dabench.errors import DataError, SpecError, StoreError, nearest
from dabench.execution.options import ExecutionOptions
from dabench.experiment.resolve import make_dataset, make_standalone_dataset
from dabench.experiment.sweep_file import Overrides, SweepFile, as_pairs, bundled_sweeps, sweep_file
from dabench.plugins.contract import KINDS, Dataset, Plugin, PluginKind
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import REGISTRY
from dabench.storage.paths import cache_folder, data_folder
from dabench.storage.remote_fs import is_remote

if TYPE_CHECKING:
    from rich.console import Console

    from dabench.analysis.compare import Comparison
    from dabench.analysis.environments import Mixed
    from dabench.analysis.frames import Results
    from dabench.analysis.matrix import Matrix
    from dabench.analysis.trials import Trial
    from dabench.checks.rules import Finding
    from dabench.data.audit import Audit
    from dabench.data.cache import Prepared
    from dabench.data.clean import CleanedDataset
    from dabench.execution.estimate import Cost
    from dabench.execution.output import OutputFolder
    from dabench.execution.queue import Event
    from dabench.execution.recorder import SweepOutcome
    from dabench.execution.status import Status
    from dabench.execution.sweep import SweepCallbacks
    from dabench.execution.tensorboard import TensorBoardWriter
    from dabench.experiment.plan import Plan
    from dabench.reporting.citation import Citations
    from dabench.storage.run_store import RunStore
    from dabench.storage.schema import Run


def stderr_console(quiet: bool, stream: TextIO | None = None) -> Console:
    """Return a console on `stream`, or on standard error."""
    from rich.console import Console

    return Console(file=stream, stderr=True, quiet=quiet, highlight=False)


def note(line: str) -> None:
    """Print one line at once."""
    print(line, file=sys.stderr, flush=True)


def register(plugin: type[Plugin] | Plugin) -> type[Plugin] | Plugin:
    """Add a dataset, backbone or adapter class (or instance) to this process and to its sweeps; serves as a decorator.

    Raises:
        PluginError: its facts are incomplete or wrong, or its name is taken.
    """
    return REGISTRY.register(plugin)


def load_plugins(files: Sequence[str | Path]) -> None:
    """Add the plugins of Python files to this process and to its sweeps."""
    for file in files:
        REGISTRY.load_file(Path(file))


def listing() -> dict[str, list[dict[str, Any]]]:
    """Return every plugin, sweep and baseline that there is, by kind; loads neither torch nor ray."""
    from dabench.analysis.baselines import committed_tables

    found: dict[str, list[dict[str, Any]]] = {f"{kind}s": [_facts(e) for e in REGISTRY.entries(kind)] for kind in KINDS}
    found["sweeps"] = [{"name": name, "title": _title(path)} for name, path in bundled_sweeps().items()]
    found["baselines"] = [{"name": name, "title": _title(path)} for name, path in committed_tables().items()]
    return found


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


def show(
    kind: PluginKind | Literal["sweep"],
    name: str | Path | Mapping[str, Any] = "",
    *,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
) -> dict[str, Any]:
    """Return the facts of a plugin with its options, or the keys of a sweep with their values. Prepares nothing.

    Args:
        kind: "dataset", "backbone", "adapter", or "sweep". "sweep" gives the keys of the sweep `name` with their values and
            where each value comes from, one table per heading; without a name, all keys that a sweep file may have.
        data: the folder of all raw datasets, in which a dataset's files are looked for; default DABENCH_DATA.
        set: keys of the sweep with other values, as --set.

    Raises:
        PluginError: it is unknown or broken.
        SpecError: the sweep is unknown, or a key or value of it is wrong.
    """
    if kind == "sweep":
        from dabench.experiment.reference import all_keys, keys_of

        file = sweep_file(name, set, plugins) if name else None
        return {"name": file.sweep.name, "tables": keys_of(file, REGISTRY)} if file else {"tables": all_keys()}
    from dabench.checks.facts import facts_of

    load_plugins(plugins)
    name = str(name)
    plugin, origin = REGISTRY.make(kind, name), REGISTRY.find(kind, name).origin
    members = REGISTRY.members(kind, name) if plugin.variants and not plugin.variant else []
    return facts_of(plugin, origin, members, data_folder(data), cache_folder())


def new(kind: PluginKind, name: str, to: str | Path | None = None) -> list[Path]:
    """Write the package of a new plugin into the folder `to` (default: NAME), which must not be there; return its files.

    Raises:
        PluginError, StoreError: the name or the folder cannot be.
    """
    from dabench.checks.scaffold import scaffold

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
    from dabench.checks.check import check_plugins

    load_plugins(plugins)
    return check_plugins(names, REGISTRY, data_folder(data), Path(raw).expanduser().resolve() if raw else None)


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
    made = make_standalone_dataset(dataset, as_pairs(set), REGISTRY)
    if strict:
        (made,) = _strict([made])
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
    file = sweep_file(sweep, set, plugins)
    made = [make_dataset(file.sweep, name, REGISTRY) for name in file.sweep.datasets]
    if strict:
        made = _strict(made)
    return [_prepared(d, d.raw_in(data_folder(data)), rebuild) for d in made]


def _strict(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Return the datasets, with the option `strict` set where they have it."""
    able = [hasattr(d.options, "strict") for d in datasets]
    if not any(able):
        names = ", ".join(d.name for d in datasets)
        raise SpecError(f"--strict: no dataset that has the option 'strict' is named ({names}); leave it out")
    pairs = zip(datasets, able, strict=True)
    return [d.with_facts(options=replace(d.options, strict=True)) if has else d for d, has in pairs]


def _prepared(dataset: Dataset, raw: Path, rebuild: bool) -> Prepared:
    from dabench.data.prepare import prepare_dataset

    if dataset.files:
        from dabench.data.download import fetch
        from dabench.reporting.terminal import download_bars

        with download_bars(stderr_console(False)) as bar:
            fetch(dataset.files, raw, notify=note, progress=bar)
    return prepare_dataset(dataset, raw, cache_folder(), rebuild=rebuild, notify=note)


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
    from dabench.data.audit import RADIUS, audit_datasets, unreadable
    from dabench.data.prepare import prepare_dataset

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
            prepared.append(prepare_dataset(dataset, folders[name], cache_folder(), notify=note))
        except DataError:
            found = [] if dataset.drop else unreadable(dataset, folders[name])
            if not found:
                raise
            bad += found
    return audit_datasets(prepared, radius=None if radius < 0 else radius, unreadable=bad)


def drop(found: Audit, folder: str | Path, *, near: bool = False) -> list[CleanedDataset]:
    """Write lists of what to drop of the datasets of an audit into `folder`, and make their cleaned variants in the cache.

    The rule, and what is raised, is said in `dabench.data.clean`. A sweep uses a list by `drop = "FILE"` under [dataset.NAME].

    Args:
        near: near-identical pictures, too.
    """
    from dabench.data.clean import write_drop_lists

    return write_drop_lists(found, Path(folder).expanduser(), near=near, notify=note)


def names_sweep(name: str | Path) -> bool:
    """Whether a name is that of a sweep: on the shelf or a .toml file, and no dataset's."""
    known = {e.name for e in REGISTRY.entries("dataset")}
    return str(name) not in known and (str(name) in bundled_sweeps() or Path(name).suffix == ".toml")


def _datasets_of(name: str | Path, overrides: Overrides) -> list[Dataset]:
    """Return the dataset of that name, or those of the sweep of that name or path."""
    if names_sweep(name):
        file = sweep_file(name, overrides, ())
        return [make_dataset(file.sweep, d, REGISTRY) for d in file.sweep.datasets]
    return [make_standalone_dataset(str(name), as_pairs(overrides), REGISTRY)]


@dataclass(frozen=True)
class SweepPreview:
    """What a sweep would do: the plan, what stands already, what is left, how it would be done here and what it may cost.

    Attributes:
        plan: with all runs; where a search is not over, some are stand-ins for runs that are not known yet.
        mixed: in what the runs in the store differ from each other, or from what would be computed now.
    """

    plan: Plan
    complete: set[str]
    pending: list[Run]
    options: ExecutionOptions
    cost: Cost
    mixed: Mixed


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it is asked for: the arguments of `sweep`.

    Attributes:
        options: the execution options.
        resume_command: the command that goes on with it, for who asks how far it is.
    """

    sweep: str | Path | Mapping[str, Any]
    out: str | Path | None = None
    set: Overrides = ()
    plugins: Sequence[str | Path] = ()
    data: str | Path | None = None
    options: ExecutionOptions = ExecutionOptions()
    quiet: bool = False
    log_json: str | Path | None = None
    tensorboard: bool = False
    resume_command: str = ""

    @property
    def file(self) -> SweepFile:
        """The sweep file, read anew."""
        return sweep_file(self.sweep, self.set, self.plugins)


def plan_sweep(request: SweepRequest) -> SweepPreview:
    """Return what `run_sweep` would do. Prepares the data and trains nothing that is kept."""
    from dabench.execution.estimate import estimate_cost
    from dabench.execution.output import OutputFolder
    from dabench.execution.resources import fit_to_machine, resource_needs
    from dabench.experiment.schedule import launch_order, schedule_of

    file = request.file
    store = OutputFolder(request.out, file.sweep.name, note).store
    store.check(file.sweep.recipe)
    plan = plan_of(file, request.data, note, request.options)
    schedule = schedule_of(plan, store)
    schedule.begin()
    plan, there = replace(plan, runs=tuple(schedule.expected())), schedule.complete
    left = launch_order([run for run in plan.runs if run.digest not in there])
    wants = resource_needs(plan)
    how = fit_to_machine(plan, wants, replace(request.options, address=None), note)  # what it would take on this machine
    price = estimate_cost(plan, left, store, REGISTRY, how, wants)
    return SweepPreview(plan, there, left, how, price, _mixed(plan, there, store))


def _mixed(plan: Plan, there: Collection[str], store: RunStore) -> Mixed:
    """Return in what the runs of a plan differ that are in the store, complete or out of date, and would be computed now."""
    import torch

    from dabench.analysis.environments import mixed
    from dabench.storage.reader import SHORT

    listed = store.listed()
    by_name: dict[str, list[str]] = {}
    for where in chain.from_iterable(listed.values()):
        by_name.setdefault(where.removeprefix("runs/").rpartition("-")[0], []).append(where)
    places = [listed.get(run.digest[:SHORT], []) if run.digest in there else by_name.get(run.name, []) for run in plan.runs]
    now = {"precision": plan.train(()).precision, "device class": plan.device, "torch": str(torch.__version__)}
    return mixed((store.environment(where) for where in chain.from_iterable(places)), now)


def sweep(
    sweep: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    set: Overrides = (),
    plugins: Sequence[str | Path] = (),
    data: str | Path | None = None,
    quiet: bool = False,
    log_json: str | Path | None = None,
    tensorboard: bool = False,
    **execution: Any,
) -> Matrix:
    """Run what is missing of a sweep, write its report, and return its matrix.

    Args:
        sweep: a shelf name such as "quick", the path of a sweep file, or a table of its keys.
        out: output folder, or the address of one elsewhere (s3://bucket/runs/NAME, see dabench.storage.mirror);
            default runs/NAME.
        set: overrides of keys, {"train.epochs": 2} or ["train.epochs=2"].
        plugins: Python files with plugins.
        data: folder of raw datasets; default DABENCH_DATA.
        quiet: print nothing.
        log_json: append each event to this file as a line of JSON; "-" prints them to standard output.
        tensorboard: write TensorBoard logs of every run into OUT/tensorboard.
        execution: execution options, which change no number: engine="inline", redo=True, at_most=2 and the other flags of
            `dabench sweep`, as fields of dabench.execution.options.ExecutionOptions.

    Raises:
        DabenchError: the request is wrong, or the sweep ended before its runs did (StoppedError). Runs that fail raise
            nothing: they are in Matrix.failed.
        KeyboardInterrupt: it was stopped; finished runs are kept and the same call goes on with the rest.
    """
    request = SweepRequest(sweep, out, set, plugins, data, ExecutionOptions(**execution), quiet, log_json, tensorboard)
    return run_sweep(request)[1]


def run_sweep(request: SweepRequest) -> tuple[SweepOutcome, Matrix]:
    """Do what `sweep` does and return what came of the runs, too."""
    from dabench.execution.output import OutputFolder
    from dabench.execution.sweep import execute_sweep
    from dabench.execution.tensorboard import TensorBoardWriter

    notify: Callable[[str], None] = (lambda line: None) if request.quiet else note
    file = request.file
    place = OutputFolder(request.out, file.sweep.name, notify)
    store = place.store
    with store.exclusive(file.sweep.recipe):
        plan = plan_of(file, request.data, notify, request.options)
        board = TensorBoardWriter(store) if request.tensorboard else None
        with _watched(place, board, request) as callbacks:
            outcome = execute_sweep(
                file, plan, store, REGISTRY, request.options, callbacks=callbacks, resume_command=request.resume_command
            )
        if outcome.interrupted:
            raise KeyboardInterrupt
        if board:
            board.write(outcome.runs)  # those of before, too
        matrix = _reported(store)
        place.close()
    return outcome, matrix


@contextmanager
def _watched(place: OutputFolder, board: TensorBoardWriter | None, request: SweepRequest) -> Iterator[SweepCallbacks]:
    """Give who is told of a sweep as it goes on; when it ends, all of its output is where it belongs."""
    from dabench.execution.event_lines import lines_to
    from dabench.execution.logs import original_stderr
    from dabench.execution.progress import ProgressDisplay
    from dabench.execution.sweep import SweepCallbacks

    with ExitStack() as stack:
        stack.callback(place.close)
        write = [stack.enter_context(lines_to(request.log_json))] if request.log_json else []
        stream = stack.enter_context(original_stderr())
        watch = stack.enter_context(ProgressDisplay(stderr_console(request.quiet, stream), place.store.log))

        def listen(event: Event) -> None:
            watch(event)
            if board:
                board(event)

        yield SweepCallbacks(place.listening(listen), watch.expect, watch.notify, write)


def _reported(store: RunStore) -> Matrix:
    from dabench.analysis.matrix import read_matrix, with_published
    from dabench.reporting.write import write_report

    matrix = with_published(read_matrix(store))
    write_report(matrix, store.report)
    return matrix


def plan_of(
    file: SweepFile, data: str | Path | None, notify: Callable[[str], None], options: ExecutionOptions = ExecutionOptions()
) -> Plan:
    """Return the plan of a sweep; prepares its datasets. Raise SpecError with the line that is wrong."""
    from dabench.experiment.planner import make_plan

    gpus, cluster = options.gpus_per_run, options.address is not None
    try:
        return make_plan(file.sweep, REGISTRY, data_folder(data), notify, gpus=gpus, cluster=cluster)
    except KeyProblem as e:
        raise file.located(e) from e


Files = str | Path | Mapping[str, str | Path] | None
"""A file about the images of the only dataset that there is, or dataset -> file."""


def report(
    runs: str | Path,
    *,
    metric: str = "accuracy",
    select: str | None = None,
    human: Files = None,
    attributes: Files = None,
    published: bool = True,
    write: bool = True,
    out: str | Path | None = None,
) -> Matrix:
    """Return the matrix of a sweep's output folder, or of a pack of it, and write its report; trains nothing.

    Args:
        runs: the folder that `sweep` wrote (or its address, s3://...), or the .zip that `export` wrote.
        metric: "accuracy", "balanced-accuracy", "macro-f1", "ece", "recall:CLASS" or "worst-group:ATTRIBUTE".
        select: the rule that chooses a checkpoint of each run; the last if not given.
        human: the answers of people, as `dabench.analysis.human` describes them: a CSV, or of several datasets
            {"nae": "answers.csv"}.
        attributes: attributes of test images for results by group, as `dabench.analysis.attributes` describes them: a CSV, or of
            several datasets {"fer2013": "audit/fer2013/test-fer2013.csv"}.
        published: lay published numbers beside those measured, where the committed tables have some for the same datasets.
        write: write the files of the report, too.
        out: the folder for them; default runs/report/. Of a pack nothing is written unless it is given.

    Raises:
        StoreError: it is no sweep's folder and no pack, or is damaged, or `out` holds something else.
        SpecError: an unknown metric or rule.
        DataError: a file of answers or attributes cannot be read, or a line of it is wrong.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.human import with_human
    from dabench.analysis.matrix import read_matrix, with_published

    folder = report_place(runs, out) if write else None
    matrix = read_matrix(open_results(runs), metric, select, _files(attributes))
    if human:
        matrix = with_human(matrix, _files(human))
    if published:
        matrix = with_published(matrix)
    if folder:
        from dabench.reporting.write import write_report

        write_report(matrix, folder)
        if is_remote(runs) and out is None:
            from dabench.storage.mirror import OutputMirror

            mirror = OutputMirror(str(runs))
            mirror.send("report")
            mirror.close()
    return matrix


def _files(given: Files) -> dict[str, Path]:
    """Return dataset -> file; "" means the only dataset of the sweep."""
    files = given if isinstance(given, Mapping) else {"": given} if given else {}
    return {name: Path(file).expanduser() for name, file in files.items()}


def trials(runs: str | Path, *, test_accuracy: bool = False) -> list[Trial]:
    """Return the trials of a sweep's search, task by task; `dabench.analysis.trials.Trial` says what is known of each.

    Args:
        runs: the folder that `sweep` wrote, or the .zip that `export` wrote.
        test_accuracy: look at the test labels, too: to see what the choice cost, not to choose.

    Raises:
        SpecError: the sweep searches nothing.
        StoreError: it is no sweep's folder, or the trials' runs are not in it.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.trials import read_trials

    return read_trials(open_results(runs), test_accuracy=test_accuracy)


def report_place(runs: str | Path, out: str | Path | None) -> Path | None:
    """Return the folder into which the report of an output folder or pack goes; None: it is not written.

    Raises:
        StoreError: `out` holds something that is no report.
    """
    from dabench.storage.mirror import OutputMirror
    from dabench.storage.run_store import RunStore

    if out is None and is_remote(runs):
        return OutputMirror(str(runs)).store.report
    if out is None:
        return None if Path(runs).is_file() else RunStore(Path(runs)).report
    folder = Path(out).expanduser()
    if folder.exists() and not (folder / "results.json").is_file() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: is there already and no report; give another folder with --out")
    return folder


def export(
    runs: str | Path, to: str | Path | None = None, *, attributes: bool = True, classes_only: bool = False, counts: bool = False
) -> Path:
    """Pack what another person needs to check the tables of a sweep into one zip, and return its path.

    `dabench.analysis.export` says what is in it: no images and no networks. `report` reads it as it reads the output folder.

    Args:
        runs: the folder that `sweep` wrote.
        to: the zip to write; default NAME.zip after the sweep.
        attributes: put attributes of the people in the test images (age, sex, ...) in, too.
        classes_only: of predictions put the classes in alone, a small part of the size: all tables but those of confidences.
        counts: so, and of each dataset how many test images there are of each sort alone, so that no image's label is given away.

    Raises:
        StoreError: it is no sweep's folder, or the zip is there already or cannot be written.
    """
    from dabench.analysis.export import open_results, write_pack

    stored = open_results(runs)
    path = Path(to).expanduser() if to else Path(f"{stored.read_sweep().sweep.name}.zip")
    return write_pack(stored, path, attributes=attributes, classes_only=classes_only, counts=counts)


def load(runs: str | Path, *, metric: str = "accuracy", select: str | None = None) -> Results:
    """Return the results of a sweep as pandas frames and numpy arrays; `dabench.analysis.frames.Results` describes every column.

    Args:
        runs: the folder that `sweep` wrote, or the .zip that `export` wrote.
        metric, select: as `report` takes them.

    Raises:
        StoreError, SpecError: as `report` does.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.frames import Results
    from dabench.analysis.matrix import read_matrix

    return Results(read_matrix(open_results(runs), metric, select))


def status(runs: str | Path) -> Status:
    """Return how far a sweep is, while it goes on or afterwards.

    Args:
        runs: the folder that `sweep` writes.

    Raises:
        StoreError: it is no sweep's output, or lies elsewhere (s3://...), where nothing is kept of what runs.
    """
    from dabench.execution.status import read_status
    from dabench.storage.paths import mirror_of
    from dabench.storage.remote_fs import is_remote, shown

    if is_remote(runs):
        address = shown(str(runs))
        raise StoreError(
            f"{address}: holds what is done, not what runs; see that with dabench report {address}, "
            f"or ask on the machine of the sweep: dabench status {mirror_of(str(runs))}"
        )
    return read_status(Path(runs).expanduser())


def compare(a: str | Path, b: str | Path, *, metric: str | None = None, select: str | None = None) -> Comparison:
    """Return two tables beside each other, cell by cell with the interval of the difference, and what differs in conditions.

    Args:
        a, b: each an output folder, a pack, or a committed table (shelf name, or path of a .json or .toml file).
        metric: None: that of the committed table, else accuracy.
        select: the rule that chooses a checkpoint of each run; None: that of the committed table, else last.

    Raises:
        StoreError, SpecError: one of the two is not there or cannot be read, or they are in different metrics.
    """
    from dabench.analysis.compare import compared, sides

    return compared(*sides(a, b, metric, select))


def cite(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> str:
    """Return BibTeX for the toolkit, the study, and all that a sweep, its results, or a committed table rests on.

    A sentence that cites the entries, with version and digest, stands in a comment before them.

    Args:
        what: an output folder, a pack, a sweep (shelf name or path of a .toml file), or a committed table.

    Raises:
        SpecError: it is none of them.
    """
    return citations(what, plugins=plugins).text


def citations(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> Citations:
    """Return what `cite` makes its text of: the sentence, the digest and the entries."""
    from dabench.analysis.baselines import committed_tables, read_baseline, records_of
    from dabench.analysis.export import open_results
    from dabench.analysis.predictions import Predictions
    from dabench.reporting.citation import cite_baseline, cite_results, cite_sweep

    name, path = str(what), Path(what).expanduser()
    results = path if (path / "sweep.json").is_file() or path.suffix == ".zip" else None
    committed = read_baseline(what) if not results and (name in committed_tables() or path.suffix == ".json") else None
    if committed and committed["kind"] == "measured":
        results = records_of(what)  # they say what was run; the sweep of that name may be set otherwise
    if results:
        stored = open_results(results)
        return cite_results(Predictions(stored, stored.read_sweep(), committed["selection"] if committed else None))
    if committed:  # such as `paper`, which is a sweep, too: its results are cited by their folder
        return cite_baseline(committed)
    if name in bundled_sweeps() or path.suffix == ".toml":
        return cite_sweep(sweep_file(what, (), plugins), REGISTRY)
    known = sorted({*bundled_sweeps(), *committed_tables()})
    raise SpecError(
        f"nothing to cite under '{name}'; give a sweep or baseline ({', '.join(known)}), a .toml file, an output folder or a pack"
    )


def human(
    dataset: str,
    to: str | Path | None = None,
    *,
    images: int | None = None,
    seed: int = 0,
    sweep: str | Path | Mapping[str, Any] | None = None,
    raw: str | Path | None = None,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
) -> list[Path]:
    """Write test images of a dataset as pictures without labels, and a CSV for the answers of people; return the files.

    `report(runs, human=...)` takes that CSV, filled in.

    Args:
        to: the folder, which must not be there; default human/DATASET.
        images: how many in all, as many of each class as far as there are, drawn by `seed`; default 70, or all.
        sweep: the sweep in whose report the answers are to stand, which may resize the images and keep some classes only.
        raw, data: where the raw files lie, as `prepare` takes them.
        set: overrides of the keys of the sweep, or of the options of the dataset.

    Raises:
        SpecError: the dataset is not in the sweep, or has not so many test images.
        StoreError: the folder holds something or cannot be written.
    """
    from dabench.analysis.human import write_quiz

    folder = Path(to).expanduser() if to else Path("human") / dataset.replace("/", "-")
    if sweep is None:
        return write_quiz(prepare(dataset, raw=raw, data=data, plugins=plugins, set=set), folder, images, seed)
    if raw:
        raise SpecError(f"raw = {raw}: is the folder of one dataset, but a sweep is named; give data instead")
    file = sweep_file(sweep, set, plugins)
    if dataset not in file.sweep.datasets:
        known = ", ".join(file.sweep.datasets)
        raise SpecError(f"'{dataset}' is not in sweep {file.sweep.name}{nearest(dataset, file.sweep.datasets)}; it has {known}")
    return write_quiz(plan_of(file, data, note).prepared[dataset], folder, images, seed)
