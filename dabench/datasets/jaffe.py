"""JAFFE: 213 faces of ten Japanese women, seven expressions."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from dabench import FACES
from dabench.datasets._emotions import BASIC
from dabench.datasets._from_names import ImageFacts, NamedPictures

_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})\d+\.\d+", re.IGNORECASE)


class JAFFE(NamedPictures):
    """The file name gives subject and expression: KA.AN1.39.tiff is KA, angry. No subject is in two splits."""

    name = "jaffe"
    short_name = "JAFFE"
    title = "posed faces of ten Japanese women, seven expressions"
    classes = BASIC
    counts = {"all": 213}  # noqa: RUF012
    license = "non-commercial research; images are not to be published without permission"
    homepage = "https://zenodo.org/record/3451524"
    download_instructions = (
        "Request JAFFE on its page and put its .tiff files (KA.AN1.39.tiff ...), or a zip of them, into the raw folder."
    )
    augment = FACES
    citation = """@inproceedings{lyons1998coding,
  title = {Coding Facial Expressions with Gabor Wavelets},
  author = {Lyons, Michael and Akamatsu, Shigeru and Kamachi, Miyuki and Gyoba, Jiro},
  booktitle = {Third IEEE International Conference on Automatic Face and Gesture Recognition},
  pages = {200--205},
  year = {1998}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as KA.AN1.1.tiff."""
        code = ("AN", "DI", "FE", "HA", "SA", "SU", "NE")[label]
        return f"K{'ALMRY'[subject]}.{code}{take + 1}.{10 * label + subject}.tiff"

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Read KA.AN1.39.tiff."""
        match = self.matched(_NAME, path, "KA.AN1.39.tiff")
        return ImageFacts(self.emotion(match[2], path), match[1].upper())
