"""Texts of a new dataset."""

from __future__ import annotations

MODULE = '''"""The dataset $name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dabench import DataError, Dataset, Samples


class $cls(Dataset):
    """Describe the dataset: what the images show, how they were taken, how they are split."""

    name = "$name"
    short_name = "$short_name"  # the name in tables
    title = "two made-up classes"  # what it is, in one line
    classes = ("first", "second")  # in the order of the labels
    license = "private"  # the terms of use; "private" if nobody else may use it
    homepage = ""
    citation = ""  # BibTeX
    download_instructions = "Put the images into train/<class>/*.png and test/<class>/*.png of the raw folder."
    counts = {}  # images per split, verified when the dataset is prepared: {"train": 800, "test": 200}

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read raw/<split>/<class>/*.png: grey images of one size."""
        return {split: self.read(raw / split) for split in ("train", "test")}

    def read(self, folder: Path) -> Samples:
        """Return the images of one split: images (N, 1, H, W) uint8, labels (N,) int64."""
        import numpy as np
        from PIL import Image

        files = [(k, path) for k, name in enumerate(self.classes) for path in sorted((folder / name).glob("*.png"))]
        if not files:
            raise DataError(f"dataset '{self.name}': no images in {folder}. {self.download_instructions}")
        images = np.stack([np.asarray(Image.open(path).convert("L"), np.uint8)[None] for _, path in files])
        labels = np.array([k for k, _ in files], np.int64)
        # If several images show one subject, give groups: Samples(images, labels, groups), groups (N,) int64. A subject is
        # then never on both sides of a split, and intervals resample subjects. For a dataset larger than memory, give
        # images as dabench.LazyImages.
        return Samples(images, labels)

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write made-up files in the same layout, for `dabench check` and the test."""
        import numpy as np
        from PIL import Image

        rng = np.random.default_rng(seed)
        for split in ("train", "test"):
            for k, name in enumerate(self.classes):
                folder = raw / split / name
                folder.mkdir(parents=True)
                for i in range(n):
                    low = 37 * k % 200  # each class looks different
                    pixels = rng.integers(low, low + 50, (8, 8), dtype=np.uint8)
                    Image.fromarray(pixels).save(folder / f"{i}.png")
'''

README = """# $name: a dataset for dabench

    pip install -e .
    dabench show dataset $name
    pytest                              # runs dabench check on the made-up files
    dabench check $name --raw DIR       # the same on the real files
    dabench prepare $name --raw DIR
    dabench audit $name --raw DIR       # copies, conflicting labels, shared subjects

1. Fill in the facts at the top of `$module.py`. `dabench check $name` lists what is missing.
2. Write `prepare`: it turns the raw files into images (N, C, H, W) uint8 and labels (N,) int64.
3. Change `make_synthetic` to the layout of your files. The test and `dabench check` use the files that it writes.

In a sweep file: `datasets = ["$name", ...]`. The raw files lie in `$$DABENCH_DATA/$name/`.
For several domains in one plugin (`$name/*`), see "A family of domains" in docs/writing-plugins.md of dabench.
"""
