"""Write test images without labels for people to label, and read their answers from a CSV.

    rater,image,answer
    A,12,happy

`dabench.analysis.attributes` describes how images are named.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import AttributeBins, ImageIndex, files_on_test_images
from dabench.analysis.intervals import half_width, percent, point, share_interval
from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import Metric, SeedPredictions, confusions
from dabench.analysis.results import Cell, HumanResult
from dabench.data.cache import Prepared
from dabench.data.csv_files import image_name, read_rows
from dabench.errors import DataError, SpecError, StoreError, nearest
from dabench.hashing import file_digest
from dabench.storage.reader import StoredLabels
from dabench.storage.schema import CellKey

HUMAN = "human"

COLUMNS = ("rater", "image", "answer")

_USUAL = 70

_SIDE = 224
"""Largest size in pixels to which the smaller side is enlarged, by repeating pixels without interpolation."""


def write_quiz(prepared: Prepared, folder: Path, images: int | None, seed: int) -> list[Path]:
    """Write test images as PNG, answers.csv with an empty line for each, and classes.txt; return the files.

    Pictures are named by the digest of the dataset and their position in the test split; the names do not reveal the class.

    Args:
        folder: a new or empty folder.
        images: number of images, balanced over classes as far as possible, drawn by `seed`; None: 70, or all if fewer.

    Raises:
        SpecError: there are fewer test images.
        StoreError: the folder is not empty or cannot be written.
    """
    labels = prepared.labels("test")
    images = min(_USUAL, len(labels)) if images is None else images
    if not 1 <= images <= len(labels):
        raise SpecError(f"--images {images}: must be 1 to {len(labels)}, the number of test images of {prepared.name}")
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: exists; use another folder with --to")
    pictures = prepared.samples("test").images
    names = {int(i): image_name(prepared.digest, int(i)) for i in quiz_images(labels, images, seed)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [_write_picture(np.asarray(pictures[i]), folder / f"{name}.png") for i, name in names.items()]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *(("", name, "") for name in names.values())])
        for name, content in (("answers.csv", text.getvalue()), ("classes.txt", "\n".join(prepared.classes) + "\n")):
            (folder / name).write_text(content, encoding="utf-8")
            files.append(folder / name)
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --to") from e
    return files


def quiz_images(labels: NDArray[np.int64], images: int, seed: int) -> NDArray[np.int64]:
    """Return ascending positions (images,) int64, balanced over classes as far as possible."""
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = np.argsort(labels[order], kind="stable")
    sizes = np.bincount(labels[order])
    rank = np.empty(len(order), np.int64)
    rank[by_class] = np.concatenate([np.arange(n) for n in sizes])
    return np.sort(order[np.argsort(rank, kind="stable")[:images]])


def _write_picture(image: NDArray[np.uint8], path: Path) -> Path:
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    times = max(1, _SIDE // min(pixels.shape[:2]))
    Image.fromarray(pixels.repeat(times, 0).repeat(times, 1)).save(path)
    return path


@dataclass(frozen=True)
class HumanAnswers:
    """A answers of people on the test images of one dataset.

    Attributes:
        rater: (A,) int64, raters numbered from 0; image: (A,) int64 positions in the test split.
        answer: (A,) int64 classes.
        unanswered: number of lines without an answer.
    """

    rater: NDArray[np.int64]
    image: NDArray[np.int64]
    answer: NDArray[np.int64]
    unanswered: int

    @property
    def raters(self) -> int:
        """Number of raters."""
        return len(np.unique(self.rater))

    @property
    def images(self) -> NDArray[np.int64]:
        """Positions of the answered images, each once."""
        return np.unique(self.image)


def read_answers(path: Path, images: ImageIndex, classes: Sequence[str]) -> HumanAnswers:
    """Return the answers in a CSV about test images.

    Raises:
        DataError: the file cannot be read, or has a wrong line.
    """
    numbers = {c.casefold(): i for i, c in enumerate(classes)} | {c: i for i, c in enumerate(classes)}
    raters: dict[str, int] = {}
    found: dict[tuple[int, int], tuple[int, int]] = {}
    unanswered = 0
    for line, row in read_rows(path, COLUMNS, gaps=True):
        where = f"{path}, line {line}"
        rater, answer = row["rater"], row["answer"]
        if not answer:
            unanswered += 1
            continue
        if not rater:
            raise DataError(f"{where}: the column rater is empty; write any name of the person")
        number = numbers.get(answer, numbers.get(answer.casefold()))
        if number is None:
            raise DataError(f"{where}: unknown class '{answer}'{nearest(answer, classes)}; known: {', '.join(classes)}")
        key = (raters.setdefault(rater, len(raters)), images.position(row["image"], where))
        if key in found:
            first = found[key][1]
            raise DataError(f"{where}: rater '{rater}' already answered image {key[1]} in line {first}; keep one of the two")
        found[key] = (number, line)
    if not found:
        raise DataError(f"{path}: has no answers; fill in the columns {', '.join(COLUMNS)} of each line")
    table = np.array([(*key, number) for key, (number, _) in found.items()], np.int64)
    return HumanAnswers(table[:, 0], table[:, 1], table[:, 2], unanswered)


def with_human(matrix: Matrix, files: Mapping[str, Path]) -> Matrix:
    """Return the matrix with a cell "human" for each dataset with a file of answers.

    Args:
        files: dataset -> a CSV as described above; "" means the only dataset of the sweep.

    Raises:
        SpecError: a dataset is not in the sweep, or is not named although there are several; or the metric needs confidences, or
            has no value on the answered images.
        DataError: a file cannot be read, or has a wrong line.
    """
    cells, confusion, people = list(matrix.cells), dict(matrix.confusion), dict(matrix.human)
    tests, again = matrix.predictions.tests, "make new images with dabench human {} --sweep SWEEP"
    for name, path, images in files_on_test_images("--human", files, tests, again):
        truth, facts = tests[name], matrix.datasets[name]
        answers = read_answers(path, images, matrix.classes)
        shown = answers.images
        rare = matrix.predictions.rare[name]
        mean, low, high = measured(answers, truth, matrix.measure, matrix.predictions.parts[name][0], rare)
        over = "images" if truth.groups is None else "groups"
        cells.append(
            Cell(
                f"Human-None-{facts.short_name}", HUMAN, HUMAN, [], None, name, HUMAN, HUMAN, matrix.metric,
                percent(mean), percent(low), percent(high), answers.raters, len(shown),
                interval_over=f"raters and {over}" if answers.raters > 1 else over,
                omitted_classes=[*rare.values()] if matrix.measure.class_averaged else [],
            )
        )  # fmt: skip
        counts = confusions(truth.labels[answers.image], answers.answer[None], len(matrix.classes))
        confusion[CellKey(HUMAN, (), None, name)] = counts[0]
        networks = _networks(matrix, name, shown)
        people[name] = HumanResult(
            answers.raters, len(shown), len(truth.labels), len(answers.answer), answers.unanswered, file_digest(path), networks
        )
    return replace(matrix, cells=cells, confusion=confusion, human=people)


def measured(
    answers: HumanAnswers,
    truth: StoredLabels,
    metric: Metric,
    parts: Mapping[str, AttributeBins] | None = None,
    rare: Mapping[int, str] | None = None,
) -> tuple[float, float, float]:
    """Return the metric of all answers together, as a share, and its 95 % interval.

    The interval is over raters, and over groups of the answered images (single images if there are no groups). The spread of each
    comes from leaving out one at a time, as described in `dabench.analysis.intervals`.

    Args:
        parts: attribute -> its bins on the test images.
        rare: number -> name of the classes that class-averaged metrics leave out on the test split.
    """
    of = {name: replace(p, bin_of=p.bin_of[answers.image]) for name, p in (parts or {}).items()}
    labels = truth.labels[answers.image]
    kinds = metric.encode(SeedPredictions(labels, answers.answer[None], _no_confidence, of, rare or {}))[0]
    tally = metric.tally(kinds).astype(np.float64)
    mean = float(metric.value(tally.sum(0)))
    if np.isnan(mean):
        raise SpecError(f"--human: {metric.title} is undefined on the answered images; use another --metric")
    groups = answers.image if truth.groups is None else truth.groups[answers.image]
    units = np.unique(groups, return_inverse=True)[1].reshape(-1)
    of_units = _variance(metric, tally, units)
    return mean, *share_interval(mean, half_width(_variance(metric, tally, answers.rater), of_units), of_units[1])


def _variance(metric: Metric, tally: NDArray[np.float64], of: NDArray[np.int64]) -> tuple[float, int]:
    """Return the jackknife variance of the metric of all rows (A, T) over their groups `of` (A,), and the number of groups."""
    sums = np.zeros((int(of.max()) + 1, tally.shape[1]))
    np.add.at(sums, of, tally)
    if len(sums) < 2:
        return 0.0, len(sums)
    return float(np.nanvar(metric.value(sums.sum(0) - sums)) * (len(sums) - 1)), len(sums)


def _no_confidence() -> NDArray[np.floating]:
    raise SpecError("--human: answers of people have no confidences; use another --metric than ece")


def _networks(matrix: Matrix, test: str, images: NDArray[np.int64]) -> dict[str, float]:
    """Return the source-only results on the answered images, for a fair comparison."""
    runs = matrix.predictions
    plain = [c for c in matrix.cells if c.test == test and c.adapter == matrix.record.plain]
    tested = {c.name: runs.tested(c.key) for c in plain}
    return {name: percent(point(matrix.measure, matrix.measure.encode(t.outcome)[:, images])) for name, t in tested.items() if t}
