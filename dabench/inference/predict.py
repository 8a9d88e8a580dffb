"""Predict images and clips by the networks of a results folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.errors import DataError, StoreError
from dabench.inference.inputs import InputFiles, Row, prepared_rows
from dabench.inference.preprocessing import Preprocessing
from dabench.inference.stored import StoredNetwork, StoredNetworks
from dabench.reporting.formats import csv_text
from dabench.storage.atomic import write_text
from dabench.training.evaluate import logits

MEAN = "mean"
"""What the column `frame` says in the row of a whole clip."""


@dataclass(frozen=True)
class ImagePredictions:
    """Predictions of images.

    Attributes:
        classes: the K classes. runs: names of the runs whose networks predicted.
        files: (N) the file of each row. frames: (N) the number of the frame, from 1; None for an image; MEAN for a whole clip.
        probabilities: (N, K) float64, the mean over the networks. bad: file -> why it cannot be read. ignored: number of other
            files in the folders. preprocessing: how images were prepared.
    """

    classes: tuple[str, ...]
    runs: tuple[str, ...]
    files: tuple[str, ...]
    frames: tuple[int | str | None, ...]
    probabilities: NDArray[np.float64]
    preprocessing: Preprocessing
    bad: Mapping[str, str] = field(default_factory=dict)
    ignored: int = 0

    @property
    def predicted(self) -> list[str]:
        """The class with the highest probability in each row."""
        return [self.classes[i] for i in self.probabilities.argmax(1)]

    @property
    def of_clips(self) -> bool:
        """Whether a file is a clip."""
        return any(frame is not None for frame in self.frames)

    @property
    def images(self) -> int:
        """The number of predicted images and frames."""
        return sum(frame != MEAN for frame in self.frames)


def predict_files(
    networks: StoredNetworks,
    given: InputFiles,
    preprocessing: Preprocessing,
    done: Callable[[], None] = lambda: None,
) -> ImagePredictions:
    """Predict the files that a user named. The probabilities are means over the networks.

    Args:
        done: called after each file.

    Raises:
        DataError: no file can be read.
    """
    opened, bad = [networks.open(run) for run in networks.runs], dict(given.bad)
    rows = prepared_rows(given.files, preprocessing, bad, done)
    names: list[tuple[str, int | str | None]] = []
    parts: list[NDArray[np.float64]] = []
    for batch in batches(rows, networks.test.batch):
        names += [(name, frame) for name, frame, _ in batch]
        parts.append(mean_probabilities(networks, opened, np.stack([image for *_, image in batch])))
    if not parts:
        listed = "; ".join(f"{name}: {why}" for name, why in list(bad.items())[:3])
        more = f" (and {len(bad) - 3} more)" if len(bad) > 3 else ""
        raise DataError(f"no image can be predicted: {listed or 'none is named'}{more}; name images, clips or folders of them")
    names, probabilities = _with_clips(names, np.concatenate(parts))
    return ImagePredictions(
        networks.record.classes,
        tuple(run.facts.name for run in networks.runs),
        tuple(name for name, _ in names),
        tuple(frame for _, frame in names),
        probabilities,
        preprocessing,
        bad,
        given.ignored,
    )


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Yield the rows in lists of `size`, the last one perhaps shorter."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def mean_probabilities(
    networks: StoredNetworks, opened: Sequence[StoredNetwork], images: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the mean over networks of the probabilities of prepared images, (N, K)."""
    return np.mean([softmax(network_logits(networks, one, images)) for one in opened], axis=0)  # type: ignore[no-any-return]


def network_logits(networks: StoredNetworks, one: StoredNetwork, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the logits of prepared images as the test of the sweep computes them, in fp32 on the CPU, (N, K)."""
    return logits(one.network, images, networks.augmenter, networks.test, "fp32")


def softmax(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities of logits, (N, K)."""
    wide = values.astype(np.float64)
    odds = np.exp(wide - wide.max(1, keepdims=True))
    return np.asarray(odds / odds.sum(1, keepdims=True))


def _with_clips(
    names: list[tuple[str, int | str | None]], probabilities: NDArray[np.float64]
) -> tuple[list[tuple[str, int | str | None]], NDArray[np.float64]]:
    """Return the rows with one more after the frames of each clip: the mean of their probabilities."""
    found: list[tuple[str, int | str | None]] = []
    rows: list[NDArray[np.float64]] = []
    start = 0
    for i, (name, frame) in enumerate(names):
        found.append((name, frame))
        rows.append(probabilities[i])
        if frame == 1:
            start = i
        if frame is not None and (i + 1 == len(names) or names[i + 1][1] in (None, 1)):
            found.append((name, MEAN))
            rows.append(probabilities[start : i + 1].mean(0))
    return found, np.stack(rows)


def write_predictions(found: ImagePredictions, path: Path) -> None:
    """Write predictions as a CSV: file, for clips frame, class, and a column with the probability of each class.

    A class with the name of another column has the column "class NAME".
    """
    taken = ["file", *(["frame"] if found.of_clips else []), "class"]
    columns = [f"class {name}" if name in taken else name for name in found.classes]
    rows = []
    for i, (file, frame, name) in enumerate(zip(found.files, found.frames, found.predicted, strict=True)):
        own = ["" if frame is None else str(frame)] if found.of_clips else []
        rows.append([file, *own, name, *probability_texts(found.probabilities[i])])
    write_new(csv_text([*taken, *columns], rows), path)


def probability_texts(row: NDArray[np.float64]) -> list[str]:
    """Return probabilities with six digits."""
    return [f"{value:.6f}" for value in row]


def refuse_existing(path: Path, option: str) -> None:
    """Raise StoreError if a file exists, so that nothing is overwritten."""
    if path.exists():
        raise StoreError(f"{path}: exists; give another file with {option}, or remove it")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: its folder does not exist; make it, or give another file with {option}")


def write_new(text: str, path: Path) -> None:
    """Write a text file; raise StoreError if it cannot be written."""
    try:
        write_text(path, text)
    except OSError as e:
        raise StoreError(f"{path}: cannot be written ({e.strerror or e}); give another file with --out") from e
