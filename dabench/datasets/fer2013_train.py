"""The training rows of FER2013 alone, split in two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dabench import Samples, setting
from dabench.datasets._fer2013_csv import TRAINING_CSV, csvs_in, read_faces, write_faces
from dabench.datasets._raw_files import RawFiles
from dabench.datasets.fer2013 import FER2013


class FER2013Train(RawFiles):
    """A different split than FER2013's, for users who have only train.csv. Results cannot be compared with those on FER2013.

    The file has the columns emotion and pixels of the 28,709 rows of Training. The part `test` of each class is held out, always
    the same images.
    """

    name = "fer2013-train"
    short_name = "FERTRAIN"
    title = "web faces, 48x48, seven expressions (training rows of FER2013, split in two)"
    classes = FER2013.classes
    license = FER2013.license
    homepage = FER2013.homepage
    citation = FER2013.citation
    download_instructions = (
        "Download train.csv of FER2013 from its page and put it, or an archive with it, into the folder named above."
    )
    raw_folder = "fer2013"
    counts = {"all": FER2013.counts["train"]}  # noqa: RUF012
    augment = FER2013.augment
    shares_images_with = ("fer2013",)

    @dataclass(frozen=True)
    class Options:
        """Options of fer2013-train."""

        path: str = setting("", "the CSV or an archive with it; default: in the dataset's raw folder")
        size: int = setting(48, "side in pixels of the square that images are resized to", low=4)
        channels: Literal[1, 3] = setting(1, "1: grey, 3: RGB")
        test: float = setting(0.2, "part of each class held out for testing", above=0, high=0.9)

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the CSV or the archive with it."""
        found = [Path(self.options.path).expanduser()] if self.options.path else csvs_in(raw, self.who, (TRAINING_CSV,))
        if not found:
            raise self.refusal(f"{raw / TRAINING_CSV} does not exist")
        return found[:1]

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read the rows and hold a part of each class out."""
        import numpy as np

        from dabench.data.images import resized
        from dabench.data.lazy import LazyImages
        from dabench.data.splits import held_out, take

        (path,), o = self.raw_files(raw), self.options
        faces, emotions, usages = read_faces(path, self.who, (TRAINING_CSV,))
        if usages:
            raise self.error(f"{path} has a column Usage, so it is not {TRAINING_CSV}; dataset 'fer2013' reads it")
        labels = np.array(emotions, np.int64)
        images = LazyImages((len(labels), o.channels, o.size, o.size), lambda at: resized(faces, at, o.channels, o.size))
        test, whole = held_out(labels, None, o.test), Samples(images, labels)
        return {"train": take(whole, np.flatnonzero(~test)), "test": take(whole, np.flatnonzero(test))}

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write train.csv, with n images of each class."""
        import numpy as np

        from dabench.data.synthetic import synthetic_image

        rng = np.random.default_rng(seed)
        raw.mkdir(parents=True, exist_ok=True)
        labels = [*range(len(self.classes))] * n
        write_faces(raw / TRAINING_CSV, [(synthetic_image(label, rng), label, "") for label in labels])
