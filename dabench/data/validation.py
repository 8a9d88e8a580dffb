"""Hold out a validation split with images of every class, as far as whole groups allow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dabench.data.splits import take, with_validation
from dabench.plugins.contract import Samples

_LARGEST = 0.25
"""Largest part of the training images that is held out so that every class is among them."""


def with_every_class(splits: Mapping[str, Samples]) -> dict[str, Samples]:
    """Return the splits with "val": that of `splits`, or one held out of "train" as `with_validation` does.

    If whole groups were held out and lack a class, further groups with that class follow, as long as every class keeps images in
    "train" and no more than a quarter of the images is held out.
    """
    found, train = with_validation(splits), splits["train"]
    kept, drawn = found["train"].groups, found["val"].groups
    if "val" in splits or train.labels is None or train.groups is None or kept is None or drawn is None:
        return found
    if np.intersect1d(kept, drawn).size:
        return found  # no whole group could be held out; images of every class were
    held = _extended(train.labels, train.groups, np.isin(train.groups, drawn))
    return found | {"train": take(train, np.flatnonzero(~held)), "val": take(train, np.flatnonzero(held))}


def _extended(labels: NDArray[np.int64], groups: NDArray[np.int64], held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask (N,) of held out images with further groups for the classes that are not among them."""
    names, group = np.unique(groups, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    images = np.bincount(group * len(classes) + label, minlength=len(names) * len(classes)).reshape(len(names), len(classes))
    chosen = np.zeros(len(names), dtype=bool)
    chosen[group[held]] = True
    while (lacking := images[chosen].sum(0) == 0).any():
        keeps = (images[~chosen].sum(0) > images).all(1)
        small = images[chosen].sum() + images.sum(1) <= _LARGEST * len(labels)
        gained = np.where(~chosen & keeps & small, (images[:, lacking] > 0).sum(1), 0)
        if not gained.any():
            break
        best = np.flatnonzero(gained == gained.max())
        chosen[best[images[best].sum(1).argmin()]] = True
    return chosen[group]
