"""RaFD: 67 models, eight expressions, five angles, three gaze directions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from dabench import FACES, setting
from dabench.datasets._emotions import BASIC
from dabench.datasets._from_names import ImageFacts, NamedPictures

_NAME = re.compile(r"Rafd(\d+)_(\d+)_([A-Za-z]+)_(male|female)_([a-z]+)_(frontal|left|right)", re.IGNORECASE)


class RaFD(NamedPictures):
    """Rafd090_01_Caucasian_female_angry_frontal.jpg is camera angle 90, subject 01; the last word is the gaze.

    Only images of the front camera are kept, unless `frontal` is false.
    """

    name = "rafd"
    short_name = "RAFD"
    title = "posed faces of 67 models, eight expressions"
    classes = (*BASIC, "contempt")
    license = "non-commercial research, on the terms of its page"
    homepage = "https://rafd.socsci.ru.nl"
    download_instructions = "Request RaFD on its page and put its images (Rafd090_01_Caucasian_female_angry_frontal.jpg ...), or a zip of them, into the raw folder."  # noqa: E501
    augment = FACES
    left_out = "not from the front camera (frontal = true)"
    citation = """@article{langner2010presentation,
  title = {Presentation and Validation of the {Radboud} Faces Database},
  author = {Langner, Oliver and Dotsch, Ron and Bijlstra, Gijsbert and Wigboldus, Daniel H. J. and Hawk,
  Skyler T. and {van Knippenberg}, Ad},
  journal = {Cognition and Emotion},
  volume = {24},
  number = {8},
  pages = {1377--1388},
  year = {2010}
}"""

    @dataclass(frozen=True)
    class Options(NamedPictures.Options):
        """Options of rafd."""

        frontal: bool = setting(True, "keep only images of the front camera (Rafd090)")

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        self.counts = {"all": 1608 if self.options.frontal else 8040}

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as Rafd090_01_Caucasian_female_angry_frontal.jpg."""
        word = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral", "contemptuous")[label]
        gaze = ("frontal", "left", "right")[take % 3]
        return f"Rafd090_{subject + 1:02}_Caucasian_{('female', 'male')[subject % 2]}_{word}_{gaze}.jpg"

    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Read Rafd090_01_Caucasian_female_angry_frontal.jpg."""
        match = self.matched(_NAME, path, "Rafd090_01_Caucasian_female_angry_frontal.jpg")
        if self.options.frontal and match[1] != "090":
            return None
        return ImageFacts(self.emotion(match[5], path), match[2])
