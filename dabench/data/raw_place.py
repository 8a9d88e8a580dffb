"""Say which folder to give where --data or --raw names another level of the raw files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dabench.errors import DataError
from dabench.plugins.contract import Dataset


@contextmanager
def raw_place(dataset: Dataset, data: Path, raw: Path | None = None) -> Iterator[Path]:
    """Yield the folder of the raw files: `raw`, or the one of the dataset below `data`.

    Raises:
        DataError: as inside; the message names the dataset, and the folder to give if `raw` or `data` is one level too deep.
    """
    try:
        yield dataset.raw_in(data) if raw is None else raw
    except DataError as e:
        who = "" if dataset.name in str(e) else f"dataset '{dataset.name}': "
        raise DataError(f"{who}{str(e.args[0]).removesuffix('.')}{_other_level(dataset, data, raw)}") from e


def _other_level(dataset: Dataset, data: Path, raw: Path | None) -> str:
    """Return the folder to give instead; "" if the one that was given is right, or its raw files are nowhere near it."""
    own = dataset.raw_in(Path())
    if raw is None and not (data / own).is_dir() and data.parts[-len(own.parts) :] == own.parts:
        above = data.parents[len(own.parts) - 1]
        return f"; --data is the folder above {own}: give --data {above}"
    if raw is not None and dataset.variant and raw.name == dataset.variant and dataset.raw_folder:
        return f"; --raw is the folder of all members of the family: give --raw {raw.parent}"
    return ""
