"""A contact sheet of prepared datasets: what a person should look at before training on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.data.cache import Prepared
from dabench.errors import SpecError, StoreError
from dabench.reporting.tiles import Tile, contact_sheet


def sheet_path(name: str) -> Path:
    """Return the place that --sheet names; raise SpecError if that cannot be a sheet, since it replaces what is there."""
    if not name.lower().endswith(".png"):
        raise SpecError(f"--sheet {name}: the name must end in .png")
    return Path(name)


def write_sheet(sets: Iterable[Prepared], path: Path, pictures: int = 12) -> None:
    """Write the sheet: for each split of each set a row for each class, with `pictures` of as many subjects as there are.

    Raises:
        StoreError: it cannot be written.
    """
    sheet = contact_sheet([line for prepared in sets for line in _lines(prepared, pictures)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except OSError as e:
        raise StoreError(f"{path}: cannot be written ({e.strerror or e}); give another file with --sheet") from e


def _lines(prepared: Prepared, pictures: int) -> Iterator[str | list[Tile | None]]:
    for split in prepared.splits:
        samples, labels = prepared.samples(split), prepared.labels(split)
        what = "subject" if "subject" in samples.attributes else "group"
        who = samples.attributes.get("subject", samples.groups)
        for number, name in enumerate(prepared.classes):
            at = np.flatnonzero(labels == number)
            of = 0 if who is None else len(np.unique(who[at]))
            yield f"{prepared.name} {split}: {name}, {len(at):,} pictures" + (f" of {of:,} {what}{'s'[: of > 1]}" if of else "")
            chosen = (at if who is None else _varied(at, who))[:pictures]
            yield [(np.asarray(samples.images[i]), str(i if who is None else who[i])) for i in chosen.tolist()]


def _varied(at: NDArray[np.int64], who: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return positions with the first of each subject before all others, so that a few of them show many subjects."""
    first = np.sort(np.unique(who[at], return_index=True)[1])
    return np.concatenate([at[first], np.delete(at, first)])
