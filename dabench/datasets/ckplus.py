"""CK+: the last frames of acted expressions, in the 48x48 folder form."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from dabench.datasets.named_pictures import Named, NamedPictures
from dabench.emotions import BASIC
from dabench.protocols import FACES

_NAME = re.compile(r"(S\d+)_\d+_\d+", re.IGNORECASE)


class CKPlus(NamedPictures):
    """anger/S010_004_00000017.png: the folder is the expression, S010 the subject. There is contempt and no neutral."""

    name = "ckplus"
    label = "CK+"
    title = "acted expressions, the last frames of each sequence"
    classes = tuple(c if c != "neutral" else "contempt" for c in BASIC)
    licence = "non-commercial research, on the terms of its agreement"
    homepage = "https://doi.org/10.1109/CVPRW.2010.5543262"
    obtain = "Put the 48x48 folder form of CK+ (anger/S010_004_00000017.png ...), or a zip of it, into the raw folder."
    augment = FACES
    citation = """@inproceedings{lucey2010extended,
  title = {The Extended {Cohn-Kanade} Dataset ({CK+}): A Complete Dataset for Action Unit and Emotion-Specified Expression},
  author = {Lucey, Patrick and Cohn, Jeffrey F. and Kanade, Takeo and Saragih, Jason and Ambadar, Zara and Matthews, Iain},
  booktitle = {IEEE Computer Society Conference on Computer Vision and Pattern Recognition Workshops},
  pages = {94--101},
  year = {2010}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a place such as anger/S010_004_00000017.png."""
        word = ("anger", "disgust", "fear", "happy", "sadness", "surprise", "contempt")[label]
        return f"{word}/S{subject + 10:03}_{label + 1:03}_{take + 10:08}.png"

    def named(self, path: PurePosixPath) -> Named:
        """Read anger/S010_004_00000017.png."""
        match = _NAME.fullmatch(path.stem)
        if not match or len(path.parts) < 2:
            raise self.strange(path, "anger/S010_004_00000017.png")
        return Named(self.emotion(path.parts[-2], path), match[1].upper())
