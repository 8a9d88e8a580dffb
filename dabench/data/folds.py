"""Divide prepared datasets into folds. All images of a dataset are tested, each once, in the fold that holds it.

The images of all splits are put together. In fold k, those of part k are the test split, and a validation split is held out of
the others. Whole groups lie in one part where groups are known, and classes are spread evenly as far as groups allow.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dabench.data.cache import FORMAT, DatasetContent, Notify, Prepared, cached
from dabench.data.lazy import LazyImages
from dabench.data.splits import hash_order, take
from dabench.data.validation import with_every_class
from dabench.errors import DataError
from dabench.hashing import digest
from dabench.plugins.code_hash import modules_digest
from dabench.plugins.contract import Samples
from dabench.storage.schema import Folds


def fold_count(prepared: Prepared, folds: Folds) -> int:
    """Return the number of folds of a dataset.

    Raises:
        DataError: the dataset cannot be divided in this way.
    """
    who = f"dataset '{prepared.name}'"
    groups = groups_of(prepared)
    if not isinstance(folds, int):
        if groups is None:
            raise DataError(f"{who}: its groups are not known, so folds = '{folds}' cannot divide it; set folds = 5, for example")
        return _enough(who, len(np.unique(groups)), "groups")
    what, most = ("groups", len(np.unique(groups))) if groups is not None else ("images of its largest class", _largest(prepared))
    if folds > _enough(who, most, what):
        raise DataError(f"{who}: has {most} {what}, too few for folds = {folds}; set folds = {most} or fewer")
    return folds


def folded(prepared: Prepared, folds: Folds, *, notify: Notify = print) -> tuple[Prepared, ...]:
    """Return the dataset of each fold, with the splits train, val and test. Each is made once and cached beside the original.

    Raises:
        DataError: the dataset cannot be divided in this way.
    """
    count = fold_count(prepared, folds)
    code = modules_digest(folded.__module__)

    @cache
    def divided() -> tuple[Samples, NDArray[np.int64]]:
        whole = pooled([prepared.samples(split) for split in prepared.splits])
        whole = take(whole, hash_order(whole.images))
        size = count * int(np.prod(whole.images.shape)) / 1_000_000
        notify(f"dividing {prepared.name} into {count} folds ({size:,.0f} MB in the cache) ...")
        labels = np.zeros(len(whole.images), np.int64) if whole.labels is None else whole.labels
        part = parts_of(labels, whole.groups, folds)
        if len(np.unique(part)) < count:
            raise DataError(f"dataset '{prepared.name}': its groups do not fill {count} folds; set fewer folds")
        return whole, part

    def make(number: int) -> DatasetContent:
        whole, part = divided()
        splits = {"train": take(whole, np.flatnonzero(part != number)), "test": take(whole, np.flatnonzero(part == number))}
        divided_splits = with_every_class(splits)
        return DatasetContent(prepared.classes, divided_splits, prepared.dropped, prepared.notes, store=prepared.store)

    found = []
    for number in range(count):
        key = digest([FORMAT, code, prepared.digest, dict(prepared.dropped), folds, number])
        folder = prepared.folder.with_name(f"{prepared.folder.name}-fold-{number + 1}-of-{count}-{key[:16]}")
        made = cached(folder, prepared.name, lambda number=number: make(number), rebuild=False, notify=notify)  # type: ignore[misc]
        found.append(replace(made, name=prepared.name))
    return tuple(found)


def parts_of(labels: NDArray[np.int64], groups: NDArray[np.int64] | None, folds: Folds) -> NDArray[np.int64]:
    """Return the part (N,) of each image, from 0.

    Args:
        labels: (N,) classes, which the parts share evenly as far as groups allow.
        groups: (N,) groups, each wholly in one part; None if they are not known.
    """
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

    if isinstance(folds, int):
        by = (StratifiedKFold if groups is None else StratifiedGroupKFold)(folds, shuffle=True, random_state=0)
    else:
        by = LeaveOneGroupOut()
    part = np.empty(len(labels), np.int64)
    with warnings.catch_warnings():
        # A class with fewer images than folds is missing in some test parts. It must not be missing in a training part.
        warnings.filterwarnings("ignore", "The least populated class")
        for number, (_, held) in enumerate(by.split(labels, labels, groups)):
            part[held] = number
    return part


def pooled(parts: Sequence[Samples]) -> Samples:
    """Return the samples of several splits or folds as one, in this order, without reading their images.

    Groups and labels are those of all parts, or None. Attributes are those that every part has.
    """
    images = [part.images for part in parts]
    _, c, h, w = images[0].shape
    starts = np.cumsum([0, *map(len, images)])

    def read(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        found = np.empty((len(at), c, h, w), np.uint8)
        for part, start, end in zip(images, starts[:-1], starts[1:], strict=True):
            here = (start <= at) & (at < end)
            found[here] = part[at[here] - start]
        return found

    def encoded(at: NDArray[np.int64]) -> list[bytes]:
        found = np.searchsorted(starts, at, "right") - 1
        return [images[part].encoded(at[i : i + 1] - starts[part])[0] for i, part in enumerate(found.tolist())]

    whole = LazyImages((int(starts[-1]), c, h, w), read)
    if all(getattr(part, "encoded", None) for part in images):
        whole.encoded = encoded
    names = [name for name in parts[0].attributes if all(name in part.attributes for part in parts)]
    attributes = {name: np.concatenate([part.attributes[name] for part in parts]) for name in names}
    return Samples(
        whole,
        _joined([p.labels for p in parts]),
        _joined([p.groups for p in parts]),
        attributes,
    )


def _joined(arrays: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    known = [array for array in arrays if array is not None]
    return np.concatenate(known) if len(known) == len(arrays) else None


def groups_of(prepared: Prepared, what: str = "folds", advice: str = "leave folds out") -> NDArray[np.int64] | None:
    """Return the groups of the images of all splits; None if no split has them.

    Args:
        what, advice: for the message: what might divide a group, and what helps.

    Raises:
        DataError: some splits have groups and others do not, so that a group might be divided.
    """
    bare = [split for split in prepared.splits if not prepared.has_groups(split)]
    if 0 < len(bare) < len(prepared.splits):
        raise DataError(
            f"dataset '{prepared.name}': groups are not known in {', '.join(bare)}, so {what} might divide a group; {advice}"
        )
    return None if bare else _joined([prepared.groups(split) for split in prepared.splits])


def _largest(prepared: Prepared) -> int:
    """Return the number of images of the largest class, or of all images without labels."""
    if not prepared.labelled:
        return sum(prepared.count(split) for split in prepared.splits)
    return max(sum(int(facts["classes"][name]) for facts in prepared.splits.values()) for name in prepared.classes)


def _enough(who: str, count: int, what: str) -> int:
    if count < 2:
        raise DataError(f"{who}: number of {what}: {count}, and folds need two or more; leave folds out, or add images")
    return count
