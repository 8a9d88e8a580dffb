"""Attributes of the N test images of a dataset (age, sex, any column): read from CSV files, and cut into named parts of them.

Parts are what results by group are made of. In a CSV an image goes by its position in the prepared test split, from 0, or by the
name of a picture that `dabench human` or `dabench audit` wrote, with or without its .png: such a name holds the beginning of the
split's digest, and is refused where the split is another one.
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

from dabench.data.csv_files import image_name, read_rows
from dabench.errors import DataError, SpecError, nearest
from dabench.plugins.contract import NAMING
from dabench.storage.reader import StoredLabels

_IMAGE = re.compile(r"(?:([0-9a-f]{8})-)?([0-9]{1,12})(?:\.png)?")


@dataclass(frozen=True)
class ImageIndex:
    """The test images that a file is to be about.

    Attributes:
        dataset: of which; digest: of its prepared data; count: how many there are.
        again: the command that makes a file of these very images.
    """

    dataset: str
    digest: str
    count: int
    again: str

    def position(self, image: str, where: str) -> int:
        """Return the position that a file means by `image`; raise DataError, naming `where`, if it is none of these."""
        match = _IMAGE.fullmatch(image.strip())
        if not match or int(match[2]) >= self.count:
            known = f"0 to {self.count - 1}, or {image_name(self.digest, 0)} to {image_name(self.digest, self.count - 1)}"
            raise DataError(f"{where}: unknown image '{image.strip()}'; the test images of {self.dataset} are {known}")
        if match[1] and match[1] != self.digest[:8]:
            raise DataError(
                f"{where}: image '{image.strip()}' is of other test images of {self.dataset} than this sweep's "
                f"({self.digest[:8]}); {self.again}"
            )
        return int(match[2])


def files_on_test_images(
    option: str, files: Mapping[str, Path], tests: Mapping[str, StoredLabels], again: str
) -> Iterator[tuple[str, Path, ImageIndex]]:
    """Yield of each file given to `option` the dataset that it is about: the one named, or the only one that there is.

    Args:
        files: dataset -> a CSV; "" means the only dataset of the sweep.
        again: as `ImageIndex` has it, with {} for the dataset.

    Raises:
        SpecError: a dataset is not in the sweep, or none is named where there are several.
        DataError: the test images are of a pack of counts, which does not tell them apart.
    """
    known = tuple(tests)
    for given, path in files.items():
        name = known[0] if not given and len(known) == 1 else given
        if name not in known:
            example = f"write {option} {known[0]}={path}"
            what = f"'{given}' is not in this sweep{nearest(given, known)}" if given else "this sweep has several datasets"
            raise SpecError(f"{option} {path}: {what}; name one of {', '.join(known)}: {example}")
        test = tests[name]
        if test.facts.sorted:
            raise DataError(
                f"the test images of {name} are sorted here, so that no file can name them; take the output folder, or a pack "
                "that dabench export wrote without --counts"
            )
        yield name, path, ImageIndex(name, test.facts.digest, len(test.labels), again.format(name))


def with_attributes(tests: Mapping[str, StoredLabels], files: Mapping[str, Path]) -> dict[str, dict[str, NDArray[Any]]]:
    """Return dataset -> its attributes, those of its store and after them those of the files.

    Args:
        files: dataset -> a CSV; "" means the only dataset of the sweep.

    Raises:
        SpecError: a dataset is not in the sweep, or none is named where there are several.
        DataError: a file cannot be read, a line of it is wrong, or the dataset has an attribute of that name.
    """
    found = {name: dict(test.attributes) for name, test in tests.items()}
    for name, path, images in files_on_test_images("--attributes", files, tests, "look again: dabench audit {}"):
        for attribute, values in read_attributes(path, images).items():
            if attribute in found[name]:
                raise DataError(f"{path}: '{name}' has an attribute '{attribute}' already; give the column another name")
            found[name][attribute] = values
    return found


def read_attributes(path: Path, images: ImageIndex) -> dict[str, NDArray[Any]]:
    """Return attribute -> (images,) float64 or text, the values in a CSV.

    Raises:
        DataError: it cannot be read, says nothing, or a line of it is wrong.
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
        raise DataError(f"{path}: says nothing of any image; write a column for each attribute, and a line for each image")
    return {name: _values({at: row[name] for at, (_, row) in lines.items()}, images.count) for name in names}


