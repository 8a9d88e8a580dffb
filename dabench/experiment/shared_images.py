"""Find datasets of a sweep that hold the same images, and would be source and target of one task.

A network that was trained on an image that it is tested on shows no adaptation. Datasets declare known relations
(`Dataset.shares_images_with`), and identical training and test images are counted where that is fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dabench.data.cache import Prepared
from dabench.data.splits import image_digests
from dabench.plugins.contract import Dataset
from dabench.storage.schema import Task

_MOST_BYTES = 100_000_000
"""Splits up to this size are compared image by image, in about 0.2 s. `dabench audit` compares all."""


def shared_images(
    tasks: Iterable[Task], datasets: Mapping[str, Dataset], divisions: Sequence[Mapping[str, Prepared]]
) -> list[str]:
    """Return one line for each source and target of a task that share images, each pair once.

    Args:
        divisions: the prepared datasets of each fold; only one without folds.
    """
    pairs = dict.fromkeys((source, target) for sources, target in tasks for source in sources if source != target)
    digests = cache(lambda fold, name, split: _digests(divisions[fold][name], split))

    def copies(source: str, target: str) -> int:
        of = [(digests(fold, source, "train"), digests(fold, target, "test")) for fold in range(len(divisions))]
        return sum(int(np.isin(tested, trained).sum()) for trained, tested in of if trained is not None and tested is not None)

    tested = {target: sum(prepared[target].count("test") for prepared in divisions) for _, target in pairs}
    return list(_lines(pairs, {pair: copies(*pair) for pair in pairs}, datasets, tested))


def _lines(
    pairs: Iterable[tuple[str, str]],
    copies: Mapping[tuple[str, str], int],
    datasets: Mapping[str, Dataset],
    tested: Mapping[str, int],
) -> Iterator[str]:
    for source, target in pairs:
        found, of = copies[source, target], tested[target]
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
