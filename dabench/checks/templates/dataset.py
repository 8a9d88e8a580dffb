"""The texts of a new dataset."""

from __future__ import annotations

MODULE = '''"""The dataset $name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dabench import DataError, Dataset, Samples


class $cls(Dataset):
    """Notify what is in it: of whom, how it was taken, how it is split."""

    name = "$name"
    short_name = "$short_name"  # as it stands in tables
    title = ""  # one line: what it is
    classes = ("first", "second")  # in the order of the labels
    license = ""  # the terms of use; "private" if nobody else may have it
    homepage = ""
    citation = ""  # BibTeX
    download_instructions = "Put the pictures into train/<class>/*.png and test/<class>/*.png of the folder named above."
    counts = {}  # images per split, checked when preparing: {"train": 800, "test": 200}

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read raw/<split>/<class>/*.png, grey, all of one size."""
        return {split: self.read(raw / split) for split in ("train", "test")}

    def read(self, folder: Path) -> Samples:
        """Return the pictures of one split: images (N, 1, H, W) uint8, labels (N,) int64."""
        import numpy as np
        from PIL import Image

        files = [(k, path) for k, name in enumerate(self.classes) for path in sorted((folder / name).glob("*.png"))]
        if not files:
            raise DataError(f"dataset '{self.name}': no pictures in {folder}. {self.download_instructions}")
        images = np.stack([np.asarray(Image.open(path).convert("L"), np.uint8)[None] for _, path in files])
        labels = np.array([k for k, _ in files], np.int64)
        # If the pictures show subjects, say whom: Samples(images, labels, groups), groups (N,) int64. Subjects then never
        # stand on both sides of the validation split, and intervals are drawn over subjects. Where a set is larger than
        # memory, give images as dabench.LazyImages.
        return Samples(images, labels)

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """WriteLine a made-up set in the same layout, so that `dabench check` and the test need no real files."""
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

TEST = '''"""$name, on a few pictures that make_synthetic() writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from $module import $cls


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    $cls().make_synthetic(tmp_path, 6, 0)
    return tmp_path


def test_images_are_bytes_of_one_shape(raw: Path) -> None:
    for samples in $cls().prepare(raw).values():
        assert samples.images.dtype == np.uint8
        assert samples.images.ndim == 4


def test_every_picture_is_read_with_its_label(raw: Path) -> None:
    labels = np.concatenate([samples.labels for samples in $cls().prepare(raw).values()])
    assert np.bincount(labels, minlength=len($cls.classes)).min() >= 6
'''

README = """# $name: a dataset for dabench

    pip install -e .
    dabench show dataset $name
    dabench check $name                 # the contract, on a made-up set; with --raw DIR, on the raw files
    dabench prepare $name --raw DIR
    dabench audit $name --raw DIR       # copies, conflicting labels, shared subjects
    pytest

1. Fill in the facts at the top of `$module.py`: what is empty, `dabench check $name` asks for.
2. Write `prepare`: from the raw files to images (N, C, H, W) uint8 and labels (N,) int64.
3. Change `make_synthetic` to your layout: it writes a small made-up set, on which the test and `dabench check` run.

In a sweep file: `datasets = ["$name", ...]`; the raw files then lie in `$$DABENCH_DATA/$name/`.
"""
