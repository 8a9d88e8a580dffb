"""Find datasets of a sweep that hold the same images, and would be source and target of one task.

A network that was trained on an image that it is tested on shows no adaptation. Datasets declare known relations
(`Dataset.shares_images_with`), and identical training and test images are counted where that is fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dabench.data.cache import Prepared
from dabench.data.splits import image_digests
from dabench.plugins.contract import Dataset
from dabench.storage.schema import Task

_MOST_BYTES = 100_000_000
"""Splits up to this size are compared image by image, in about 0.2 s. `dabench audit` compares all."""


def shared_images(tasks: Iterable[Task], datasets: Mapping[str, Dataset], prepared: Mapping[str, Prepared]) -> list[str]:
    """Return one line for each source and target of a task that share images, each pair once."""
    pairs = dict.fromkeys((source, target) for sources, target in tasks for source in sources if source != target)
    digests = cache(lambda name, split: _digests(prepared[name], split))

    def copies(source: str, target: str) -> int:
        trained, tested = digests(source, "train"), digests(target, "test")
        return 0 if trained is None or tested is None else int(np.isin(tested, trained).sum())

    return list(_lines(pairs, {pair: copies(*pair) for pair in pairs}, datasets, prepared))


def _lines(
    pairs: Iterable[tuple[str, str]],
    copies: Mapping[tuple[str, str], int],
    datasets: Mapping[str, Dataset],
    prepared: Mapping[str, Prepared],
) -> Iterator[str]:
    for source, target in pairs:
        found, of = copies[source, target], prepared[target].count("test")
        facts = ["they share images, as declared"] if _related(datasets[source], datasets[target]) else []
        facts += [f"{found:,} of {of:,} test images of '{target}' are training images of '{source}'"] if found else []
        if facts:
            yield (
                f"{source} -> {target}: {'; '.join(facts)}. A network that knows test images shows no adaptation; leave the pair "
                f"out with the key pairs, or see: dabench audit {source} {target}"
            )


def _related(one: Dataset, other: Dataset) -> bool:
    """Whether one of the datasets declares that it shares images with the other."""
    return any({b.name, b.plugin} & set(a.shares_images_with) for a, b in ((one, other), (other, one)))


def _digests(prepared: Prepared, split: str) -> NDArray[np.bytes_] | None:
    """Return the digests of the images of a split, or None if it is large."""
    images = prepared.samples(split).images
    return None if int(np.prod(images.shape)) > _MOST_BYTES else image_digests(images)
