"""Prepared datasets for the transductive protocol: every image is tested, as a target's unlabelled images are the test images.

The images of all splits are put together: they are the test split. As a source, the dataset gives its training split, which is
all of them without the validation split.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dabench.data.cache import FORMAT, DatasetContent, Notify, Prepared, cached
from dabench.data.folds import groups_of, pooled
from dabench.data.splits import hash_order, take
from dabench.data.validation import with_every_class
from dabench.hashing import digest
from dabench.plugins.code_hash import modules_digest


def whole(prepared: Prepared, *, notify: Notify = print) -> Prepared:
    """Return the dataset with all of its images in the test split. It is made once and cached beside the original.

    Of the same images, a tenth is the validation split, by whole groups where groups are known, and the others are the training
    split. A dataset without labels is divided in the same way.

    Raises:
        DataError: some splits have groups and others do not.
        StoreError: the cache cannot be written.
    """
    groups_of(prepared, "the validation split", 'set protocol = "inductive"')

    def make() -> DatasetContent:
        every = pooled([prepared.samples(split) for split in prepared.splits])
        notify(f"putting the splits of {prepared.name} together ({2 * _bytes(every.images.shape):,.0f} MB in the cache) ...")
        every = take(every, hash_order(every.images))
        splits = with_every_class({"train": every, "test": every})
        return DatasetContent(prepared.classes, splits, prepared.dropped, prepared.notes, store=prepared.store)

    code = modules_digest(whole.__module__, pooled.__module__, with_every_class.__module__)
    key = digest([FORMAT, code, prepared.digest, dict(prepared.dropped)])
    folder = prepared.folder.with_name(f"{prepared.folder.name}-whole-{key[:16]}")
    return replace(cached(folder, prepared.name, make, rebuild=False, notify=notify), name=prepared.name)


def _bytes(shape: tuple[int, ...]) -> float:
    """Return the size of uint8 images of this shape in MB."""
    return float(np.prod(shape)) / 1_000_000
