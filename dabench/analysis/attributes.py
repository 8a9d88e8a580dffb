"""CSV files about the test images of a dataset: which image a line is about, and which dataset a file is.

An image goes by its position in the prepared test split, from 0, or by the name of a picture that `dabench human` or
`dabench audit` wrote, with or without its .png: such a name holds the beginning of the split's digest, and is refused where the
split is another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.data.csv_files import image_name, read_rows
from dabench.errors import DataError, SpecError, nearest
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


def index_test_images(dataset: str, test: StoredLabels, again: str) -> ImageIndex:
    """Return the test images of a dataset; raise DataError if they are of a pack of counts, which does not tell them apart."""
    if test.facts.sorted:
        raise DataError(
            f"the test images of {dataset} are sorted here, so that no file can name them; take the output folder, or a pack "
            "that dabench export wrote without --counts"
        )
    return ImageIndex(dataset, test.facts.digest, len(test.labels), again)


def dataset_of(option: str, given: str, path: Path, known: Sequence[str]) -> str:
    """Return the dataset that a file given to `option` is about: the one named, or the only one that there is.

    Raises:
        SpecError: it is not in the sweep, or none is named where there are several.
    """
    if not given and len(known) == 1:
        return known[0]
    if given not in known:
        example = f"write {option} {known[0]}={path}"
        what = f"'{given}' is not in this sweep{nearest(given, known)}" if given else "this sweep has several datasets"
        raise SpecError(f"{option} {path}: {what}; name one of {', '.join(known)}: {example}")
    return given


OPTION = "--attributes"


def with_attributes(tests: Mapping[str, StoredLabels], files: Mapping[str, Path]) -> dict[str, dict[str, NDArray[Any]]]:
    """Return dataset -> its attributes, those of its store and after them those of the files.

    Args:
        files: dataset -> a CSV; "" stands for the only dataset that there is.

    Raises:
        SpecError: a dataset is not in the sweep, or none is named where there are several.
        DataError: a file cannot be read, a line of it is wrong, or the dataset has an attribute of that name.
    """
    found = {name: dict(test.attributes) for name, test in tests.items()}
    for given, path in files.items():
        name = dataset_of(OPTION, given, path, tuple(tests))
        images = index_test_images(name, tests[name], f"look again: dabench audit {name}")
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
            raise DataError(f"{where}: image {position} stands in line {lines[position][0]} already; keep one of the two")
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
