"""Base class of digit datasets that consist of a few files."""

from __future__ import annotations

import bz2
import gzip
import zlib
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dabench import Samples
from dabench.datasets._raw_files import RawFiles
from dabench.datasets.uci_digits import DIGITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST = 200_000_000
"""Bytes that one file may unpack to: four times the largest of these datasets. A larger file is an attack or a mistake."""


class DigitFiles(RawFiles):
    """A dataset in a few files. Every error names the file and ends with how to get it.

    Attributes:
        parts: split -> the common part of the names of its files.
    """

    name = ""
    classes = DIGITS
    parts: ClassVar[Mapping[str, str]] = {}

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read each split."""
        return {split: self.part(raw, part) for split, part in self.parts.items()}

    @abstractmethod
    def part(self, raw: Path, part: str) -> Samples:
        """Return the images and labels of a part; raise DataError if its files are missing, damaged or of another dataset."""

    def file(self, raw: Path, *names: str) -> Path:
        """Return the first of the files `names` that exists in the folder `raw`.

        Raises:
            DataError: none of them exists.
        """
        for name in names:
            if (raw / name).is_file():
                return raw / name
        raise self.refusal(raw / names[0], "does not exist")

    def content(self, path: Path) -> bytes:
        """Return the unpacked content of a .gz or .bz2 file, or the content of any other file.

        Raises:
            DataError: the file cannot be read, is damaged, or unpacks to more bytes than such a dataset has.
        """
        opened: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
        try:
            with opened(path, "rb") as file:
                content: bytes = file.read(_LARGEST + 1)
        except (OSError, EOFError, zlib.error) as e:
            raise self.refusal(path, f"cannot be read ({getattr(e, 'strerror', None) or e}); download it again") from e
        if len(content) > _LARGEST:
            raise self.refusal(path, f"unpacks to more than {_LARGEST:,} bytes, so it is not a file of this dataset")
        return content

    def compare(self, labels: NDArray[Any], images: int, allowed: range, path: Path) -> None:
        """Check the labels of the file `path` against the number of images and the allowed labels.

        Raises:
            DataError: the numbers of labels and images differ, or a label is not in `allowed`.
        """
        import numpy as np

        if len(labels) != images:
            raise self.refusal(path, f"holds {len(labels):,} labels, but there are {images:,} images")
        outside = labels[~np.isin(labels, allowed)]
        if len(outside):
            raise self.refusal(path, f"holds the label {outside[0]:g}; it must be {allowed[0]} to {allowed[-1]}")