def _values(texts: Mapping[int, str], count: int) -> NDArray[Any]:
    """Return numbers if all that is there is numbers, else text; nan or "" where nothing is."""
    every: Sequence[str] = [texts.get(at, "") for at in range(count)]
    try:
        return np.array([float(text) if text else np.nan for text in every], np.float64)
    except ValueError:
        return np.array(every, np.str_)


NOT_KNOWN = "not known"

MOST_NUMBERS, MOST_TEXTS, MOST_BANDS = 8, 20, 8

FEWEST = 30
"""Test images that a part needs to say something."""


@dataclass(frozen=True)
class AttributeBins:
    """The parts that an attribute divides N images into; none is empty.

    Attributes:
        names: of the parts, in order: numbers rising, texts by letters, "not known" last.
        bin_of: (N,) int64, each image's part as an index into `names`.
        subjects: how many groups the images of each part are of; None where groups are not known.
    """

    names: tuple[str, ...]
    bin_of: NDArray[np.int64]
    subjects: tuple[int, ...] | None = None

    @property
    def too_few(self) -> NDArray[np.bool_]:
        """(parts,) whether each is of too few images or subjects to say something."""
        sizes = np.bincount(self.bin_of, minlength=len(self.names)).tolist()
        return np.array([too_few(n, s) for n, s in zip(sizes, self.subjects or [None] * len(sizes), strict=True)])


def too_few(images: int, subjects: int | None) -> bool:
    """Whether a part is of fewer than 30 images or of a single subject: such a number says nothing about a group."""
    return images < FEWEST or subjects == 1


def bin_attributes(
    attributes: Mapping[str, NDArray[Any]], groups: NDArray[np.int64] | None = None
) -> tuple[dict[str, AttributeBins], dict[str, str]]:
    """Return the parts of each attribute that makes some, and of each other one why it is left out.

    Args:
        attributes: name -> (N,) values.
        groups: (N,) the subject of each image, None if not known.
    """
    parts = {name: _with_subjects(attribute_bins(name, values), groups) for name, values in attributes.items()}
    reasons = {name: _reason(name, attributes[name], found) for name, found in parts.items()}
    return {n: p for n, p in parts.items() if not reasons[n]}, {n: r for n, r in reasons.items() if r}


def _with_subjects(parts: AttributeBins, groups: NDArray[np.int64] | None) -> AttributeBins:
    if groups is None:
        return parts
    pairs = set(zip(parts.bin_of.tolist(), groups.tolist(), strict=True))
    subjects = np.bincount([part for part, _ in pairs], minlength=len(parts.names))
    return replace(parts, subjects=tuple(subjects.tolist()))


def _reason(name: str, values: NDArray[Any], parts: AttributeBins) -> str:
    if name in NAMING:
        return "names images"
    known = len([n for n in parts.names if n != NOT_KNOWN])
    if values.dtype.kind == "U" and known > MOST_TEXTS:
        return f"{known} different texts"
    if len(parts.names) < 2:
        return "the same for every image" if known else "not known of any image"
    if parts.subjects is not None and set(parts.subjects) == {1}:
        return f"{known} values, each of a single subject"
    return ""


