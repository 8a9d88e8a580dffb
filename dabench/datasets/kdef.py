"""KDEF: 70 actors, seven expressions, five angles, two sessions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dabench import FACES, setting
from dabench.data.folders import Picture
from dabench.datasets._emotions import BASIC
from dabench.datasets._from_names import ImageFacts, NamedPictures

_MISNAMED = {"AF31V": "AF31SAHL", "AM31H": "AM31SUHR"}
"""Two wrong names in the published files -> the right names; both images are half profiles."""
_NAME = re.compile(r"([AB])([FM]\d\d)(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)", re.IGNORECASE)


class KDEF(NamedPictures):
    """AF01ANS.JPG is session A, subject F01, angry, frontal. Only frontal images are kept, unless `frontal` is false.

    Both sessions of a subject are in the same split.
    """

    name = "kdef"
    short_name = "KDEF"
    title = "posed faces of 70 actors, seven expressions"
    classes = BASIC
    license = "non-commercial research, on the terms of its page"
    homepage = "https://www.kdef.se"
    download_instructions = (
        "Download KDEF from its page and put its image folders (AF01/AF01ANS.JPG ...), or a zip of them, into the raw folder."
    )
    augment = FACES
    left_out = "not frontal (frontal = true)"
    citation = """@misc{lundqvist1998kdef,
  title = {The {Karolinska} Directed Emotional Faces -- {KDEF}},
  author = {Lundqvist, Daniel and Flykt, Anders and {\\"O}hman, Arne},
  howpublished = {CD ROM from Department of Clinical Neuroscience, Psychology section, Karolinska Institutet},
  year = {1998},
  note = {ISBN 91-630-7164-9}
}"""

    @dataclass(frozen=True)
    class Options(NamedPictures.Options):
        """Options of kdef."""

        frontal: bool = setting(True, "keep only frontal images")

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        self.counts = {"all": 980 if self.options.frontal else 4900}

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as AF01/AF01ANS.JPG."""
        code = ("AN", "DI", "AF", "HA", "SA", "SU", "NE")[label]
        folder = f"{'AB'[take % 2]}{'FM'[subject % 2]}{subject + 1:02}"
        return f"{folder}/{folder}{code}{('S', 'HL', 'HR', 'FL', 'FR')[take // 2 % 5]}.JPG"

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the images of KDEF, without those of AKDEF, mean faces that its download has beside them."""
        return super().rows([picture for picture in found if "AKDEF" not in map(str.upper, picture[0].parts)], root)

    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Read AF01ANS.JPG."""
        match = self.matched(_NAME, path.with_stem(_MISNAMED.get(path.stem.upper(), path.stem)), "AF01ANS.JPG")
        if self.options.frontal and match[4].upper() != "S":
            return None
        return ImageFacts(self.emotion(match[3], path), match[2].upper())
