"""Datasets prepared: decoded once into the cache, and made there into what a sweep needs of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.data.cache import FORMAT, DatasetContent, Notify, Prepared, cached, open_prepared
from dabench.data.drop_list import without
from dabench.data.lazy import LazyImages
from dabench.data.splits import checked, take, with_validation
from dabench.errors import DataError
from dabench.hashing import digest
from dabench.plugins.code_hash import code_digest, modules_digest
from dabench.plugins.contract import Dataset


def prepare_dataset(dataset: Dataset, raw: Path, cache: Path, *, rebuild: bool = False, notify: Notify = print) -> Prepared:
    """Return the dataset from the cache, making it first where it is missing, out of date or damaged.

    Where the dataset has a `drop` list, the set without those pictures is returned; it lies beside the whole one.

    Args:
        dataset: the plugin, with its options.
        raw: the folder with its raw files; not looked at if it needs none.
        cache: the folder of all prepared sets.
        rebuild: make it again even if it is there.
        notify: is told what happens, and the notes of the set, one line a call.

    Raises:
        DataError: the raw files or the list are missing or wrong, or the samples break the contract.
        StoreError: the cache cannot be written.
    """
    folder = _folder(dataset, raw, cache)

    def make() -> DatasetContent:
        notify(f"preparing {dataset.name} ...")
        with _raw_files_of(dataset):
            splits = checked(dataset, at_work(dataset, cache).prepare(raw))
        return DatasetContent(splits.classes, with_validation(splits), notes=splits.notes)

    prepared = replace(cached(folder, dataset.name, make, rebuild=rebuild, notify=notify), name=dataset.name)
    for note in prepared.notes:
        notify(f"{dataset.name}: {note}")
    return without(prepared, Path(dataset.drop), rebuild=rebuild, notify=notify) if dataset.drop else prepared


def at_work(dataset: Dataset, cache: Path) -> Dataset:
    """Return the dataset with a folder to work in: its own, else one below the folder of all prepared sets."""
    return dataset if dataset.work else dataset.with_facts(work=cache / ".clips")


def prepared_if_current(dataset: Dataset, raw: Path, cache: Path) -> Prepared | None:
    """Return the dataset if it is prepared from the raw files as they are now; what is there is not looked through.

    Raises:
        DataError: the raw files are missing or cannot be read.
    """
    folder = _folder(dataset, raw, cache)
    return open_prepared(folder) if (folder / "prepared.json").is_file() else None


def _folder(dataset: Dataset, raw: Path, cache: Path) -> Path:
    """Return where in the cache the dataset belongs that is made of the raw files as they are now."""
    with _raw_files_of(dataset):
        facts = ((path, path.stat()) for path in dataset.raw_files(raw))
        files = digest([[os.path.relpath(path, raw), now.st_size, now.st_mtime_ns] for path, now in facts])
    plugin = dataset.plugin or dataset.name  # one set under two names is decoded once
    code = [code_digest(dataset), modules_digest(checked.__module__)]
    key = digest([FORMAT, plugin, code, repr(dataset.options), files])
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
    """Return the set with square images of `size` pixels, `channels` 1 or 3, and only `classes`, in that order.

    The result lies in the cache beside the original and is made once; where nothing changes it is the original.

    Args:
        renames: class of the original -> its name among `classes`; several may become one.
    """
    if prepared.shape == (channels, size, size) and prepared.classes == classes and not renames:
        return prepared
    code = modules_digest(reshaped.__module__, "dabench.data.images")
    key = digest([FORMAT, code, prepared.digest, dict(prepared.dropped), channels, size, classes, dict(renames)])
    folder = prepared.folder.parent / f"{prepared.name.replace('/', '-')}-{channels}x{size}x{size}-{key[:16]}"

    def make() -> DatasetContent:
        # Imported here: pillow serves only the sets whose images change.
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
        return DatasetContent(classes, splits, prepared.dropped, prepared.notes)

    return cached(folder, prepared.name, make, rebuild=False, notify=notify)


def _selected(
    prepared: Prepared, split: str, classes: tuple[str, ...], renames: Mapping[str, str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the images whose class is kept, and their labels in the new numbering."""
    numbers = {name: number for number, name in enumerate(classes)}
    new = np.array([numbers.get(renames.get(name, name), -1) for name in prepared.classes], dtype=np.int64)
    labels = new[prepared.labels(split)]
    kept = np.flatnonzero(labels >= 0)
    return kept, labels[kept]


@contextmanager
def _raw_files_of(dataset: Dataset) -> Iterator[None]:
    """What the system says while raw files are read is an error of the data, not of the cache."""
    try:
        yield
    except OSError as e:
        what = f"{e.filename}: cannot be read ({e.strerror})" if e.filename else f"raw files cannot be read ({e})"
        raise DataError(f"dataset '{dataset.name}': {what}; are they there, whole, and may you read them?") from e
