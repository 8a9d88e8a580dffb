"""Attributes of test images from a CSV of the user's, for results by group: what the dataset itself did not say of them.

    image,in training,light
    0,no,dim
    1,fer2013,bright

Each column but `image` is an attribute. A column of numbers is numbers, any other is text; an empty field, and an image without a
line, is not known. How images are named is said in `dabench.about_images`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.about_images import Images, dataset_of, images_of
from dabench.data.csv_files import csv_rows
from dabench.errors import DataError
from dabench.storage.reader import TestSet

OPTION = "--by"


def with_attributes(tests: Mapping[str, TestSet], files: Mapping[str, Path]) -> dict[str, dict[str, NDArray[Any]]]:
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
        images = images_of(name, tests[name], f"look again: dabench audit {name}")
        for attribute, values in read_attributes(path, images).items():
            if attribute in found[name]:
                raise DataError(f"{path}: '{name}' has an attribute '{attribute}' already; give the column another name")
            found[name][attribute] = values
    return found


def read_attributes(path: Path, images: Images) -> dict[str, NDArray[Any]]:
    """Return attribute -> (images,) float64 or text, the values in a CSV.

    Raises:
        DataError: it cannot be read, says nothing, or a line of it is wrong.
    """
    lines: dict[int, tuple[int, Mapping[str, str]]] = {}
    for line, row in csv_rows(path, ("image",), gaps=True):
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
