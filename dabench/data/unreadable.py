"""The pictures of a dataset that cannot be read, all of them: preparing stops at the first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dabench.data.lazy import LazyImages
from dabench.data.splits import classes_of
from dabench.errors import DataError
from dabench.plugins.contract import Dataset


@dataclass(frozen=True)
class Unreadable:
    """A picture that cannot be read, or not together with the others: its dataset, split and class, and why.

    Attributes:
        why: the message of the error, which names the file.
    """

    dataset: str
    split: str
    label: str
    why: str


def unreadable(dataset: Dataset, raw: Path) -> list[Unreadable]:
    """Try every picture that the dataset reads when asked for; one is in memory at a time.

    Raises:
        DataError: the dataset cannot be read at all: its files are missing, or it reads its pictures at once.
    """
    found, splits = [], dataset.prepare(raw)
    for split, samples in splits.items():
        for at in range(len(samples.images)) if isinstance(samples.images, LazyImages) else ():
            try:
                samples.images[at]
            except DataError as e:
                label = "" if samples.labels is None else classes_of(dataset, splits)[int(np.asarray(samples.labels)[at])]
                found.append(Unreadable(dataset.name, split, label, str(e)))
    return found
