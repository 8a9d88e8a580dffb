"""FER2013: 35,887 grey faces from the web, 48x48, seven expressions."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from dabench.datasets.image_folder import ImageFolder
from dabench.emotions import BASIC
from dabench.errors import DataError
from dabench.protocols import FACES

_USAGE = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}


class FER2013(ImageFolder):
    """Training, PublicTest and PrivateTest are train, val and test; the name of each file begins with its usage.

    Read from the folder of class folders as commonly downloaded, or a zip of it: `train/<class>/Training_*.jpg`,
    `test/<class>/PublicTest_*.jpg` and `PrivateTest_*.jpg`.
    """

    name = "fer2013"
    label = "FER"
    title = "web faces, 48x48, seven expressions"
    classes = BASIC
    licence = "research use; not to be published"
    homepage = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
    obtain = (
        "Get the FER2013 folder form (archive.zip with train/<class>/Training_*.jpg and "
        "test/<class>/{PublicTest,PrivateTest}_*.jpg) and put the zip, or what it holds, into the folder named above."
    )
    counts = {"train": 28709, "val": 3589, "test": 3589}  # noqa: RUF012
    augment = FACES
    citation = """@inproceedings{goodfellow2013challenges,
  title = {Challenges in Representation Learning: A Report on Three Machine Learning Contests},
  author = {Goodfellow, Ian J. and Erhan, Dumitru and Carrier, Pierre Luc and Courville, Aaron and others},
  booktitle = {Neural Information Processing},
  series = {Lecture Notes in Computer Science},
  volume = {8228},
  pages = {117--124},
  year = {2013},
  publisher = {Springer}
}"""

    def imitate(self, raw: Path, n: int, seed: int) -> None:
        """Write the folder form, n pictures of each class and usage."""
        import numpy as np

        from dabench.data.imitation import made_up, write_picture

        rng = np.random.default_rng(seed)
        for usage, split in _USAGE.items():
            for label, name in enumerate(self.classes):
                for i in range(n):
                    place = raw / ("train" if split == "train" else "test") / name / f"{usage}_{label}{i:04}.jpg"
                    write_picture(place, made_up(label, rng))

    def root(self, raw: Path) -> Path:
        """Return the option `path`, or the zip in `raw`, or `raw` itself."""
        if self.options.path:
            return super().root(raw)
        zips = sorted(raw.glob("*.zip")) if raw.is_dir() else []
        if zips:
            return zips[0]
        if (raw / "train").is_dir():
            return raw
        raise DataError(f"dataset '{self.name}': its raw files are not in {raw}. {self.obtain}")

    def split_of(self, path: PurePosixPath) -> str | None:
        """Return the split that the beginning of the file name says."""
        usage = path.name.split("_")[0]
        if usage not in _USAGE:
            raise DataError(f"dataset '{self.name}': {path}: its name does not begin with {', '.join(_USAGE)}. {self.obtain}")
        return _USAGE[usage]
