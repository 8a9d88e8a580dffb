"""Prepare the datasets of a sweep; if raw files are missing, name all datasets that lack them, and how to get each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from dabench.data.cache import Notify, Prepared
from dabench.data.prepare import prepare_dataset
from dabench.data.raw_place import raw_place
from dabench.errors import DataError, MissingFilesError
from dabench.plugins.contract import Dataset

_WIDTH = 110


def prepare_all(datasets: Mapping[str, Dataset], data: Path, cache: Path, notify: Notify) -> dict[str, Prepared]:
    """Return the prepared datasets by name.

    Nothing is prepared if the raw folder of a dataset does not exist.

    Raises:
        MissingFilesError: raw files are missing.
        DataError: a dataset cannot be prepared.
    """
    if any(not d.raw_in(data).exists() for d in datasets.values() if _has_place(d)):
        _refuse(lacking(datasets, data), datasets, data)
    prepared: dict[str, Prepared] = {}
    for name, dataset in datasets.items():
        try:
            with raw_place(dataset, data) as place:
                prepared[name] = prepare_dataset(dataset, place, cache, notify=notify)
        except DataError as e:
            missing = lacking({n: d for n, d in datasets.items() if n not in prepared}, data)
            _refuse(missing | ({name: e} if name in missing else {}), datasets, data)
            raise
    return prepared


def lacking(datasets: Mapping[str, Dataset], data: Path) -> dict[str, DataError]:
    """Return the datasets that have no raw files, each with the error that says so. Only lists of files are read.

    Datasets that need none are left out, and those that the user declares with a path of their own.
    """
    found = {}
    for name, dataset in ((n, d) for n, d in datasets.items() if _has_place(d)):
        try:
            with raw_place(dataset, data) as place:
                if not dataset.raw_files(place):
                    told = dataset.download_instructions
                    raise DataError(f"dataset '{dataset.name}': its raw files are not in {place}. {told}")
        except DataError as e:
            found[name] = e
        except OSError:
            continue  # what cannot be listed is reported when it is read
    return found


def _has_place(dataset: Dataset) -> bool:
    """Whether the raw files of a dataset belong below the folder of all raw datasets."""
    return bool(dataset.download_instructions) and not getattr(dataset.options, "path", "")


def _refuse(missing: Mapping[str, DataError], datasets: Mapping[str, Dataset], data: Path) -> None:
    """Raise an error with one block for each raw folder whose files are missing."""
    blocks: dict[tuple[Path, str], list[str]] = {}
    for name in missing:
        blocks.setdefault((datasets[name].raw_in(data), datasets[name].download_instructions), []).append(name)
    if blocks:
        many = f"{len(missing)} of {len(datasets)} datasets have no raw files"
        where = f"Raw folders are below {data}, which --data or DABENCH_DATA changes"
        told = (_block(names, datasets[names[0]], str(missing[names[0]])) for names in blocks.values())
        text = "\n\n".join([f"{many}. {where}.", *told, "Then give the same command again."])
        raise MissingFilesError(*text.split("\n"))


def _block(names: Iterable[str], dataset: Dataset, error: str) -> str:
    """Return the names of datasets with the same raw files, what is missing, how to get it, license and page."""
    instructions = dataset.download_instructions
    what = error.removeprefix(f"dataset '{dataset.name}': ").replace(instructions.removesuffix("."), "").rstrip(". ")
    lines = [what.replace(". ;", ";"), instructions, f"License: {dataset.license or 'not known'}"]
    lines += [f"Page: {dataset.homepage}"] if dataset.homepage else []
    filled = (textwrap.fill(line, _WIDTH, break_long_words=False, break_on_hyphens=False) for line in lines if line)
    return "\n".join([", ".join(names), *(textwrap.indent(line, "  ") for line in filled)])
