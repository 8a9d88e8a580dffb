"""Read and write drop lists (CSV), and make the cleaned variant of a dataset from one.

A row names an image by its position in the prepared split and by the digest of its pixels, and the dataset by the digest of
its content, so a list cannot drop other images than those it was made for. Rows may be removed; the other rows stay valid.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from dabench.data.cache import FORMAT, DatasetContent, Notify, Prepared, cached
from dabench.data.csv_files import read_rows
from dabench.data.fingerprints import fingerprints
from dabench.data.lazy import select_images
from dabench.data.splits import take
from dabench.errors import DataError, StoreError
from dabench.hashing import digest, file_digest
from dabench.storage.atomic import write_text

DropReason = Literal["constant", "conflicting labels", "subject in test", "identical", "near-identical"]

COLUMNS = ("dataset", "digest", "split", "position", "pixels", "class", "reason", "kept")

_DIGITS = 16
"""Hex digits of the dataset's digest in a list: enough to distinguish versions of a dataset, and short enough to read."""


@dataclass(frozen=True)
class DroppedImage:
    """An image to leave out: split, position, digest of its pixels, class, reason, and where a copy is kept (or "")."""

    split: str
    position: int
    pixels: str
    label: str
    reason: DropReason
    kept: str


def write_list(path: Path, prepared: Prepared, drops: Sequence[DroppedImage]) -> None:
    """Write the drop list of `prepared`; the same drops give the same bytes.

    Raises:
        StoreError: a different list exists at `path`; sweeps may use it.
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([prepared.name, prepared.digest[:_DIGITS], *astuple(drop)] for drop in drops)
    if path.exists() and path.read_bytes() != text.getvalue().encode():
        raise StoreError(f"{path}: holds a different list, which sweeps may use; remove it, or give another folder with --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())


def without(prepared: Prepared, path: Path, *, rebuild: bool = False, notify: Notify = print) -> Prepared:
    """Return the dataset without the images of a drop list. It is made once and kept in the cache beside the whole dataset.

    Raises:
        DataError: the list cannot be read, belongs to another version of the dataset, or leaves a class of a split empty.
    """
    try:
        listed = file_digest(path)
    except OSError as e:
        raise DataError(f"{path}: the drop list cannot be read ({e.strerror}); {_again(prepared.name)}") from e
    key = digest([FORMAT, prepared.digest, listed])
    folder = prepared.folder.with_name(f"{prepared.folder.name}-dropped-{key[:16]}")

    def make() -> DatasetContent:
        drops = _checked(path, prepared)
        notify(f"dropping {len(drops):,} images of {prepared.name} ...")
        splits = {}
        for split in prepared.splits:
            leave = np.zeros(prepared.count(split), dtype=bool)
            leave[[d.position for d in drops if d.split == split]] = True
            splits[split] = take(prepared.samples(split), np.flatnonzero(~leave))
        dropped = _record(listed, prepared, drops)
        return DatasetContent(prepared.classes, splits, dropped, prepared.notes, store=prepared.store)

    return replace(cached(folder, prepared.name, make, rebuild=rebuild, notify=notify), name=prepared.name)


def _record(listed: str, prepared: Prepared, drops: Sequence[DroppedImage]) -> dict[str, Any]:
    number, reasons = Counter(d.split for d in drops), Counter(d.reason for d in drops)
    images = {s: number[s] for s in prepared.splits if number[s]}
    return {
        "list": listed,
        "images": images,
        "of": {s: prepared.count(s) for s in images},
        "reasons": {r: reasons[r] for r in get_args(DropReason) if reasons[r]},
    }


def _checked(path: Path, prepared: Prepared) -> list[DroppedImage]:
    """Return the drops of a list; raise DataError, which names the line, if the list does not fit `prepared`."""
    drops: dict[tuple[str, int], tuple[int, DroppedImage]] = {}
    for line, row in read_rows(path, COLUMNS, gaps=True):
        drop = _drop(path, line, row, prepared)
        place = drop.split, drop.position
        if place in drops:
            raise DataError(f"{path}, line {line}: {drop.split} {drop.position} is already in line {drops[place][0]}; remove one")
        drops[place] = line, drop
    if not drops:
        raise DataError(f"{path}: lists no image to drop; remove drop from the sweep, or {_again(prepared.name)}")
    for split in prepared.splits:
        here = [(line, drop) for line, drop in drops.values() if drop.split == split]
        _check_split(path, prepared, split, here)
    return [drop for _, drop in drops.values()]


def _check_split(path: Path, prepared: Prepared, split: str, drops: Sequence[tuple[int, DroppedImage]]) -> None:
    """Raise DataError if the pixels of an image differ from the list, or if a class would have no image left."""
    at = np.array([drop.position for _, drop in drops], dtype=np.int64)
    pixels = fingerprints(select_images(prepared.samples(split).images, at)).pixels
    for (line, drop), there in zip(drops, pixels.tolist(), strict=True):
        if drop.pixels != there.decode():
            raise DataError(
                f"{path}, line {line}: the image {split} {drop.position} has the pixels {there.decode()}, but the list has "
                f"{drop.pixels!r}; undo the change, or move the list away and {_again(prepared.name)}"
            )
    if not prepared.labelled:
        return
    gone = np.bincount(prepared.labels(split)[at], minlength=len(prepared.classes))
    for label, count in zip(prepared.classes, gone.tolist(), strict=True):
        if count and count == prepared.splits[split]["classes"][label]:
            raise DataError(
                f"{path}: leaves no image of class '{label}' in {split} of '{prepared.name}'; "
                "remove lines of that class from the list"
            )


def _drop(path: Path, line: int, row: Mapping[str, str], prepared: Prepared) -> DroppedImage:
    where, split, position = f"{path}, line {line}", row["split"], row["position"]
    if row["digest"] != prepared.digest[:_DIGITS]:
        raise DataError(
            f"{where}: belongs to another version of '{row['dataset']}' (digest {row['digest']!r}; the digest here is "
            f"{prepared.digest[:_DIGITS]!r}); move the list away and {_again(row['dataset'])}"
        )
    if split not in prepared.splits:
        raise DataError(f"{where}: split = {split!r}: must be one of {', '.join(prepared.splits)}")
    if not position.isdecimal() or len(position) > 15 or int(position) >= prepared.count(split):
        raise DataError(f"{where}: position = {position!r}: must be 0 to {prepared.count(split) - 1:,}, the last one")
    for reason in get_args(DropReason):
        if row["reason"] == reason:
            return DroppedImage(split, int(position), row["pixels"], row["class"], reason, row["kept"])
    raise DataError(f"{where}: reason = {row['reason']!r}: must be one of {', '.join(get_args(DropReason))}")


def _again(name: str) -> str:
    return f"make it again: dabench audit {name} --drop (or the sweep that declares '{name}')"
