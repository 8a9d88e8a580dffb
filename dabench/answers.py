"""What people answered when they were shown test images: read from a CSV, each line checked.

    rater,image,answer
    A,12,happy

`image` is the position in the prepared test split, from 0, or the name of a picture that `dabench human` wrote, with or without
its .png: such a name holds the beginning of the split's digest, and is refused where the split is another one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.errors import DataError, nearest

COLUMNS = ("rater", "image", "answer")
_IMAGE = re.compile(r"(?:([0-9a-f]{8})-)?([0-9]{1,12})(?:\.png)?")


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


def image_name(digest: str, position: int) -> str:
    """Return the name of a test image, without its suffix: the beginning of the split's digest, and its position."""
    return f"{digest[:8]}-{position}"


def read_answers(path: Path, dataset: str, digest: str, images: int, classes: Sequence[str]) -> Answers:
    """Return the answers in a CSV.

    Args:
        dataset: of which, for messages; digest: of its prepared data.
        images: how many its test split has.

    Raises:
        DataError: it cannot be read, or a line of it is wrong.
    """
    numbers = {c.casefold(): i for i, c in enumerate(classes)} | {c: i for i, c in enumerate(classes)}
    raters: dict[str, int] = {}
    found: dict[tuple[int, int], tuple[int, int]] = {}
    unanswered = 0
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        rater, answer = row["rater"].strip(), row["answer"].strip()
        if not answer:
            unanswered += 1
            continue
        if not rater:
            raise DataError(f"{where}: names no rater; write who answered, in any words")
        number = numbers.get(answer, numbers.get(answer.casefold()))
        if number is None:
            raise DataError(f"{where}: unknown class '{answer}'{nearest(answer, classes)}; known: {', '.join(classes)}")
        key = (raters.setdefault(rater, len(raters)), _position(row["image"].strip(), where, dataset, digest, images))
        if key in found:
            first = found[key][1]
            raise DataError(f"{where}: rater '{rater}' answered image {key[1]} in line {first} already; keep one of the two")
        found[key] = (number, line)
    if not found:
        raise DataError(f"{path}: holds no answer; write one in each line of {', '.join(COLUMNS)}")
    rows = np.array([(*key, number) for key, (number, _) in found.items()], np.int64)
    return Answers(rows[:, 0], rows[:, 1], rows[:, 2], unanswered)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as f:
            reader = csv.DictReader(f, restval="", strict=True)
            lacking = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if lacking:
                raise DataError(f"{path}: has no column {', '.join(lacking)}; its first line must be {','.join(COLUMNS)}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise DataError(f"{path}: cannot be read ({e}); write it as CSV in UTF-8 with the columns {', '.join(COLUMNS)}") from e


def _position(image: str, where: str, dataset: str, digest: str, images: int) -> int:
    match = _IMAGE.fullmatch(image)
    if not match or int(match[2]) >= images:
        known = f"0 to {images - 1}, or {image_name(digest, 0)} to {image_name(digest, images - 1)}"
        raise DataError(f"{where}: unknown image '{image}'; the test images of {dataset} are {known}")
    if match[1] and match[1] != digest[:8]:
        raise DataError(
            f"{where}: image '{image}' is of other test images of {dataset} than this sweep's ({digest[:8]}); "
            f"show people these: dabench human {dataset} --sweep SWEEP"
        )
    return int(match[2])
