"""What the digit sets share that lie in a few files; no dataset by itself."""

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
"""Bytes that one file may unpack to: four times the largest of these sets; what is larger is an attack or a mistake."""


class DigitFiles(RawFiles):
    """Files found, unpacked and compared; every refusal names the file and ends with how to get it.

    Attributes:
        parts: split -> what the names of its files have in common.
    """

    name = ""
    classes = DIGITS
    parts: ClassVar[Mapping[str, str]] = {}

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read each part."""
        return {split: self.part(raw, part) for split, part in self.parts.items()}

    @abstractmethod
    def part(self, raw: Path, part: str) -> Samples:
        """Return the images and labels of a part; raise DataError where its files are missing, damaged or not its own."""

    def file(self, raw: Path, *names: str) -> Path:
        """Return the first of the files `names` that is in the folder `raw`.

        Raises:
            DataError: none of them is there.
        """
        for name in names:
            if (raw / name).is_file():
                return raw / name
        raise self.refusal(raw / names[0], "is not there")

    def content(self, path: Path) -> bytes:
        """Return what a .gz or .bz2 file holds, or any other file as it is.

        Raises:
            DataError: it cannot be read, is damaged, or unpacks to more than such a set has.
        """
        opened: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
        try:
            with opened(path, "rb") as file:
                content: bytes = file.read(_LARGEST + 1)
        except (OSError, EOFError, zlib.error) as e:
            raise self.refusal(path, f"cannot be read ({getattr(e, 'strerror', None) or e}); get it again") from e
        if len(content) > _LARGEST:
            raise self.refusal(path, f"unpacks to more than {_LARGEST:,} bytes; it is no file of this set")
        return content

    def compare(self, labels: NDArray[Any], images: int, allowed: range, path: Path) -> None:
        """Hold the labels of the file `path` against the number of images and the labels that the set has.

        Raises:
            DataError: there are more or fewer labels than images, or one is not among `allowed`.
        """
        import numpy as np

        if len(labels) != images:
            raise self.refusal(path, f"holds {len(labels):,} labels, but there are {images:,} images")
        outside = labels[~np.isin(labels, allowed)]
        if len(outside):
            raise self.refusal(path, f"holds the label {outside[0]:g}; it must be {allowed[0]} to {allowed[-1]}")
