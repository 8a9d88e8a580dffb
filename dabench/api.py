"""The public functions of dabench: one for each command, with the same name."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from dabench.data.raw_place import raw_place
from dabench.errors import DataError, NotDownloadedError, SpecError, StoreError, nearest
from dabench.execution.options import ExecutionOptions
from dabench.experiment.resolve import make_dataset, make_standalone_dataset
from dabench.experiment.sweep_file import Overrides, SweepFile, as_pairs, bundled_sweeps, sweep_file
from dabench.plugins.contract import KINDS, Dataset, Plugin, PluginKind
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import REGISTRY
from dabench.plugins.weights import offline
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
    from dabench.inference.export import ExportedNetwork
    from dabench.inference.predict import ImagePredictions
    from dabench.inference.score import NetworkScores
    from dabench.inference.stored import StoredNetwork
    from dabench.rating.store import StudyStore
    from dabench.rating.study import StudySettings
    from dabench.reporting.citation import Citations
    from dabench.storage.run_store import RunStore
    from dabench.storage.schema import Run


def stderr_console(quiet: bool, stream: TextIO | None = None) -> Console:
    """Return a console on `stream`, or on standard error."""
    from rich.console import Console

    return Console(file=stream, stderr=True, quiet=quiet, highlight=False)


def note(line: str) -> None:
    """Print one line to standard error."""
    print(line, file=sys.stderr, flush=True)


def register(plugin: type[Plugin] | Plugin) -> type[Plugin] | Plugin:
    """Register a dataset, backbone or adapter class (or instance) for this process and its sweeps; works as a decorator.

    Raises:
        PluginError: a declaration of the plugin is missing or wrong, or its name is taken.
    """
    return REGISTRY.register(plugin)


def load_plugins(files: Sequence[str | Path]) -> None:
    """Register the plugins in Python files for this process and its sweeps."""
    for file in files:
        REGISTRY.load_file(Path(file))


def listing() -> dict[str, list[dict[str, Any]]]:
    """Return all plugins, sweeps and baselines by kind. Imports neither torch nor ray."""
    from dabench.analysis.baselines import known_tables

    found: dict[str, list[dict[str, Any]]] = {f"{kind}s": [_facts(e) for e in REGISTRY.entries(kind)] for kind in KINDS}
    found["sweeps"] = [{"name": name, "title": _title(path)} for name, path in bundled_sweeps().items()]
    found["baselines"] = [{"name": name, "title": _title(path)} for name, path in known_tables().items()]
    return found


def _facts(entry: Any) -> dict[str, Any]:
    plugin = entry.plugin
    facts = {"name": entry.name, "title": getattr(plugin, "title", ""), "origin": entry.origin}
    if entry.kind == "adapter" and plugin is not None:
        facts |= _needs(entry.make())
    return facts | ({"error": entry.error} if entry.error else {})


def _needs(adapter: Any) -> dict[str, Any]:
    """Return what kind of method an adapter is, and what it is given of target and sources."""
    from dabench.experiment.adapter_facts import adapter_facts

    facts = adapter_facts(adapter)
    labels = {"few-shot": "shots", "full": "all"}.get(adapter.access, "none")
    return {
        "access": adapter.access,
        "family": adapter.family,
        "setting": facts.setting(1),
        "target_labels": labels,
        "target_images": facts.target_images,
        "sources_while_adapting": facts.uses_sources if facts.adapts else None,
    }


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
        SpecError: the sweep is unknown, or a key or value of it is wrong; a plugin without a name, or with `set`.
    """
    if kind == "sweep":
        from dabench.experiment.reference import all_keys, keys_of

        file = sweep_file(name, set, plugins) if name else None
        return {"name": file.sweep.name, "tables": keys_of(file, REGISTRY)} if file else {"tables": all_keys()}
    if not name:
        raise SpecError(f"dabench show {kind}: a NAME is missing (see: dabench list {kind}s)")
    if set:
        raise SpecError(f"dabench show {kind}: --set overrides keys of a sweep; use it with dabench show sweep NAME")
    from dabench.checks.facts import facts_of

    load_plugins(plugins)
    name = str(name)
    plugin, origin = REGISTRY.make(kind, name), REGISTRY.find(kind, name).origin
    members = REGISTRY.members(kind, name) if plugin.variants and not plugin.variant else []
    return facts_of(plugin, origin, members, data_folder(data), cache_folder())


def new(kind: PluginKind, name: str, to: str | Path | None = None) -> list[Path]:
    """Write the package of a new plugin into the new folder `to` (default: NAME), and return its files.

    Raises:
        PluginError, StoreError: the name is invalid, or the folder exists.
    """
    from dabench.checks.scaffold import scaffold

    return scaffold(kind, name, Path(to).expanduser() if to else Path(name))


def new_sweep(*folders: str | Path, to: str | Path = "sweep.toml") -> Path:
    """Look at folders of images, write a sweep file with what was found, and return the file. Read it before you run it.

    Args:
        folders: two or more: class folders of images or a zip of them, folders of Parquet files, or folders of videos.
        to: the file; its name is that of the sweep.

    Raises:
        SpecError: there are fewer than two folders, or two have the same name.
        DataError: a folder cannot be read as a dataset, or they share fewer than two classes.
        StoreError: the file exists, or cannot be written.
    """
    from dabench.checks.sweep_draft import draft_sweep

    file = Path(to).expanduser()
    draft_sweep([Path(folder) for folder in folders], file)
    return file


