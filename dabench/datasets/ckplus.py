"""CK+: the last frames of acted expressions, as published or as 48x48 images in class folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dabench import FACES, setting
from dabench.data.folders import Picture, files_in
from dabench.datasets._emotions import BASIC
from dabench.datasets._from_names import ImageFacts, NamedPictures
from dabench.errors import quoted

_FRAME = re.compile(r"(S\d+)_\d+_\d+", re.IGNORECASE)
_WORDS = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
_CODES = {f"{number}.0000000e+00": word for number, word in enumerate(_WORDS, 1)}
"""The codes of the emotions in the label files."""


class CKPlus(NamedPictures):
    """The last `frames` frames of each labelled sequence, where the expression is strongest. Classes: contempt, no neutral.

    The published form has images cohn-kanade-images/S005/001/S005_001_00000011.png and the label of each sequence, a number, in
    Emotion/S005/001/S005_001_00000011_emotion.txt. It has 593 sequences of 123 subjects; 327 sequences have a label. Its frames
    are 640x490 or 640x480 and are resized as a whole, without cropping the face. The 48x48 folder form has cropped faces of the
    last three frames of the labelled sequences: anger/S005_001_00000011.png.
    """

    name = "ckplus"
    short_name = "CK+"
    title = "acted expressions, the last frames of each sequence"
    classes = tuple(c if c != "neutral" else "contempt" for c in BASIC)
    license = "non-commercial research, on the terms of its agreement"
    homepage = "https://doi.org/10.1109/CVPRW.2010.5543262"
    download_instructions = (
        "Request CK+ from its authors and put cohn-kanade-images (S005/001/S005_001_00000011.png ...) and Emotion "
        "(S005/001/S005_001_00000011_emotion.txt ...) into the raw folder; or put its 48x48 folder form "
        "(anger/S010_004_00000017.png ...), or a zip of it, there."
    )
    augment = FACES
    citation = """@inproceedings{lucey2010extended,
  title = {The Extended {Cohn-Kanade} Dataset ({CK+}): A Complete Dataset for Action Unit and Emotion-Specified Expression},
  author = {Lucey, Patrick and Cohn, Jeffrey F. and Kanade, Takeo and Saragih, Jason and Ambadar, Zara and Matthews, Iain},
  booktitle = {IEEE Computer Society Conference on Computer Vision and Pattern Recognition Workshops},
  pages = {94--101},
  year = {2010}
}"""

    @dataclass(frozen=True)
    class Options(NamedPictures.Options):
        """Options of ckplus."""

        frames: int = setting(3, "number of last frames of each labelled sequence; the 48x48 form has three", low=1)

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        if self.options.frames <= 3:
            self.counts = {"all": 327 * self.options.frames}

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as anger/S010_004_00000017.png; each take is a sequence."""
        word = ("anger", "disgust", "fear", "happy", "sadness", "surprise", "contempt")[label]
        return f"{word}/S{subject + 10:03}_{1 + label + 7 * take:03}_00000010.png"

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Read anger/S010_004_00000017.png."""
        match = _FRAME.fullmatch(path.stem)
        if not match or len(path.parts) < 2:
            raise self.strange(path, "anger/S010_004_00000017.png")
        return ImageFacts("" if path.parts[-2].isdigit() else self.emotion(path.parts[-2], path), match[1].upper())

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the last frames of the labelled sequences, and a note about sequences without a label."""
        labels: dict[str, str] = {}
        sequences: dict[str, list[tuple[Picture, ImageFacts]]] = {}
        rows, notes = super().rows(found, root)
        for picture, facts in rows:
            sequence = picture[0].stem.upper().rpartition("_")[0]
            sequences.setdefault(sequence, []).append((picture, facts))
            labels[sequence] = facts.label
        published = {not facts.label for _, facts in rows}
        if len(published) > 1:
            raise self.error(f"{root} holds both forms of the dataset; keep one, or set path to one")
        if True in published:
            labels = self._labels(root)
        if lacking := [sequence for sequence in labels if sequence not in sequences]:
            place = f"{root}/cohn-kanade-images/{lacking[0].replace('_', '/')}"
            raise self.error(f"{len(lacking)} labelled sequences have no frames; the first should be in {place}")
        if unlabelled := len(sequences) - len(labels):
            notes.append(f"{unlabelled:,} of {len(sequences):,} sequences left out: they have no label")
        kept = [
            (picture, ImageFacts(label, facts.subject))
            for sequence, label in sorted(labels.items())
            for picture, facts in sorted(sequences[sequence], key=lambda row: row[0][0].stem)[-self.options.frames :]
        ]
        return kept, notes

    def _labels(self, root: Path) -> dict[str, str]:
        """Return sequence ("S005_001") -> emotion from the label files; most sequences have none."""
        labels = {}
        for path, read in files_in(root, self.who, {".txt"}):
            if path.stem.endswith("_emotion"):
                text = read().decode("ascii", "replace").strip()
                if text not in _CODES:
                    raise self.error(f"{root}/{path}: {quoted(text)} must be the number of an emotion, 1 to 7")
                labels[path.stem.upper().rsplit("_", 2)[0]] = self.emotion(_CODES[text], path)
        if not labels:
            raise self.refusal(f"no label file such as {root}/Emotion/S005/001/S005_001_00000011_emotion.txt exists")
        return labels
