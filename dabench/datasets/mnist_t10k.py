"""The 10,000 digits of MNIST's test file alone, split in three."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dabench import Samples
from dabench.datasets.mnist import MNIST


class MNISTT10k(MNIST):
    """Not MNIST's split, hence the name: for those who have its test file and no more. Numbers on it compare with no others.

    The file's first half was written by employees of the Census Bureau and is cleaner, its second half by students. Of each half
    in the file's order, the first 70 % are the training split, the next 10 % val, the last 20 % the test split.
    """

    name = "mnist-t10k"
    short_name = "MNIST10K"
    title = "handwritten digits, 28x28 grey (MNIST's test file, split in three)"
    download_instructions = (
        "Run dabench prepare mnist-t10k, which downloads two files (1.7 MB); or put t10k-images-idx3-ubyte.gz and "
        "t10k-labels-idx1-ubyte.gz, or what they hold, into the folder named above."
    )
    counts = {"train": 7000, "val": 1000, "test": 2000}  # noqa: RUF012
    files = tuple(f for f in MNIST.files if f.name.startswith("t10k"))

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read the two files and cut each half of them at the same places."""
        import numpy as np

        whole = self.part(raw, "t10k")
        half = max(1, len(whole.images) // 2)
        tenth = np.arange(len(whole.images)) % half * 10 // half
        parts = {"train": tenth < 7, "val": tenth == 7, "test": tenth > 7}
        assert whole.labels is not None
        return {split: Samples(np.asarray(whole.images)[part], whole.labels[part]) for split, part in parts.items()}

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write the two files packed, with at least 20 images of each digit, so that each split has every digit."""
        self.make_synthetic_split(raw, "t10k", max(n, 20), seed)
