"""Read the answers of people about test images from CSV files.

    rater,image,answer,repeat
    A,12,happy,
    A,12,sad,1

`repeat` is optional: 1 marks the second answer of a rater to an image. It counts for the consistency of the rater and for nothing
else. All other columns are ignored. `dabench.analysis.attributes` describes how images are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import ImageIndex
from dabench.data.csv_files import read_rows
from dabench.errors import DataError, nearest

COLUMNS = ("rater", "image", "answer")

REPEAT = "repeat"

_REPEATED = {"": False, "0": False, "no": False, "1": True, "yes": True}


@dataclass(frozen=True)
class HumanAnswers:
    """A answers of people on the test images of one dataset, in the order of the images and, for each image, of the raters.

    Attributes:
        rater: (A,) int64, positions in `names`; image: (A,) int64 positions in the test split.
        answer: (A,) int64 classes.
        unanswered: number of lines without an answer.
        names: names of the raters, sorted.
        consistent: rater -> (number of repeated images with the same answer both times, number of repeated images).
    """

    rater: NDArray[np.int64]
    image: NDArray[np.int64]
    answer: NDArray[np.int64]
    unanswered: int
    names: tuple[str, ...] = ()
    consistent: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def raters(self) -> int:
        """Number of raters."""
        return len(np.unique(self.rater))

    @property
    def images(self) -> NDArray[np.int64]:
        """Positions of the answered images, each once."""
        return np.unique(self.image)

    def of(self, rater: int) -> HumanAnswers:
        """Return the answers of one rater alone."""
        at = self.rater == rater
        return HumanAnswers(np.zeros(int(at.sum()), np.int64), self.image[at], self.answer[at], 0)


class _Line(NamedTuple):
    """A line with an answer: file and number of the line, whether it is a repeat, and its fields."""

    path: Path
    line: int
    repeat: bool
    rater: str
    image: int
    answer: int

    @property
    def where(self) -> str:
        return f"{self.path}, line {self.line}"

    def seen_from(self, other: _Line) -> str:
        return f"line {self.line}" if self.path == other.path else self.where


def read_answers(paths: Sequence[Path], images: ImageIndex, classes: Sequence[str]) -> HumanAnswers:
    """Return the answers in one or more CSV files about test images. They do not depend on the order of files and lines.

    Raises:
        DataError: a file cannot be read, is given twice, or has a wrong line; or two lines are answers of a rater to an image.
    """
    unanswered = 0
    lines: list[_Line] = []
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise DataError(f"{path}: is given twice; give each file of answers once")
        found = list(_lines_of(path, images, classes))
        unanswered += found.count(None)
        lines += [line for line in found if line]
    first = _different([line for line in lines if not line.repeat])
    again = _different([line for line in lines if line.repeat])
    if not first:
        raise DataError(f"{', '.join(map(str, paths))}: has no answers; fill in the columns {', '.join(COLUMNS)} of each line")
    names = tuple(sorted({rater for _, rater in first}))
    table = np.array([(names.index(r), image, first[image, r].answer) for image, r in sorted(first)], np.int64)
    return HumanAnswers(table[:, 0], table[:, 1], table[:, 2], unanswered, names, _consistent(first, again, names))


def _lines_of(path: Path, images: ImageIndex, classes: Sequence[str]) -> Iterator[_Line | None]:
    """Yield each line of a file; None for a line without an answer."""
    numbers = {c.casefold(): i for i, c in enumerate(classes)} | {c: i for i, c in enumerate(classes)}
    for line, row in read_rows(path, COLUMNS, gaps=True):
        where = f"{path}, line {line}"
        rater, answer, repeat = row["rater"], row["answer"], row.get(REPEAT, "")
        if not answer:
            yield None
            continue
        if not rater:
            raise DataError(f"{where}: the column rater is empty; write any name of the person")
        number = numbers.get(answer, numbers.get(answer.casefold()))
        if number is None:
            raise DataError(f"{where}: unknown class '{answer}'{nearest(answer, classes)}; known: {', '.join(classes)}")
        if repeat.casefold() not in _REPEATED:
            raise DataError(f"{where}: the column repeat is '{repeat}'; must be 1 for a second answer, else 0 or empty")
        yield _Line(path, line, _REPEATED[repeat.casefold()], rater, images.position(row["image"], where), number)


def _different(lines: Sequence[_Line]) -> dict[tuple[int, str], _Line]:
    """Return (image, rater) -> line; raise DataError if two lines are the same rater's answers to an image."""
    found: dict[tuple[int, str], _Line] = {}
    for line in lines:
        before = found.setdefault((line.image, line.rater), line)
        if before is line:
            continue
        what = f"rater '{line.rater}' already {'repeated' if line.repeat else 'answered'} image {line.image}"
        advice = "keep one of the two" if line.repeat else "keep one of the two, or write 1 in a column repeat of the second"
        other = "" if line.path == before.path else ", or give different people different names"
        raise DataError(f"{line.where}: {what} in {before.seen_from(line)}; {advice}{other}")
    return found


def _consistent(
    first: Mapping[tuple[int, str], _Line], again: Mapping[tuple[int, str], _Line], names: Sequence[str]
) -> dict[int, tuple[int, int]]:
    """Return rater -> (number of repeats with the same answer, number of repeats), for raters with repeats."""
    found: dict[int, tuple[int, int]] = {}
    for key, line in again.items():
        if key not in first:
            raise DataError(
                f"{line.where}: repeats image {line.image}, to which rater '{line.rater}' has no first answer; give the file "
                "that has it, too, or remove this line"
            )
        rater = names.index(line.rater)
        same, repeats = found.get(rater, (0, 0))
        found[rater] = same + (first[key].answer == line.answer), repeats + 1
    return dict(sorted(found.items()))
