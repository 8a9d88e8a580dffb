"""Base class of digit datasets that consist of a few files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dabench import DataError, Samples
from dabench.data.archives import content, opened
from dabench.datasets._raw_files import RawFiles
from dabench.datasets.uci_digits import DIGITS
from dabench.errors import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        """Return the first of the files `names`, or of their aliases, that exists in the folder `raw`.

        Raises:
            DataError: none of them exists.
        """
        for folder in self.names_of("."):
            for name in names:
                for alias in self.names_of(name):
                    if (path := raw / folder / alias).is_file():
                        return path
        raise self.refusal(raw / names[0], "does not exist")

    def content(self, path: Path) -> bytes:
        """Return the content of a file. A compressed file or an archive is unpacked, whatever its name.

        Raises:
            DataError: the file cannot be read, is damaged, or unpacks to more bytes than such a dataset has.
        """
        try:
            return content(path, self.who)
        except DataError as e:
            raise DataError(f"{e}. {self.download_instructions}") from e

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


class MatDigits(DigitFiles):
    """A dataset in MATLAB files with X of 32x32x3xN bytes and y of N labels. scipy reads them.

    Attributes:
        codes: the labels; 10 is the digit 0.
    """

    name = ""
    codes: ClassVar[range] = range(10)

    def part(self, raw: Path, part: str) -> Samples:
        """Read one file."""
        import numpy as np
        from scipy.io import loadmat

        path = self.file(raw, part)
        with opened(path, self.who) as file:
            try:
                found = loadmat(file, variable_names=["X", "y"])
            except Exception as e:  # scipy may raise any exception for damaged bytes
                why = quoted(f"{type(e).__name__}: {e}", 100)
                raise self.refusal(path, f"cannot be read as a .mat file ({why}); download it again") from e
        images, labels = found.get("X"), found.get("y")
        if images is None or images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3) or labels is None:
            raise self.refusal(path, "does not contain X (32x32x3xN bytes) and y, so it is another file")
        labels = np.asarray(labels, np.int64).ravel()
        self.compare(labels, images.shape[3], self.codes, path)
        return Samples(images.transpose(3, 2, 0, 1), labels % 10)

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write the files, with n images of each digit."""
        import numpy as np
        from scipy.io import savemat

        from dabench.data.synthetic import synthetic_image

        rng = np.random.default_rng(seed)
        raw.mkdir(parents=True, exist_ok=True)
        labels = np.tile(np.array(self.codes, np.uint8), n)
        for name in self.parts.values():
            images = np.stack([synthetic_image(int(label) % 10, rng, 32, 32, 3) for label in labels], axis=3)
            savemat(raw / name, {"X": images, "y": labels[:, None]}, do_compression=True)
