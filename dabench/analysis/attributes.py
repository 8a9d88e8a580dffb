"""Read attributes of test images (age, sex, any column) from CSV files, and divide them into bins.

Results by subgroup are computed for each bin. A CSV names an image by its position in the prepared test split, from 0, or by the
name of an image that `dabench human` or `dabench audit` wrote, with or without .png. Such a name has the first characters of the
digest of the dataset, so that names of other test images are rejected.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.data.csv_files import FILE, image_name, read_rows
from dabench.errors import DataError, SpecError, nearest
from dabench.plugins.contract import NAMING
from dabench.storage.reader import StoredLabels

_NAMES = (FILE, *NAMING)
"""Attributes that name images; there are no results by them."""

_IMAGE = re.compile(r"(?:([0-9a-f]{8})-)?([0-9]{1,12})(?:\.png)?")


@dataclass(frozen=True)
class ImageIndex:
    """The test images that a file may name.

    Attributes:
        dataset: the dataset; digest: digest of its prepared data; count: number of its test images.
        again: command that makes a file for these images, for errors.
    """

    dataset: str
    digest: str
    count: int
    again: str

    def position(self, image: str, where: str) -> int:
        """Return the position of `image`; raise DataError, naming `where`, if there is no such image."""
        match = _IMAGE.fullmatch(image.strip())
        if not match or int(match[2]) >= self.count:
            known = f"0 to {self.count - 1}, or {image_name(self.digest, 0)} to {image_name(self.digest, self.count - 1)}"
            raise DataError(f"{where}: unknown image '{image.strip()}'; the test images of {self.dataset} are {known}")
        if match[1] and match[1] != self.digest[:8]:
            raise DataError(
                f"{where}: image '{image.strip()}' belongs to other test images of {self.dataset} than those of this sweep "
                f"({self.digest[:8]}); {self.again}"
            )
        return int(match[2])


def names_of_images(test: StoredLabels) -> dict[str, NDArray[Any]]:
    """Return column -> (N,) what is known of the test images by which they can be found again.

    "name" is the name that `dabench human` and `dabench audit` give the image. "file", "clip" and "subject" are the attributes of
    that name and "group" the group, where they are known. In a pack of counts no image has a name.
    """
    positions = range(len(test.labels))
    named = {} if test.facts.sorted else {"name": np.array([image_name(test.facts.digest, i) for i in positions])}
    known = {name: test.attributes[name].astype(np.str_) for name in _NAMES if name in test.attributes}
    return named | known | ({} if test.groups is None else {"group": test.groups})


def files_on_test_images(
    option: str, files: Mapping[str, Path], tests: Mapping[str, StoredLabels], again: str
) -> Iterator[tuple[str, Path, ImageIndex]]:
    """Yield (dataset, path, index of its test images) for each file given to `option`.

    Args:
        files: dataset -> a CSV; "" means the only dataset of the sweep.
        again: as in `ImageIndex`, with {} for the dataset.

    Raises:
        SpecError: a dataset is not in the sweep, or is not named although there are several.
        DataError: the test images are from a pack made with --counts, in which single images cannot be identified.
    """
    known = tuple(tests)
    for given, path in files.items():
        name = known[0] if not given and len(known) == 1 else given
        if name not in known:
            example = f"write {option} {known[0]}={path}"
            problem = f"'{given}' is not in this sweep{nearest(given, known)}" if given else "this sweep has several datasets"
            raise SpecError(f"{option} {path}: {problem}; name one of {', '.join(known)}: {example}")
        test = tests[name]
        if test.facts.sorted:
            raise DataError(
                f"{option} {path}: in this pack the single test images of {name} cannot be identified; use the output "
                "folder, or a pack that dabench export wrote without --counts"
            )
        yield name, path, ImageIndex(name, test.facts.digest, len(test.labels), again.format(name))


def with_attributes(tests: Mapping[str, StoredLabels], files: Mapping[str, Path]) -> dict[str, dict[str, NDArray[Any]]]:
    """Return dataset -> attributes: those of the store, then those of the files.

    Args:
        files: dataset -> a CSV; "" means the only dataset of the sweep.

    Raises:
        SpecError: a dataset is not in the sweep, or is not named although there are several.
        DataError: a file cannot be read, has a wrong line, or has an attribute that the dataset already has.
    """
    found = {name: dict(test.attributes) for name, test in tests.items()}
    for name, path, images in files_on_test_images("--attributes", files, tests, "make a new file with dabench audit {}"):
        for attribute, values in read_attributes(path, images).items():
            if attribute in found[name]:
                raise DataError(f"{path}: '{name}' already has an attribute '{attribute}'; rename the column")
            found[name][attribute] = values
    return found


def read_attributes(path: Path, images: ImageIndex) -> dict[str, NDArray[Any]]:
    """Return attribute -> (images,) float64 or text, from a CSV.

    Raises:
        DataError: the file cannot be read, has no attributes, or has a wrong line.
    """
    lines: dict[int, tuple[int, Mapping[str, str]]] = {}
    for line, row in read_rows(path, ("image",), gaps=True):
        where = f"{path}, line {line}"
        position = images.position(row["image"], where)
        if position in lines:
            raise DataError(f"{where}: image {position} is already in line {lines[position][0]}; keep one of the two")
        lines[position] = line, row
    names = [name for name in next(iter(lines.values()), (0, {}))[1] if name != "image"]
    if not names:
        raise DataError(f"{path}: has no attribute of any image; write a column for each attribute, and a line for each image")
    return {name: _values({at: row[name] for at, (_, row) in lines.items()}, images.count) for name in names}


def _values(texts: Mapping[int, str], count: int) -> NDArray[Any]:
    """Return numbers if all values are numbers, else texts; nan or "" for images without a value."""
    every: Sequence[str] = [texts.get(at, "") for at in range(count)]
    try:
        return np.array([float(text) if text else np.nan for text in every], np.float64)
    except ValueError:
        return np.array(every, np.str_)


NOT_KNOWN = "not known"

MOST_NUMBERS, MOST_TEXTS, MOST_BANDS = 8, 20, 8

FEWEST = 30
"""Fewest test images of a bin for a conclusion."""


@dataclass(frozen=True)
class AttributeBins:
    """The bins into which an attribute divides N images; none is empty.

    Attributes:
        names: names of the bins: numbers in ascending order, texts in alphabetical order, "not known" last.
        bin_of: (N,) int64, the bin of each image, as an index into `names`.
        subjects: number of groups in each bin; None if groups are not known.
    """

    names: tuple[str, ...]
    bin_of: NDArray[np.int64]
    subjects: tuple[int, ...] | None = None

    @property
    def too_few(self) -> NDArray[np.bool_]:
        """(bins,) whether each bin has too few images or subjects for a conclusion."""
        sizes = np.bincount(self.bin_of, minlength=len(self.names)).tolist()
        return np.array([too_few(n, s) for n, s in zip(sizes, self.subjects or [None] * len(sizes), strict=True)])


def too_few(images: int, subjects: int | None) -> bool:
    """Whether a bin has fewer than 30 images or a single subject, too few for a conclusion."""
    return images < FEWEST or subjects == 1


def bin_attributes(
    attributes: Mapping[str, NDArray[Any]], groups: NDArray[np.int64] | None = None
) -> tuple[dict[str, AttributeBins], dict[str, str]]:
    """Return the bins of each usable attribute, and for each other attribute the reason why it is omitted.

    Args:
        attributes: name -> (N,) values. FILE is left out of both: nobody looks for results by it.
        groups: (N,) group (subject) of each image, None if not known.
    """
    asked = {name: values for name, values in attributes.items() if name != FILE}
    parts = {name: _with_subjects(attribute_bins(name, values), groups) for name, values in asked.items()}
    reasons = {name: _reason(name, attributes[name], found) for name, found in parts.items()}
    return {n: p for n, p in parts.items() if not reasons[n]}, {n: r for n, r in reasons.items() if r}


def _with_subjects(parts: AttributeBins, groups: NDArray[np.int64] | None) -> AttributeBins:
    if groups is None:
        return parts
    pairs = set(zip(parts.bin_of.tolist(), groups.tolist(), strict=True))
    subjects = np.bincount([part for part, _ in pairs], minlength=len(parts.names))
    return replace(parts, subjects=tuple(subjects.tolist()))


def _reason(name: str, values: NDArray[Any], parts: AttributeBins) -> str:
    if name in _NAMES:
        return "names images"
    known = len([n for n in parts.names if n != NOT_KNOWN])
    if values.dtype.kind == "U" and known > MOST_TEXTS:
        return f"{known} different texts"
    if len(parts.names) < 2:
        return "the same for all images" if known else "not known for any image"
    if parts.subjects is not None and set(parts.subjects) == {1}:
        return f"{known} values, each of a single subject"
    return ""


def attribute_bins(name: str, values: NDArray[Any]) -> AttributeBins:
    """Return the bins of one attribute, (N,) text, numbers or bool.

    Texts, and up to 8 different numbers, make one bin per value; bool makes "no" and "yes". More numbers, and all ages, are cut
    into 3 to 8 ranges at round edges (1, 2 or 5 times a power of ten); an edge belongs to the upper range. Missing values (empty
    text, non-finite numbers) make a bin of their own.
    """
    if values.dtype.kind == "b":
        return _parts(["no", "yes"], values.astype(np.int64))
    if values.dtype.kind == "U":
        return _of_texts(values)
    known = np.isfinite(values)
    of = np.full(len(values), -1, np.int64)
    names, of[known] = _of_numbers(values[known] + 0, always_cut=name.casefold() == "age")  # + 0 turns -0 into 0
    return _parts(names, of)


def _of_texts(values: NDArray[Any]) -> AttributeBins:
    # Control characters and line breaks are removed from names.
    texts = [" ".join("".join(c if c.isprintable() else " " for c in text).split()) for text in values.tolist()]
    different, of = np.unique(texts, return_inverse=True)
    return _parts(different.tolist(), np.where(np.isin(different, ["", NOT_KNOWN]), -1, np.arange(len(different)))[of])


def _parts(names: Sequence[str], of: NDArray[np.int64]) -> AttributeBins:
    """Return the bins without empty ones; -1 marks a missing value."""
    there, of = np.unique(np.where(of < 0, len(names), of), return_inverse=True)
    return AttributeBins(tuple([*names, NOT_KNOWN][i] for i in there), of.reshape(-1).astype(np.int64))


def _of_numbers(values: NDArray[Any], *, always_cut: bool) -> tuple[list[str], NDArray[np.int64]]:
    different, of = np.unique(values, return_inverse=True)
    if len(different) < 2 or (len(different) <= MOST_NUMBERS and not always_cut):
        return [_plain(v) for v in different], of.astype(np.int64)
    whole = bool((different == np.floor(different)).all())
    edges = _edges(np.sort(values), whole)
    names = _whole_bands(int(different[0]), edges, int(different[-1])) if whole else _bands(edges)
    # Edges in the precision of the values, so that a value written as 0.7 equals the edge 0.7.
    return names, np.searchsorted(np.array([values.dtype.type(e) for e in edges]), values, side="right").astype(np.int64)


def _edges(ordered: NDArray[Any], whole: bool) -> list[Decimal]:
    """Return the edges between ranges of sorted numbers, by the finest round step that makes at most 8 ranges.

    The step is chosen for the middle 90 % of the images, so that outliers do not decide it; they fall into the outer ranges.
    """
    tail = len(ordered) // 20
    ends = [(ordered[tail], ordered[-1 - tail]), (ordered[0], ordered[-1])]
    low, high = next((Decimal(str(a)), Decimal(str(b))) for a, b in ends if a < b)
    first = (high - low).adjusted() - 1
    steps = [Decimal((0, (digit,), power)) for power in range(first, first + 3) for digit in (1, 2, 5)]
    step = next(s for s in steps if (s >= 1 or not whole) and math.floor(high / s) - math.floor(low / s) < MOST_BANDS)
    return [k * step for k in range(math.floor(low / step) + 1, math.floor(high / step) + 1)]


def _whole_bands(least: int, edges: Sequence[Decimal], most: int) -> list[str]:
    """Return names such as "18-29"; both ends are inclusive."""
    lows, highs = [least, *map(int, edges)], [*(int(e) - 1 for e in edges), most]
    between = " to " if least < 0 else "-"
    return [f"{a}" if a == b else f"{a}{between}{b}" for a, b in zip(lows, highs, strict=True)]


def _bands(edges: Sequence[Decimal]) -> list[str]:
    words = [_plain(float(e)) for e in edges]
    inner = [f"{a} to below {b}" for a, b in itertools.pairwise(words)]
    return [f"below {words[0]}", *inner, f"{words[-1]} and above"]


def _plain(number: Any) -> str:
    return str(number).removesuffix(".0")
