"""What people answered when they were shown test images: read from a CSV, each line checked.

    rater,image,answer
    A,12,happy

How images are named is said in `dabench.about_images`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.about_images import Images
from dabench.data.csv_files import csv_rows
from dabench.errors import DataError, nearest

COLUMNS = ("rater", "image", "answer")


@dataclass(frozen=True)
class Answers:
    """A answers of people on the test images of one dataset.

    Attributes:
        rater: (A,) int64, who gave each, numbered from 0; image: (A,) int64 positions in the test split.
        answer: (A,) int64 classes.
        unanswered: lines without an answer.
    """

    rater: NDArray[np.int64]
    image: NDArray[np.int64]
    answer: NDArray[np.int64]
    unanswered: int

    @property
    def raters(self) -> int:
        """How many people answered."""
        return len(np.unique(self.rater))

    @property
    def images(self) -> NDArray[np.int64]:
        """The images of which there is an answer, each once."""
        return np.unique(self.image)


def read_answers(path: Path, images: Images, classes: Sequence[str]) -> Answers:
    """Return the answers in a CSV about test images.

    Raises:
        DataError: it cannot be read, or a line of it is wrong.
    """
    numbers = {c.casefold(): i for i, c in enumerate(classes)} | {c: i for i, c in enumerate(classes)}
    raters: dict[str, int] = {}
    found: dict[tuple[int, int], tuple[int, int]] = {}
    unanswered = 0
    for line, row in csv_rows(path, COLUMNS, gaps=True):
        where = f"{path}, line {line}"
        rater, answer = row["rater"], row["answer"]
        if not answer:
            unanswered += 1
            continue
        if not rater:
            raise DataError(f"{where}: names no rater; write who answered, in any words")
        number = numbers.get(answer, numbers.get(answer.casefold()))
        if number is None:
            raise DataError(f"{where}: unknown class '{answer}'{nearest(answer, classes)}; known: {', '.join(classes)}")
        key = (raters.setdefault(rater, len(raters)), images.position(row["image"], where))
        if key in found:
            first = found[key][1]
            raise DataError(f"{where}: rater '{rater}' answered image {key[1]} in line {first} already; keep one of the two")
        found[key] = (number, line)
    if not found:
        raise DataError(f"{path}: holds no answer; write one in each line of {', '.join(COLUMNS)}")
    table = np.array([(*key, number) for key, (number, _) in found.items()], np.int64)
    return Answers(table[:, 0], table[:, 1], table[:, 2], unanswered)
