"""Faces of the press and of films from muxspace/facial_expressions, labelled by volunteers, seven expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dabench import FACES
from dabench.data.csv_files import read_rows
from dabench.data.folders import Picture, files_in
from dabench.datasets._emotions import BASIC, EMOTIONS, emotion
from dabench.datasets._from_names import ImageFacts, NamedPictures

_PERSON = re.compile(r"(.+)_\d+")


class Muxspace(NamedPictures):
    """images/Aaron_Guiel_0001.jpg with its emotion in data/legend.csv (user.id, image, emotion), or happy/Aaron_Guiel_0001.png.

    Most are pictures of Labeled Faces in the Wild, others of eight film actors. The subject is the name before the last
    number (Aaron_Guiel, Avinash of Avinash_17.jpg), so that nobody is on both sides of a split; a picture without such a name
    is a subject by itself. There are no official splits. Labels are noisy, and the classes far from balanced: of the 13,671
    pictures of the 48x48 class folders 6,862 are neutral and 21 fear.

    A picture that the legend names twice is read once if both agree, and left out if not. The few pictures of contempt are
    left out. A note counts both.
    """

    name = "muxspace"
    short_name = "MUX"
    title = "faces of the press and of films, labelled by volunteers, seven expressions"
    classes = BASIC
    license = "Apache-2.0"
    homepage = "https://github.com/muxspace/facial_expressions"
    download_instructions = (
        "Get the repository from its page and put its folders images and data (legend.csv), or a zip of the repository, into the "
        "raw folder; or a zip or folder of class folders (happy/Aaron_Guiel_0001.png ...)."
    )
    augment = FACES
    citation = """@misc{muxspace,
  title = {facial\\_expressions: a set of images for classifying facial expressions},
  author = {{muxspace}},
  howpublished = {\\url{https://github.com/muxspace/facial_expressions}}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a place such as images/Person_A_0001.jpg; its first digit is the class."""
        return f"images/Person_{'ABCDE'[subject]}_{label}{take:03}.jpg"

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write images and their legend."""
        super().make_synthetic(raw, n, seed)
        pictures = sorted(path.name for path in (raw / "images").iterdir())
        rows = [f"1,{name},{BASIC[int(name.split('_')[2][0])]}" for name in pictures]
        (raw / "data").mkdir(exist_ok=True)
        (raw / "data" / "legend.csv").write_text("\n".join(["user.id,image,emotion", *rows, ""]), encoding="utf-8")

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Read happy/Aaron_Guiel_0001.png; in the folder images the name alone."""
        person = _PERSON.fullmatch(path.stem)
        label = "" if path.parent.name == "images" else self.emotion(path.parent.name, path)
        return ImageFacts(label, person[1] if person else path.stem)

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the pictures of the class folders, or those of the legend with one emotion."""
        labels = self._legend(root)
        if labels is None:
            rows, notes = super().rows(found, root)
            if any(not facts.label for _, facts in rows):
                raise self.refusal(f"there is no {root}/data/legend.csv")
            return rows, notes
        pictures = {path.name: (path, read) for path, read in found if path.parent.name == "images"}
        if lacking := [name for name in labels if name not in pictures]:
            some = f"{', '.join(lacking[:5])}{' ...' if len(lacking) > 5 else ''}"
            which = f"{len(lacking)} pictures of {root}/data/legend.csv"
            raise self.error(f"{which} are not in {root}/images: {some}; get them, or remove their lines")
        left_out = {
            "with two emotions": sum(not label for label in labels.values()),
            "of other classes": sum(bool(label) and label not in self.classes for label in labels.values()),
            "that the legend does not name": len(pictures.keys() - labels.keys()),
        }
        reasons = [f"{count:,} {why}" for why, count in left_out.items() if count]
        notes = [f"{sum(left_out.values()):,} of {len(pictures):,} pictures left out: {', '.join(reasons)}"] if reasons else []
        rows = [
            (pictures[name], ImageFacts(label, self.named(pictures[name][0]).subject))
            for name, label in sorted(labels.items())
            if label in self.classes
        ]
        return rows, notes

    def _legend(self, root: Path) -> dict[str, str] | None:
        """Return the name of each picture -> its emotion, empty where two are given; None if there is no legend."""
        legend = [(path, read) for path, read in files_in(root, self.who, {".csv"}) if path.name == "legend.csv"]
        if not legend:
            return None
        (path, read), labels = legend[0], dict[str, str]()
        for line, row in read_rows(root / path, ("image", "emotion"), self.who, read):
            label = emotion(row["emotion"])
            if label is None:
                where = f"{root / path}, line {line}"
                raise self.error(f"{where}: '{row['emotion']}' is none of the emotions {', '.join(EMOTIONS)}")
            name = row["image"]
            labels[name] = label if labels.get(name, label) == label else ""
        return labels