def check(
    *names: str, raw: str | Path | None = None, data: str | Path | None = None, plugins: Sequence[str | Path] = ()
) -> list[Finding]:
    """Test plugins against the contract of their kind, all if none is named; return the finding of every rule.

    Args:
        raw: folder with the raw files of the named dataset; default DATA/NAME. Without raw files, the rules about samples are
            skipped.

    Raises:
        PluginError: a name is unknown, or a plugin file cannot be loaded.
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
    """Download the files of a dataset if it lists any, decode it into the cache, check its counts, and return it.

    Args:
        raw: folder with the raw files; default DATA/NAME.
        set: options of the dataset, {"face": True} or ["face=true"], as in [dataset.NAME] of a sweep file.
        strict: set the option `strict` of the dataset: fail on files that would be skipped.

    Raises:
        DataError: files are missing or wrong; the message names them and how to get them.
        SpecError: an option is unknown.
    """
    load_plugins(plugins)
    made = make_standalone_dataset(dataset, as_pairs(set), REGISTRY)
    if strict:
        (made,) = _strict([made])
    with raw_place(made, data_folder(data), Path(raw).expanduser().resolve() if raw else None) as place:
        return _prepared(made, place, rebuild)


def prepare_sweep(
    sweep: str | Path | Mapping[str, Any],
    *,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
    strict: bool = False,
    rebuild: bool = False,
) -> list[Prepared]:
    """Prepare each dataset of a sweep, with the options and drop lists of the sweep."""
    file = sweep_file(sweep, set, plugins)
    made = [make_dataset(file.sweep, name, REGISTRY) for name in file.sweep.datasets]
    if strict:
        made = _strict(made)
    found = []
    for dataset in made:
        with raw_place(dataset, data_folder(data)) as place:
            found.append(_prepared(dataset, place, rebuild))
    return found


def _strict(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Return the datasets, with the option `strict` set if they have it."""
    able = [hasattr(d.options, "strict") for d in datasets]
    if not any(able):
        names = ", ".join(d.name for d in datasets)
        raise SpecError(f"--strict: none of the datasets has the option 'strict' ({names}); omit it")
    pairs = zip(datasets, able, strict=True)
    return [d.with_facts(options=replace(d.options, strict=True)) if has else d for d, has in pairs]


def _prepared(dataset: Dataset, raw: Path, rebuild: bool) -> Prepared:
    from dabench.data.prepare import prepare_dataset

    if dataset.files:
        from dabench.data.download import fetch
        from dabench.reporting.progress_bars import download_bars

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
    """Find copies (near and mirrored, too), conflicting labels, shared subjects and constant images.

    Prepares the datasets if needed. A dataset with unreadable images is not checked further, but all of these images are listed.

    Args:
        names: datasets, or sweeps (bundled name or path of a .toml file): all their datasets.
        data: folder of all raw datasets; default DABENCH_DATA.
        raw: folder with the raw files, if one dataset is named.
        set: overrides of keys of the sweep, or options of the dataset.
        radius: most bits (of 64) in which the hashes of near-identical images may differ; default 5; -1: do not search them.

    Raises:
        DataError, SpecError, PluginError: a name is unknown, or a dataset cannot be prepared.
    """
    from dabench.data.audit import RADIUS, audit_datasets, unreadable
    from dabench.data.prepare import prepare_dataset

    load_plugins(plugins)
    datasets = {d.name: d for name in names for d in _datasets_of(name, set)}
    if raw and len(datasets) != 1:
        raise SpecError(
            f"raw = {raw}: is the folder of a single dataset, but {len(datasets)} are named; use data (--data) instead"
        )
    radius = RADIUS if radius is None else radius
    if not -1 <= radius <= 15:
        raise SpecError(f"radius = {radius}: must be 0 to 15 (bits of a 64-bit hash), or -1 to find identical images only")
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
    """Write drop lists for the datasets of an audit into `folder`, and make the cleaned datasets in the cache.

    `dabench.data.clean` describes the rules and errors. A sweep uses a list by `drop = "FILE"` under [dataset.NAME].

    Args:
        near: also drop near-identical images.
    """
    from dabench.data.clean import write_drop_lists

    return write_drop_lists(found, Path(folder).expanduser(), near=near, notify=note)


def names_sweep(name: str | Path) -> bool:
    """Whether a name is that of a sweep: bundled or a .toml file, and not the name of a dataset."""
    known = {e.name for e in REGISTRY.entries("dataset")}
    return str(name) not in known and (str(name) in bundled_sweeps() or Path(name).suffix == ".toml")


def _datasets_of(name: str | Path, overrides: Overrides) -> list[Dataset]:
    """Return the dataset of this name, or the datasets of the sweep of this name or path."""
    if names_sweep(name):
        file = sweep_file(name, overrides, ())
        return [make_dataset(file.sweep, d, REGISTRY) for d in file.sweep.datasets]
    return [make_standalone_dataset(str(name), as_pairs(overrides), REGISTRY)]


@dataclass(frozen=True)
class SweepPreview:
    """Preview of a sweep: its plan, complete and pending runs, execution options on this machine, and estimated cost.

    Attributes:
        plan: the plan with all runs; during a search, some are placeholders for runs that are not known yet.
        complete: digests of the complete runs.
        cost: None if the network cannot be built without a download.
        mixed: in what the runs in the store differ from each other, or from runs computed now.
    """

    plan: Plan
    complete: set[str]
    pending: list[Run]
    options: ExecutionOptions
    cost: Cost | None
    mixed: Mixed


