"""UCI handwritten digits, as included in scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dabench import Dataset, Samples

DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


class UCIDigits(Dataset):
    """1,797 handwritten digits of 13 people, 8x8 grey with 17 levels; the last 360 in the file are the test split.

    The file does not name its writers but is sorted by them, so most writers are in one split only.
    """

    name = "uci-digits"
    short_name = "UCI"
    title = "handwritten digits, 8x8 (test part of UCI optdigits)"
    classes = DIGITS
    license = "CC BY 4.0"
    homepage = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
    counts = {"train": 1437, "test": 360}  # noqa: RUF012
    citation = """@misc{alpaydin1998optical,
  title = {Optical Recognition of Handwritten Digits},
  author = {Alpaydin, E. and Kaynak, C.},
  year = {1998},
  howpublished = {UCI Machine Learning Repository},
  doi = {10.24432/C50P49}
}"""

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read the dataset from scikit-learn; `raw` is not used."""
        import numpy as np
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
        labels = bunch.target.astype(np.int64)
        return {"train": Samples(images[:1437], labels[:1437]), "test": Samples(images[1437:], labels[1437:])}
