"""Prepare datasets: decode each once into the cache, and derive the variant (size, channels, classes) that a sweep needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.data.cache import FORMAT, DatasetContent, Notify, Prepared, cached, open_prepared
from dabench.data.drop_list import without
from dabench.data.lazy import LazyImages
from dabench.data.skipped import SkippingSplits
from dabench.data.splits import checked, take
from dabench.data.validation import with_every_class
from dabench.errors import DataError, printable
from dabench.hashing import digest
from dabench.plugins.code_hash import code_digest, modules_digest
from dabench.plugins.contract import Dataset


def prepare_dataset(dataset: Dataset, raw: Path, cache: Path, *, rebuild: bool = False, notify: Notify = print) -> Prepared:
    """Return the dataset from the cache. Make it first if it is missing, out of date or damaged.

    If the dataset has a `drop` list, return its cleaned variant, which is cached beside the whole dataset.

    Args:
        dataset: the plugin, with its options.
        raw: the folder with its raw files; not used if the dataset needs none.
        cache: the folder of all prepared datasets.
        rebuild: make it again even if it exists.
        notify: called with one line for each step and for each note of the dataset.

    Raises:
        DataError: the raw files or the list are missing or wrong, or the samples break the contract.
        StoreError: the cache cannot be written.
    """
    folder = _folder(dataset, raw, cache)

    def make() -> DatasetContent:
        notify(f"preparing {dataset.name} ...")
        with _raw_files_of(dataset):
            found = at_work(dataset, cache).prepare(raw)
            skips = found if isinstance(found, SkippingSplits) else SkippingSplits({}, {})
            splits = checked(dataset.with_facts(counts=skips.counts(dataset.counts)), found)
        store = _store(dataset)
        notes = (*map(printable, splits.notes), *([_LOSSY.format(**store)] if store else []))
        return DatasetContent(splits.classes, with_every_class(splits), notes=notes, skipped=skips.skipped, store=store)

    prepared = replace(cached(folder, dataset.name, make, rebuild=rebuild, notify=notify), name=dataset.name)
    for note in prepared.notes:
        notify(f"{dataset.name}: {note}")
    return without(prepared, Path(dataset.drop), rebuild=rebuild, notify=notify) if dataset.drop else prepared


_LOSSY = "images are stored as JPEG of quality {quality}, so pixels differ slightly from those of the raw files"


def _store(dataset: Dataset) -> dict[str, Any]:
    """Return how the images of the dataset are compressed, as in `Prepared`."""
    return {"codec": "jpeg", "quality": dataset.store_quality} if dataset.store == "jpeg" else {}


def at_work(dataset: Dataset, cache: Path) -> Dataset:
    """Return the dataset with a working folder: its own, or else one inside the cache."""
    return dataset if dataset.work else dataset.with_facts(work=cache / ".clips")


def prepared_if_current(dataset: Dataset, raw: Path, cache: Path) -> Prepared | None:
    """Return the dataset if it is prepared from the current raw files, without verifying its arrays.

    Raises:
        DataError: the raw files are missing or cannot be read.
    """
    folder = _folder(dataset, raw, cache)
    return open_prepared(folder) if (folder / "prepared.json").is_file() else None


def _folder(dataset: Dataset, raw: Path, cache: Path) -> Path:
    """Return the cache folder of the dataset as prepared from the current raw files."""
    with _raw_files_of(dataset):
        facts = ((path, path.stat()) for path in dataset.raw_files(raw))
        files = digest([[os.path.relpath(path, raw), now.st_size, now.st_mtime_ns] for path, now in facts])
    plugin = dataset.plugin or dataset.name  # a dataset with two names is decoded once
    code = [code_digest(dataset), modules_digest(checked.__module__, with_every_class.__module__)]
    store = _store(dataset)
    key = digest([FORMAT, plugin, code, repr(dataset.options), files, *([store] if store else [])])
    return cache / f"{plugin.replace('/', '-')}-{key[:16]}"


def reshaped(
    prepared: Prepared,
    channels: int,
    size: int,
    classes: tuple[str, ...],
    renames: Mapping[str, str] = {},
    *,
    notify: Notify = print,
) -> Prepared:
    """Return the dataset with square images of `size` pixels, `channels` (1 or 3), and only `classes`, in that order.

    The result is made once and cached beside the original. If nothing changes, it is the original.

    Args:
        renames: class of the original -> its name in `classes`; several classes may become one.
    """
    if prepared.shape == (channels, size, size) and prepared.classes == classes and not renames:
        return prepared
    code = modules_digest(reshaped.__module__, "dabench.data.images")
    own = [dict(prepared.store)] if prepared.store else []
    key = digest([FORMAT, code, prepared.digest, dict(prepared.dropped), channels, size, classes, dict(renames), *own])
    folder = prepared.folder.parent / f"{prepared.name.replace('/', '-')}-{channels}x{size}x{size}-{key[:16]}"

    def make() -> DatasetContent:
        # Imported here: only datasets whose images change need pillow.
        from dabench.data.images import resized

        notify(f"resizing {prepared.name} to {channels}x{size}x{size} ...")
        splits = {}
        for split in prepared.splits:
            kept, labels = _selected(prepared, split, classes, renames)
            old = prepared.samples(split)
            images = LazyImages(
                (len(kept), channels, size, size),
                lambda at, images=old.images, kept=kept: resized(images, kept[at], channels, size),  # type: ignore[misc]
            )
            splits[split] = replace(take(old, kept), images=images, labels=labels)
        return DatasetContent(classes, splits, prepared.dropped, prepared.notes, store=prepared.store)

    return cached(folder, prepared.name, make, rebuild=False, notify=notify)


def _selected(
    prepared: Prepared, split: str, classes: tuple[str, ...], renames: Mapping[str, str]
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return the positions of the images whose class is kept, and their labels in the new numbering; all if there are none."""
    if not prepared.labelled:
        return np.arange(prepared.count(split)), None
    numbers = {name: number for number, name in enumerate(classes)}
    new = np.array([numbers.get(renames.get(name, name), -1) for name in prepared.classes], dtype=np.int64)
    labels = new[prepared.labels(split)]
    kept = np.flatnonzero(labels >= 0)
    return kept, labels[kept]


@contextmanager
def _raw_files_of(dataset: Dataset) -> Iterator[None]:
    """Turn an OSError while raw files are read into a DataError."""
    try:
        yield
    except OSError as e:
        what = f"{e.filename}: cannot be read ({e.strerror})" if e.filename else f"raw files cannot be read ({e})"
        raise DataError(f"dataset '{dataset.name}': {what}; check that the files exist, are complete and can be read") from e
