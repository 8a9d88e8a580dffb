"""Datasets: prepared, looked at, cleaned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench.api.plugins import load_plugins
from dabench.api.saying import console, note
from dabench.errors import DataError, SpecError
from dabench.experiment.resolve import make_alone, make_dataset
from dabench.experiment.sweep_file import Overrides, as_pairs, shelf, sweep_file
from dabench.plugins.contract import Dataset
from dabench.plugins.registry import REGISTRY
from dabench.storage.paths import cache_folder, data_folder

if TYPE_CHECKING:
    from dabench.data.audit import Audit
    from dabench.data.cache import Prepared
    from dabench.data.clean import Cleaned


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
    made = make_alone(dataset, as_pairs(set), REGISTRY)
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
    from dabench.data.prepare import prepare as prepare_dataset

    if dataset.files:
        from dabench.data.download import fetch
        from dabench.report.terminal import Download

        with Download(console(False)) as bar:
            fetch(dataset.files, raw, say=note, progress=bar)
    return prepare_dataset(dataset, raw, cache_folder(), rebuild=rebuild, say=note)


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
    from dabench.data.audit import RADIUS, unreadable
    from dabench.data.audit import audit as look
    from dabench.data.prepare import prepare as prepare_dataset

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
            prepared.append(prepare_dataset(dataset, folders[name], cache_folder(), say=note))
        except DataError:
            found = [] if dataset.drop else unreadable(dataset, folders[name])
            if not found:
                raise
            bad += found
    return look(prepared, radius=None if radius < 0 else radius, unreadable=bad)


def drop(found: Audit, folder: str | Path, *, near: bool = False) -> list[Cleaned]:
    """Write lists of what to drop of the datasets of an audit into `folder`, and make their cleaned variants in the cache.

    The rule, and what is raised, is said in `dabench.data.clean`. A sweep uses a list by `drop = "FILE"` under [dataset.NAME].

    Args:
        near: near-identical pictures, too.
    """
    from dabench.data.clean import drop as drop_of

    return drop_of(found, Path(folder).expanduser(), near=near, say=note)


def names_sweep(name: str | Path) -> bool:
    """Whether a name is that of a sweep: on the shelf or a .toml file, and no dataset's."""
    known = {e.name for e in REGISTRY.entries("dataset")}
    return str(name) not in known and (str(name) in shelf() or Path(name).suffix == ".toml")


def _datasets_of(name: str | Path, overrides: Overrides) -> list[Dataset]:
    """Return the dataset of that name, or those of the sweep of that name or path."""
    if names_sweep(name):
        file = sweep_file(name, overrides, ())
        return [make_dataset(file.sweep, d, REGISTRY) for d in file.sweep.datasets]
    return [make_alone(str(name), as_pairs(overrides), REGISTRY)]