def attribute_bins(name: str, values: NDArray[Any]) -> AttributeBins:
    """Return the parts of one attribute, (N,) text, numbers or bool.

    Text, and numbers of which at most 8 are different, are parts by value, bool is "no" and "yes". More numbers are cut into 3 to
    8 bands at round edges (1, 2 or 5 times a power of ten), which belong to the upper band; ages always are. A gap (empty
    text, a number that is not finite) is a part of its own.
    """
    if values.dtype.kind == "b":
        return _parts(["no", "yes"], values.astype(np.int64))
    if values.dtype.kind == "U":
        return _of_texts(values)
    known = np.isfinite(values)
    of = np.full(len(values), -1, np.int64)
    names, of[known] = _of_numbers(values[known] + 0, always_cut=name.casefold() == "age")  # + 0: there is no -0
    return _parts(names, of)


def _of_texts(values: NDArray[Any]) -> AttributeBins:
    # What a terminal would obey, a line break among it, is no part of a name.
    texts = [" ".join("".join(c if c.isprintable() else " " for c in text).split()) for text in values.tolist()]
    different, of = np.unique(texts, return_inverse=True)
    return _parts(different.tolist(), np.where(np.isin(different, ["", NOT_KNOWN]), -1, np.arange(len(different)))[of])


def _parts(names: Sequence[str], of: NDArray[np.int64]) -> AttributeBins:
    """Return the parts without the empty ones; -1 is a gap."""
    there, of = np.unique(np.where(of < 0, len(names), of), return_inverse=True)
    return AttributeBins(tuple([*names, NOT_KNOWN][i] for i in there), of.reshape(-1).astype(np.int64))


def _of_numbers(values: NDArray[Any], *, always_cut: bool) -> tuple[list[str], NDArray[np.int64]]:
    different, of = np.unique(values, return_inverse=True)
    if len(different) < 2 or (len(different) <= MOST_NUMBERS and not always_cut):
        return [_plain(v) for v in different], of.astype(np.int64)
    whole = bool((different == np.floor(different)).all())
    edges = _edges(np.sort(values), whole)
    names = _whole_bands(int(different[0]), edges, int(different[-1])) if whole else _bands(edges)
    # As the values are: what is written 0.7 is the edge 0.7, in single precision, too.
    return names, np.searchsorted(np.array([values.dtype.type(e) for e in edges]), values, side="right").astype(np.int64)


def _edges(ordered: NDArray[Any], whole: bool) -> list[Decimal]:
    """Return the edges between bands of sorted numbers: by the finest round step that makes no more than 8 bands.

    Edges lie where the middle nine tenths of the images are, so that a few far ones do not decide the step: the outer bands take
    them in.
    """
    tail = len(ordered) // 20
    ends = [(ordered[tail], ordered[-1 - tail]), (ordered[0], ordered[-1])]
    low, high = next((Decimal(str(a)), Decimal(str(b))) for a, b in ends if a < b)
    first = (high - low).adjusted() - 1
    steps = [Decimal((0, (digit,), power)) for power in range(first, first + 3) for digit in (1, 2, 5)]
    step = next(s for s in steps if (s >= 1 or not whole) and math.floor(high / s) - math.floor(low / s) < MOST_BANDS)
    return [k * step for k in range(math.floor(low / step) + 1, math.floor(high / step) + 1)]


def _whole_bands(least: int, edges: Sequence[Decimal], most: int) -> list[str]:
    """Return names such as "18-29", both ends inclusive."""
    lows, highs = [least, *map(int, edges)], [*(int(e) - 1 for e in edges), most]
    between = " to " if least < 0 else "-"
    return [f"{a}" if a == b else f"{a}{between}{b}" for a, b in zip(lows, highs, strict=True)]


def _bands(edges: Sequence[Decimal]) -> list[str]:
    words = [_plain(float(e)) for e in edges]
    inner = [f"{a} to below {b}" for a, b in itertools.pairwise(words)]
    return [f"below {words[0]}", *inner, f"{words[-1]} and above"]


def _plain(number: Any) -> str:
    return str(number).removesuffix(".0")
