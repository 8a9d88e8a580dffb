"""The 10,000 digits of MNIST's test file alone, split in three."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dabench import Samples
from dabench.datasets.mnist import MNIST


class MNISTT10k(MNIST):
    """A different split than MNIST's, for users who have only its test file. Results cannot be compared with those on MNIST.

    The first half of the file was written by employees of the Census Bureau and is cleaner; the second half by students. In each
    half, in the order of the file, the first 70 % are the training split, the next 10 % val, and the last 20 % the test split.
    """

    name = "mnist-t10k"
    short_name = "MNIST10K"
    title = "handwritten digits, 28x28 grey (MNIST's test file, split in three)"
    download_instructions = (
        "Run dabench prepare mnist-t10k, which downloads two files (1.7 MB); or put t10k-images-idx3-ubyte.gz and "
        "t10k-labels-idx1-ubyte.gz, or the unpacked files, into the folder named above."
    )
    counts = {"train": 7000, "val": 1000, "test": 2000}  # noqa: RUF012
    files = tuple(f for f in MNIST.files if f.name.startswith("t10k"))

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read the two files and split each half at the same positions."""
        import numpy as np

        whole = self.part(raw, "t10k")
        half = max(1, len(whole.images) // 2)
        tenth = np.arange(len(whole.images)) % half * 10 // half
        parts = {"train": tenth < 7, "val": tenth == 7, "test": tenth > 7}
        assert whole.labels is not None
        return {split: Samples(np.asarray(whole.images)[part], whole.labels[part]) for split, part in parts.items()}

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write the two files with gzip, with at least 20 images of each digit, so that each split has every digit."""
        self.make_synthetic_split(raw, "t10k", max(n, 20), seed)
