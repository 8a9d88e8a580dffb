"""Score a user's own network on the test splits of a sweep, under the preprocessing of its networks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.analysis.provided_files import COLUMNS, conditions_path, conditions_text
from dabench.data.augment import as_floats
from dabench.data.cache import Prepared
from dabench.data.csv_files import image_name
from dabench.data.folds import folded
from dabench.data.host_images import stored_in_parts
from dabench.data.prepare import reshaped
from dabench.data.whole import whole
from dabench.errors import DataError, SpecError, StoreError
from dabench.experiment.classes import renames
from dabench.experiment.config import Sweep
from dabench.experiment.raw_files import prepare_all
from dabench.experiment.resolve import make_dataset
from dabench.inference.own_weights import OwnNetwork, class_order, own_network
from dabench.inference.predict import probability_texts, softmax, write_new
from dabench.inference.stored import crops_of, opened
from dabench.plugins.contract import Augment, Images
from dabench.plugins.options import build
from dabench.plugins.registry import Registry
from dabench.storage.paths import cache_folder
from dabench.storage.reader import StoredLabels
from dabench.storage.run_store import RunStore
from dabench.storage.schema import SweepRecord
from dabench.training.settings import EvalConfig


@dataclass(frozen=True)
class ScoredDataset:
    """The predictions of a network on one test split.

    Attributes:
        digest: that of the prepared dataset, which names its images.
        probabilities: (N, K). labels: (N,), None if the dataset has none.
    """

    name: str
    short_name: str
    digest: str
    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64] | None

    @property
    def accuracy(self) -> float | None:
        """The share of images that are classified right; None without labels."""
        return None if self.labels is None else float((self.probabilities.argmax(1) == self.labels).mean())


@dataclass(frozen=True)
class NetworkScores:
    """The predictions of a user's network on the test splits of a sweep.

    Attributes:
        network: which tensors of the file were used. classes: the classes of the columns.
        folds: whether the sweep has folds, so that reports take no predictions.
    """

    name: str
    network: OwnNetwork
    classes: tuple[str, ...]
    datasets: tuple[ScoredDataset, ...]
    folds: bool = False


def score_network(
    runs: str | Path,
    file: Path,
    backbone: str | None,
    classes: Sequence[str],
    name: str,
    data: Path,
    registry: Registry,
    notify: Callable[[str], None],
    done: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> NetworkScores:
    """Predict the test split of each dataset of a sweep by the network in a file.

    Args:
        classes: the names of its outputs in their order; empty: those of the sweep.
        data: folder of all raw datasets.
        done: called with dataset, predicted images, and all images.

    Raises:
        StoreError, SpecError, PluginError, DataError: the results folder, the file or the raw data cannot be used.
    """
    store, record = opened(runs)
    if record.input is None:
        raise StoreError(f"{store.place}: an early version wrote sweep.json without the size of the input; run the sweep again")
    order = class_order(classes, record.classes)
    shape = (record.input.channels, build(Augment, record.input.augment).crop or record.input.size)
    net = own_network(file, backbone, len(classes) or len(record.classes), record, shape, registry)
    found = []
    for dataset, images, truth in _test_images(store, record, data, registry, notify):
        report = _Report(done, dataset, truth.facts.counts["test"])
        outputs = np.concatenate([_outputs(net, record, part, report) for part in images])
        if outputs.shape[1] <= order.max():
            raise SpecError(
                f"--network {file}: has {outputs.shape[1]} outputs, not one for each of {int(order.max()) + 1} classes; name "
                "the classes of its outputs with --classes"
            )
        labels = None if dataset in record.unlabelled else truth.labels
        probabilities = softmax(outputs[:, order])
        found.append(ScoredDataset(dataset, truth.facts.short_name, truth.facts.digest, probabilities, labels))
    return NetworkScores(name, net, record.classes, tuple(found), record.folds > 0)


class _Report:
    """Report the predicted images of a dataset, over all its folds."""

    def __init__(self, done: Callable[[str, int, int], None], name: str, total: int) -> None:
        self._done, self._name, self._total, self._images = done, name, total, 0

    def __call__(self, images: int) -> None:
        self._images += images
        self._done(self._name, self._images, self._total)


def _outputs(net: OwnNetwork, record: SweepRecord, images: Images, report: Callable[[int], None]) -> NDArray[np.float32]:
    """Return the outputs for prepared images (N, C, H, W), with the crops of [test]."""
    test, augmenter = build(EvalConfig, record.sweep.test), crops_of(record)
    parts = []
    for batch in stored_in_parts(images, test.batch):
        crops = augmenter.crops(batch) if test.crops == 10 else [augmenter.test(batch)]
        parts.append(torch.stack([net.logits(as_floats(crop)) for crop in crops]).mean(0))
        report(len(batch))
    found = torch.cat(parts).numpy()
    if found.ndim != 2 or not np.isfinite(found).all():
        raise DataError("the network's outputs are not finite numbers, one row for each image; check --network and --backbone")
    return np.asarray(found, np.float32)


def _test_images(
    store: RunStore, record: SweepRecord, data: Path, registry: Registry, notify: Callable[[str], None]
) -> Iterator[tuple[str, list[Images], StoredLabels]]:
    """Yield each dataset with its test images (those of its folds, one after the other) and what the store holds of it.

    Raises:
        StoreError: the prepared images are not those of the results folder.
    """
    assert record.input is not None
    table = record.sweep
    sweep = Sweep(dataset=table.dataset, class_map=table.class_map, folds=table.folds, protocol=table.protocol)
    datasets = {name: make_dataset(sweep, name, registry) for name in table.datasets}
    raw = prepare_all(datasets, data, cache_folder(), notify)
    for name, found in raw.items():
        names = renames(sweep, name, found.classes, record.classes)
        prepared = reshaped(found, record.input.channels, record.input.size, record.classes, names, notify=notify)
        parts = [whole(prepared, notify=notify) if sweep.transductive else prepared]
        if sweep.folds is not None:
            parts = list(folded(prepared, sweep.folds, notify=notify))[: record.folds]
        truth = store.dataset(name)
        _check_same(store, name, parts, truth)
        yield name, [part.samples("test").images for part in parts], truth


def _check_same(store: RunStore, name: str, parts: Sequence[Prepared], truth: StoredLabels) -> None:
    expected = [truth.facts.digest_in(fold) for fold in (range(1, len(parts) + 1) if truth.facts.folds else (0,))]
    if [part.digest for part in parts] != expected:
        raise StoreError(
            f"{store.place}: the prepared images of {name} are not those that the runs were tested on; use the raw files and the "
            "version of dabench of these results, or run the sweep again"
        )


def write_scores(found: NetworkScores, path: Path) -> list[Path]:
    """Write predictions on the datasets with labels, and the conditions of the network, as reports read them; return the files.

    The CSV has the columns dataset, image, and one with the probability of each class. If a class has the name of another column,
    the column `class` has the predicted class instead. A file of conditions that exists stays as it is.
    """
    scored = not set(COLUMNS) & set(found.classes)
    rows: list[list[str]] = [["dataset", "image", *(found.classes if scored else ["class"])]]
    for of in (of for of in found.datasets if of.labels is not None):
        for position, row in enumerate(of.probabilities):
            values = probability_texts(row) if scored else [found.classes[int(row.argmax())]]
            rows.append([of.name, image_name(of.digest, position), *values])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    write_new(out.getvalue(), path)
    conditions = conditions_path(path)
    if not conditions.exists():
        write_new(conditions_text(scored), conditions)
    return [path, conditions]