@dataclass(frozen=True)
class SweepRequest:
    """The arguments of `sweep`.

    Attributes:
        options: the execution options.
        resume_command: command that continues the sweep, shown by `dabench status`.
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
        """The sweep file; it is read at each call."""
        return sweep_file(self.sweep, self.set, self.plugins)


def plan_sweep(request: SweepRequest) -> SweepPreview:
    """Return a preview of `run_sweep`. Prepares the data, keeps no trained network, and downloads no weights."""
    from dabench.execution.estimate import estimate_cost
    from dabench.execution.output import OutputFolder
    from dabench.execution.recorder import left_out
    from dabench.execution.resources import fit_to_machine, resource_needs
    from dabench.experiment.schedule import launch_order, schedule_of

    file = request.file
    store = OutputFolder(request.out, file.sweep.name, note).store
    store.check(file.sweep.recipe, write=False)
    plan = plan_of(file, request.data, note, request.options)
    if left := left_out(store, plan):
        note(left)
    schedule = schedule_of(plan, store)
    schedule.begin()
    plan, complete = replace(plan, runs=tuple(schedule.expected())), schedule.complete
    pending = launch_order([run for run in plan.runs if run.digest not in complete])
    local = replace(plan, sweep=replace(plan.sweep, pretrained=False), backbone=offline(plan.backbone))
    if plan.sweep.pretrained:
        note("network: its published weights are loaded by the sweep; a plan downloads nothing")
    needs, unknown = None, False
    try:
        needs = resource_needs(local, note)
    except NotDownloadedError as e:
        note(f"time and memory are not known: {e}")
        unknown = True
    options = fit_to_machine(plan, needs, replace(request.options, address=None), note)  # on this machine, not on a cluster
    cost = None if unknown else estimate_cost(local, pending, store, REGISTRY, options, needs)
    return SweepPreview(plan, complete, pending, options, cost, _mixed(plan, complete, store))


def _mixed(plan: Plan, complete: Collection[str], store: RunStore) -> Mixed:
    """Return in what the stored runs of a plan (complete or stale) differ from each other or from runs computed now."""
    import torch

    from dabench.analysis.environments import mixed
    from dabench.storage.reader import SHORT

    listed = store.listed()
    by_name: dict[str, list[str]] = {}
    for where in chain.from_iterable(listed.values()):
        by_name.setdefault(where.removeprefix("runs/").rpartition("-")[0], []).append(where)
    places = [listed.get(run.digest[:SHORT], []) if run.digest in complete else by_name.get(run.name, []) for run in plan.runs]
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
    """Run the missing runs of a sweep, write its report, and return its matrix.

    Args:
        sweep: a bundled sweep such as "quick", the path of a sweep file, or a dict of its keys.
        out: output folder, or a remote address (s3://bucket/runs/NAME, see dabench.storage.mirror); default runs/NAME.
        set: overrides of keys, {"train.epochs": 2} or ["train.epochs=2"].
        plugins: Python files with plugins.
        data: folder of raw datasets; default DABENCH_DATA.
        quiet: print nothing.
        log_json: append each event to this file as a line of JSON; "-" prints them to standard output.
        tensorboard: write TensorBoard logs of every run into OUT/tensorboard.
        execution: execution options, which do not affect results: engine="inline", redo=True, max_parallel=2 and the other
            fields of dabench.execution.options.ExecutionOptions.

    Raises:
        DabenchError: the request is wrong, or the sweep ended early (StoppedError). Failed runs raise nothing; they are in
            Matrix.failed.
        KeyboardInterrupt: the sweep was stopped; complete runs are kept, and the same call continues.
    """
    request = SweepRequest(sweep, out, set, plugins, data, ExecutionOptions(**execution), quiet, log_json, tensorboard)
    return run_sweep(request)[1]


def run_sweep(request: SweepRequest) -> tuple[SweepOutcome, Matrix]:
    """Run a sweep like `sweep`, and return its outcome and its matrix."""
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
            board.write(outcome.runs)  # includes runs of earlier commands
        matrix = _reported(store)
        place.close()
    return outcome, matrix


@contextmanager
def _watched(place: OutputFolder, board: TensorBoardWriter | None, request: SweepRequest) -> Iterator[SweepCallbacks]:
    """Yield the callbacks of a sweep; at the end, all of its output is in the output folder."""
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
    from dabench.analysis.matrix import read_matrix
    from dabench.analysis.published import with_published
    from dabench.reporting.write import write_report

    matrix = with_published(read_matrix(store))
    write_report(matrix, store.report)
    return matrix


def plan_of(
    file: SweepFile, data: str | Path | None, notify: Callable[[str], None], options: ExecutionOptions = ExecutionOptions()
) -> Plan:
    """Prepare the datasets of a sweep and return its plan. Raise SpecError with the line of a wrong key."""
    from dabench.experiment.planner import make_plan

    gpus, cluster = options.gpus_per_run, options.address is not None
    try:
        return make_plan(file.sweep, REGISTRY, data_folder(data), notify, gpus=gpus, cluster=cluster)
    except KeyProblem as e:
        raise file.located(e) from e


Files = str | Path | Mapping[str, str | Path] | None
"""A file about the images of the only dataset of a sweep, or a mapping dataset -> file."""

SeveralFiles = str | Path | Sequence[str | Path] | Mapping[str, str | Path | Sequence[str | Path]] | None
"""One or more files about the images of the only dataset of a sweep, or a mapping dataset -> files."""


def report(
    runs: str | Path,
    *,
    metric: str = "accuracy",
    select: str | None = None,
    human: SeveralFiles = None,
    predictions: Mapping[str, str | Path] | None = None,
    attributes: Files = None,
    errors: str | Sequence[str] = (),
    published: bool = True,
    short_none: bool = False,
    spread: Literal["interval", "std"] = "interval",
    write: bool = True,
    out: str | Path | None = None,
) -> Matrix:
    """Return the matrix of the output folder of a sweep, or of a pack, and write its report. Trains nothing.

    Args:
        runs: output folder of `sweep` (or its address, s3://...), or the .zip of `export`.
        metric: "accuracy", "balanced-accuracy", "macro-f1", "ece", "recall:CLASS" or "worst-group:ATTRIBUTE".
        select: selection rule for the checkpoint of each run; default: the last checkpoint.
        human: answers of people: one or more CSV files as described in `dabench.analysis.answers`, or for several datasets
            {"nae": ["a.csv", "b.csv"]}.
        predictions: predictions of other models, {"my-model": "mine.csv"}: CSVs that `predictions_template` made, filled in.
            mine.toml beside it states the conditions of the model.
        attributes: attributes of test images: a CSV as described in `dabench.analysis.attributes`, or for several datasets
            {"fer2013": "audit/fer2013/test-fer2013.csv"}.
        errors: cells whose most confident mistakes are drawn, as ADAPTER:SOURCES:TEST, such as "dann:font-digits:uci-digits". The
            prepared images must be in the cache.
        published: add published numbers for the same datasets from the committed tables.
        short_none: take gains over the pretraining alone. By default `none` is source-only training of the same total length:
            the pretraining, continued on the sources for as many steps as the longest adaptation of the sweep.
        spread: shown beside the means in the table of methods: the 95 % interval, or the standard deviation over seeds.
        write: write the files of the report.
        out: folder of the report; default RUNS/report. For a pack, nothing is written without it.

    Raises:
        StoreError: `runs` is neither an output folder nor a pack, or is damaged, or `out` contains something else.
        SpecError: the metric, the rule, the spread or a cell is unknown.
        DataError: a file of answers, predictions or attributes cannot be read, or has a wrong line; or the images of mistakes are
            not there.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.matrix import read_matrix
    from dabench.analysis.people import with_human
    from dabench.analysis.provided import with_provided
    from dabench.analysis.published import with_published

    if spread not in ("interval", "std"):
        raise SpecError(f"spread '{spread}': must be interval or std")
    folder = report_place(runs, out) if write else None
    matrix = replace(read_matrix(open_results(runs), metric, select, _files(attributes), short_none), spread=spread)
    if human:
        matrix = with_human(matrix, _several_files(human))
    if predictions:
        matrix = with_provided(matrix, _files(predictions))
    if errors:
        from dabench.analysis.find_mistakes import with_mistakes

        matrix = with_mistakes(matrix, [errors] if isinstance(errors, str) else errors, cache_folder())
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


def figures(
    runs: str | Path,
    to: str | Path,
    *,
    format: Literal["pdf", "svg", "png"] = "pdf",
    width: str = "3.25in",
    style: str | Path | None = None,
    metric: str = "accuracy",
    select: str | None = None,
    attributes: Files = None,
) -> list[Path]:
    """Draw the results of a sweep as figures for a paper, and return their files and that of their captions.

    Args:
        runs, metric, select, attributes: as in `report`.
        to: folder of the figures; those of the same names are replaced.
        width: a number with a unit: in, cm, mm or pt.
        style: a matplotlib style file, applied after that of dabench.

    Raises:
        StoreError: `runs` is neither an output folder nor a pack, or is damaged, or `to` cannot be written.
        SpecError: format, width, style, metric or rule is wrong.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.matrix import read_matrix
    from dabench.reporting.figures.write import FORMATS, inches_of, write_figures

    if format not in FORMATS:
        raise SpecError(f"format '{format}': must be one of {', '.join(FORMATS)}")
    wide, look = inches_of(width), None if style is None else Path(style).expanduser()
    matrix = read_matrix(open_results(runs), metric, select, _files(attributes))
    return write_figures(matrix, Path(to).expanduser(), format, wide, look)


def _files(given: Files) -> dict[str, Path]:
    """Return dataset -> file; the dataset "" means the only dataset of the sweep."""
    files = given if isinstance(given, Mapping) else {"": given} if given else {}
    return {name: Path(file).expanduser() for name, file in files.items()}


def _several_files(given: SeveralFiles) -> dict[str, list[Path]]:
    """Return dataset -> files; the dataset "" means the only dataset of the sweep."""
    of = given if isinstance(given, Mapping) else {"": given} if given else {}
    lists = {name: [files] if isinstance(files, (str, Path)) else list(files) for name, files in of.items()}
    return {name: [Path(file).expanduser() for file in files] for name, files in lists.items()}


def predictions_template(runs: str | Path, to: str | Path, *, probabilities: bool = False) -> list[Path]:
    """Write a CSV that names every test image of a results folder, for the predictions of another model; return the files.

    The second file is a TOML file of the same name, for the conditions of the model. `report(runs, predictions=...)` reads both.

    Args:
        runs: output folder of `sweep`, or the .zip of `export`.
        to: the CSV to write.
        probabilities: with a column for each class (probabilities or logits) in place of the column class.

    Raises:
        StoreError: `runs` is not the output of a sweep, or one of the files exists.
        SpecError, DataError: `to` is not a .csv, or the test images or classes cannot be listed in such a file.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.provided_files import write_template

    stored = open_results(runs)
    record = stored.read_sweep()
    tests = {name: stored.dataset(name) for name in record.sweep.datasets if name not in record.unlabelled}
    return write_template(tests, record.classes, Path(to).expanduser(), probabilities)


def trials(runs: str | Path, *, test_accuracy: bool = False) -> list[Trial]:
    """Return the trials of the search of a sweep, task by task; `dabench.analysis.trials.Trial` describes the fields.

    Args:
        runs: output folder of `sweep`, or the .zip of `export`.
        test_accuracy: also compute accuracy from test labels, to see the cost of the choice, not to choose.

    Raises:
        SpecError: the sweep has no search.
        StoreError: `runs` is not the output of a sweep, or has no runs of trials.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.trials import read_trials

    return read_trials(open_results(runs), test_accuracy=test_accuracy)


def report_place(runs: str | Path, out: str | Path | None) -> Path | None:
    """Return the report folder of an output folder or pack; None if no report is written.

    Raises:
        StoreError: `out` contains something other than a report.
    """
    from dabench.storage.mirror import OutputMirror
    from dabench.storage.run_store import RunStore

    if out is None and is_remote(runs):
        return OutputMirror(str(runs)).store.report
    if out is None:
        return None if Path(runs).is_file() else RunStore(Path(runs)).report
    folder = Path(out).expanduser()
    if folder.exists() and not (folder / "results.json").is_file() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: exists and is not a report; use another folder with --out")
    return folder


def export(
    runs: str | Path, to: str | Path | None = None, *, attributes: bool = True, classes_only: bool = False, counts: bool = False
) -> Path:
    """Write a zip with everything needed to check the tables of a sweep, and return its path.

    It has no images and no networks; `dabench.analysis.export` describes its content. `report` reads it like an output folder.

    Args:
        runs: output folder of `sweep`.
        to: the zip to write; default NAME.zip, named after the sweep.
        attributes: include attributes of the people in the test images (age, sex, ...).
        classes_only: store predicted classes instead of logits: a much smaller file, with all tables except those of confidences.
        counts: store only how often each combination of class and predictions occurs, so that no image's label is revealed.

    Raises:
        StoreError: `runs` is not the output of a sweep, or the zip exists or cannot be written.
    """
    from dabench.analysis.export import open_results, write_pack

    stored = open_results(runs)
    path = Path(to).expanduser() if to else Path(f"{stored.read_sweep().sweep.name}.zip")
    return write_pack(stored, path, attributes=attributes, classes_only=classes_only, counts=counts)


def load(runs: str | Path, *, metric: str = "accuracy", select: str | None = None) -> Results:
    """Return the results of a sweep as pandas frames and numpy arrays; `dabench.analysis.frames.Results` describes the columns.

    Args:
        runs: output folder of `sweep`, or the .zip of `export`.
        metric, select: as in `report`.

    Raises:
        StoreError, SpecError: as in `report`.
    """
    from dabench.analysis.export import open_results
    from dabench.analysis.frames import Results
    from dabench.analysis.matrix import read_matrix

    return Results(read_matrix(open_results(runs), metric, select))


def status(runs: str | Path) -> Status:
    """Return the progress of a sweep, during or after it.

    Args:
        runs: output folder of `sweep`.

    Raises:
        StoreError: `runs` is not the output of a sweep, or is remote (s3://...), where no running runs are recorded.
    """
    from dabench.execution.status import read_status
    from dabench.storage.paths import mirror_of
    from dabench.storage.remote_fs import is_remote, shown

    if is_remote(runs):
        address = shown(str(runs))
        raise StoreError(
            f"{address}: a remote folder has complete runs only, not the progress; see them with dabench report {address}, "
            f"or run on the machine of the sweep: dabench status {mirror_of(str(runs))}"
        )
    return read_status(Path(runs).expanduser())


def compare(a: str | Path, b: str | Path, *, metric: str | None = None, select: str | None = None) -> Comparison:
    """Compare two tables cell by cell, with intervals of the differences, and compare their conditions.

    Args:
        a, b: each an output folder, a pack, or a committed table (name, or path of a .json or .toml file).
        metric: None: that of the committed table, else accuracy.
        select: selection rule for the checkpoint of each run; None: that of the committed table, else last.

    Raises:
        StoreError, SpecError: one of the two does not exist or cannot be read, or their metrics differ.
    """
    from dabench.analysis.compare import compared, sides

    return compared(*sides(a, b, metric, select))


def leaderboard(*packs: str | Path, to: str | Path) -> list[Path]:
    """Write a page with a row for each method on each task of several tables, and return its files. Trains nothing.

    The page is `to`/index.html. It sorts and filters its rows, and loads no external resources. leaderboard.csv has the same
    rows. The folder records has the .md and .zip of tables that `dabench baseline` wrote.

    Args:
        packs: committed or contributed tables (names, or paths of their .json), packs (.zip), or output folders; none: all
            measured tables that come with dabench. Numbers are computed from their predictions, by metric and selection rule
            of the table; a pack without its table is read by accuracy and the last checkpoint.
        to: the folder to write; an earlier leaderboard in it is replaced.

    Raises:
        SpecError: a name is unknown, or occurs twice.
        StoreError: a pack is missing or damaged, or `to` contains something else.
    """
    from dabench.reporting.board import board_tables
    from dabench.reporting.board_files import check_place, write_board

    folder = Path(to).expanduser()
    check_place(folder)
    return write_board(board_tables(packs), folder)


def cite(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> str:
    """Return BibTeX for the toolkit, the study, and everything that a sweep, its results, or a committed table uses.

    It begins with a comment: a sentence that cites the entries, with version and digest.

    Args:
        what: an output folder, a pack, a sweep (bundled name or path of a .toml file), or a committed table.

    Raises:
        SpecError: `what` is none of these.
    """
    return citations(what, plugins=plugins).text


def citations(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> Citations:
    """Return the sentence, the digest and the entries of which `cite` makes its text."""
    from dabench.analysis.baselines import known_tables, read_baseline, records_of
    from dabench.analysis.export import open_results
    from dabench.analysis.predictions import Predictions
    from dabench.reporting.citation import cite_baseline, cite_results, cite_sweep

    name, path = str(what), Path(what).expanduser()
    results = path if (path / "sweep.json").is_file() or path.suffix == ".zip" else None
    committed = read_baseline(what) if not results and (name in known_tables() or path.suffix == ".json") else None
    if committed and committed["kind"] == "measured":
        results = records_of(what)  # the records are what was run; the sweep of this name may have other settings
    if results:
        stored = open_results(results)
        return cite_results(Predictions(stored, stored.read_sweep(), committed["selection"] if committed else None))
    if committed:  # such as `paper`, which is also a sweep: its results are cited by their folder
        return cite_baseline(committed)
    if name in bundled_sweeps() or path.suffix == ".toml":
        return cite_sweep(sweep_file(what, (), plugins), REGISTRY)
    known = sorted({*bundled_sweeps(), *known_tables()})
    raise SpecError(
        f"'{name}': nothing to cite; use a sweep or baseline ({', '.join(known)}), a .toml file, an output folder or a pack"
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
    """Write test images of a dataset without labels, and a CSV for answers; return the files.

    `report(runs, human=...)` reads the filled-in CSV.

    Args:
        to: a new folder; default human/DATASET.
        images: number of images, balanced over classes as far as possible, drawn by `seed`; default 70, or all if fewer.
        sweep: sweep whose report is to show the answers; it may resize the images and keep some classes only.
        raw, data: folders of raw files, as in `prepare`.
        set: overrides of keys of the sweep, or options of the dataset.

    Raises:
        SpecError: the dataset is not in the sweep, or has fewer test images.
        StoreError: the folder is not empty or cannot be written.
    """
    from dabench.analysis.human import write_quiz

    prepared = _rated(dataset, sweep, raw, data, plugins, set)
    return write_quiz(prepared, _human_folder(to, prepared, ""), images, seed)


def human_serve(
    dataset: str,
    to: str | Path | None = None,
    *,
    settings: StudySettings | None = None,
    raters: int | None = None,
    host: str = "127.0.0.1",
    port: int = 8400,
    url: str | None = None,
    sweep: str | Path | Mapping[str, Any] | None = None,
    raw: str | Path | None = None,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
    announce: Callable[[Path, list[tuple[str, str]]], None] | None = None,
) -> Path:
    """Serve the page of a human study until the process is interrupted; return the folder of the study.

    The same call continues a study. So does `dataset` = its folder.

    Args:
        dataset: a dataset, a sweep with one dataset, or the folder of a study.
        to: folder of the study; default human/DATASET-study.
        settings: choice of images and questions; default `StudySettings()`.
        raters: number of raters; default: 4 for a new study, and those it has for an older one. A study may get more later.
        host, port: where to listen. Other machines reach the page only if `host` is an address of this machine in their network.
        url: address of the page in links, if raters reach it through another server.
        sweep, raw, data, plugins, set: as in `human`.
        announce: is called with the folder, and the name and link of each rater, as soon as links work; default: print them.

    Raises:
        SpecError: a setting is out of its range, the packages of dabench[human] are not installed, the port is not free, or the
            folder has a study with other images or settings.
        StoreError: the folder has other files or cannot be written.
    """
    from dabench.rating.server import address_of, check_installed, is_loopback, listen, run
    from dabench.rating.store import links
    from dabench.rating.study import check_raters

    check_installed()
    check_raters(4 if raters is None else raters)
    given = to or settings or sweep or raw or set
    with closing(_study(dataset, to, settings, lambda: _rated(dataset, sweep, raw, data, plugins, set), bool(given))) as store:
        with listen(host, port) as listening:
            store.add_raters(raters or len(store.raters) or 4)
            if not is_loopback(listening):
                note(
                    f"{host}: other machines reach this page, and it is sent without encryption; use it in a network that you "
                    "trust, or behind a server with https (--url)"
                )
            (announce or _print_links)(store.folder, links(store.raters, url or address_of(listening)))
            run(store, listening)
        return store.folder


def _print_links(folder: Path, links: list[tuple[str, str]]) -> None:
    print(folder, *(f"{name}: {link}" for name, link in links), sep="\n", flush=True)


def _study(
    dataset: str, to: str | Path | None, settings: StudySettings | None, rated: Callable[[], Prepared], given: bool
) -> StudyStore:
    """Open the study in the folder `dataset`, which takes no settings, or make or continue one of the images of `rated()`."""
    from dabench.rating.images import study_images
    from dabench.rating.store import has_study, make_study, open_study
    from dabench.rating.study import StudySettings

    folder = Path(dataset).expanduser()
    if has_study(folder):
        if given:
            raise SpecError(
                f"{folder}: is a study, which keeps its folder, images and settings; give only --raters and the address"
            )
        return open_study(folder)
    settings = settings or StudySettings()
    settings.check()
    prepared = rated()
    return make_study(_human_folder(to, prepared, "-study"), study_images(prepared, settings), settings)


def human_page(
    dataset: str,
    to: str | Path | None = None,
    *,
    settings: StudySettings | None = None,
    raters: int = 4,
    sweep: str | Path | Mapping[str, Any] | None = None,
    raw: str | Path | None = None,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
) -> list[Path]:
    """Write the pages of a human study as files that work from disk, one for each rater; return the pages.

    Args:
        to: a new folder; default human/DATASET-page.
        settings, raters, sweep, raw, data, plugins, set: as in `human_serve`.

    Raises:
        SpecError: a setting is out of its range.
        StoreError: the folder is not empty or cannot be written.
    """
    from dabench.rating.images import study_images
    from dabench.rating.offline import write_pages
    from dabench.rating.study import StudySettings, check_raters

    settings = settings or StudySettings()
    settings.check()
    check_raters(raters)
    prepared = _rated(dataset, sweep, raw, data, plugins, set)
    return write_pages(_human_folder(to, prepared, "-page"), study_images(prepared, settings), settings, raters)


def human_status(folder: str | Path) -> list[dict[str, str]]:
    """Return how far each rater of a study is: one dict for each, with the columns that `dabench human status` prints.

    Raises:
        StoreError: the folder has no study, or its file cannot be read.
    """
    from dabench.rating.status import HEAD, status_rows
    from dabench.rating.store import open_study

    with closing(open_study(Path(folder).expanduser())) as store:
        return [dict(zip(HEAD, row, strict=True)) for row in status_rows(store)]


def human_export(*what: str | Path, to: str | Path | None = None) -> list[Path]:
    """Write answers.csv and raters.csv, and return them. `report(runs, human=...)` reads answers.csv.

    Args:
        what: the folder of a study, or the files that raters sent back.
        to: default: the folder of the study. It is needed for files of raters.

    Raises:
        DataError: a file cannot be read, or contradicts another one.
        StoreError: there are no answers, or files in `to` have lines that would be lost.
    """
    from dabench.rating.export import read_returned, study_rows, write_answers
    from dabench.rating.store import open_study

    paths = [Path(w).expanduser() for w in what]
    folders = [p for p in paths if p.is_dir()]
    if not paths or (folders and len(paths) > 1):
        raise SpecError("give the folder of one study, or the CSV files that raters sent back")
    if folders:
        with closing(open_study(folders[0])) as store:
            rows, raters = study_rows(store)
    elif to is None:
        raise SpecError(f"{paths[0]}: name the folder for the answers with --to")
    else:
        rows, raters = read_returned(paths)
    return write_answers(Path(to).expanduser() if to else folders[0], rows, raters)


def _human_folder(to: str | Path | None, prepared: Prepared, suffix: str) -> Path:
    return Path(to).expanduser() if to else Path("human") / f"{prepared.name.replace('/', '-')}{suffix}"


def _rated(
    dataset: str,
    sweep: str | Path | Mapping[str, Any] | None,
    raw: str | Path | None,
    data: str | Path | None,
    plugins: Sequence[str | Path],
    overrides: Overrides,
) -> Prepared:
    """Return the prepared dataset whose test images people rate, with the images and classes of a sweep if one is named."""
    load_plugins(plugins)
    if sweep is None and names_sweep(dataset):
        sweep, names = dataset, sweep_file(dataset, overrides, plugins).sweep.datasets
        if len(names) > 1:
            raise SpecError(f"{dataset}: has the datasets {', '.join(names)}; name one: {names[0]} --sweep {dataset}")
        dataset = names[0]
    if sweep is None:
        return prepare(dataset, raw=raw, data=data, plugins=plugins, set=overrides)
    if raw:
        raise SpecError(f"raw = {raw}: is the folder of a single dataset, but a sweep is named; use data (--data) instead")
    file = sweep_file(sweep, overrides, plugins)
    if dataset not in file.sweep.datasets:
        known = ", ".join(file.sweep.datasets)
        raise SpecError(f"'{dataset}' is not in sweep {file.sweep.name}{nearest(dataset, file.sweep.datasets)}; it has {known}")
    if file.sweep.folds is not None:
        raise SpecError(f"sweep {file.sweep.name} has folds; make the quiz of one test split, without folds in the sweep")
    return plan_of(file, data, note).prepared[dataset]


def network(
    runs: str | Path,
    adapter: str,
    *,
    to: str,
    source: str | None = None,
    seed: int | None = None,
    fold: int | None = None,
    plugins: Sequence[str | Path] = (),
) -> StoredNetwork:
    """Return a trained network of a results folder, with its classes and the preprocessing of images.

        found = dabench.network("runs/quick", "dann", to="uci-digits", seed=0)
        probabilities = found.network(found.preprocessing("image.png")).softmax(1)

    Args:
        runs: output folder of `sweep`; a pack has no networks.
        adapter: an adapter of the sweep, as its tables name it; "none" for the network without adaptation.
        to: the target; for a network without adaptation, the dataset that its images are like.
        source: the sources, "a" or "a + b", if the choice is not clear without.
        seed, fold: of the run; default: the first that is complete.

    Raises:
        SpecError: the choice names something that the sweep does not have, or a test-time method.
        StoreError: `runs` is no results folder, or the run is not complete or damaged.
    """
    from dabench.inference.stored import NetworkChoice, StoredNetworks

    load_plugins(plugins)
    found = StoredNetworks(runs, NetworkChoice(adapter, to, source, seed, fold), REGISTRY)
    return found.open(found.runs[0])


def predict(
    runs: str | Path,
    images: str | Path | Sequence[str | Path],
    *,
    adapter: str,
    to: str,
    source: str | None = None,
    seed: int | None = None,
    fold: int | None = None,
    frames: int | None = None,
    out: str | Path | None = None,
    quiet: bool = True,
    plugins: Sequence[str | Path] = (),
) -> ImagePredictions:
    """Predict images and clips by the networks of a results folder: the mean of their probabilities.

    Args:
        runs, adapter, to, source: as in `network`. seed, fold: of the run; default: all runs.
        images: files, folders (with everything below them) or zips of images; clips are predicted frame by frame.
        frames: frames that are taken from each clip; default: as in the target, else 30.
        out: a new CSV for the predictions.
        quiet: show no progress bar.

    Raises:
        SpecError, StoreError: as `network`; or `out` exists.
        DataError: no image can be read. If some cannot, they are in `bad` of the result.
    """
    from dabench.inference.inputs import input_files, with_frames
    from dabench.inference.predict import predict_files, refuse_existing, write_predictions
    from dabench.inference.stored import NetworkChoice, StoredNetworks
    from dabench.reporting.progress_bars import progress_bar

    path = Path(out).expanduser() if out else None
    if path:
        refuse_existing(path, "--out")
    load_plugins(plugins)
    networks = StoredNetworks(runs, NetworkChoice(adapter, to, source, seed, fold), REGISTRY)
    given = input_files([images] if isinstance(images, str | Path) else images)
    with progress_bar(stderr_console(quiet), "predicting", len(given.files)) as done:
        found = predict_files(networks, given, with_frames(networks.preprocessing, frames), done)
    if path:
        write_predictions(found, path)
    return found


def export_network(
    runs: str | Path,
    out: str | Path,
    *,
    adapter: str,
    to: str,
    source: str | None = None,
    seed: int | None = None,
    fold: int | None = None,
    format: Literal["safetensors", "pt2", "torchscript", "onnx"] = "safetensors",
    plugins: Sequence[str | Path] = (),
) -> ExportedNetwork:
    """Write a network of a results folder for programs without dabench, with a model card.

    Args:
        runs, adapter, to, source, seed, fold: as in `network`.
        out: a new folder.
        format: "safetensors": weights and plain torch code; "pt2": torch.export; "torchscript": its
            deprecated predecessor; "onnx": needs the extra dabench[onnx].

    Raises:
        SpecError, StoreError: as `network`; or a package is missing, `out` exists, or the network has no plain code.
    """
    from dabench.inference.export import FORMATS, export_stored
    from dabench.inference.stored import NetworkChoice, StoredNetworks

    if format not in FORMATS:
        raise SpecError(f"format '{format}': must be {', '.join(FORMATS)}{nearest(format, FORMATS)}")
    load_plugins(plugins)
    networks = StoredNetworks(runs, NetworkChoice(adapter, to, source, seed, fold), REGISTRY, whole=True)
    return export_stored(networks, format, Path(out).expanduser())


def score(
    runs: str | Path,
    network: str | Path,
    *,
    backbone: str | None = None,
    classes: Sequence[str] = (),
    name: str | None = None,
    out: str | Path | None = None,
    data: str | Path | None = None,
    quiet: bool = True,
    plugins: Sequence[str | Path] = (),
) -> NetworkScores:
    """Predict the test splits of a sweep by a network of your own, under the preprocessing of the sweep.

    Args:
        runs: output folder of `sweep`.
        network: a file of weights (.safetensors, .pth, .pt), or an ONNX file (needs the extra dabench[onnx]).
        backbone: the backbone of the weights; not for an ONNX file.
        classes: the classes of the network's outputs in their order; default: those of the sweep.
        name: its name in tables; default: the name of the file.
        out: a new CSV for the predictions; default: none.
        data: folder of raw datasets; default DABENCH_DATA.
        quiet: show no progress bar.

    Raises:
        SpecError, PluginError: the file cannot be read or is of another network, or its classes are not those of the sweep.
        StoreError: `runs` is no results folder, its test images are others than those of `data`, or `out` exists.
        DataError: raw files are missing.
    """
    from dabench.inference.predict import refuse_existing
    from dabench.inference.score import score_network, write_scores
    from dabench.reporting.progress_bars import count_bars

    file, path = Path(network).expanduser(), Path(out).expanduser() if out else None
    if path:
        refuse_existing(path, "--out")
    load_plugins(plugins)
    console = stderr_console(quiet)
    notify: Callable[[str], None] = (lambda line: None) if quiet else note
    with count_bars(console) as done:
        found = score_network(runs, file, backbone, classes, name or file.stem, data_folder(data), REGISTRY, notify, done)
    if path:
        write_scores(found, path)
    return found
