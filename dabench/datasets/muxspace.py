"""Press and film faces from muxspace/facial_expressions, labelled by volunteers, seven expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dabench import FACES
from dabench.data.csv_files import read_rows
from dabench.data.folders import Picture, files_in
from dabench.datasets._emotions import BASIC, EMOTIONS, emotion
from dabench.datasets._from_names import ImageFacts, NamedPictures
from dabench.errors import quoted

_PERSON = re.compile(r"(.+)_\d+")


class Muxspace(NamedPictures):
    """images/Aaron_Guiel_0001.jpg with its emotion in data/legend.csv (user.id, image, emotion), or happy/Aaron_Guiel_0001.png.

    Most are images of Labeled Faces in the Wild, others of eight film actors. The subject is the name before the last
    number (Aaron_Guiel, Avinash of Avinash_17.jpg), so that no subject is in two splits; an image without such a name
    is its own subject. There are no official splits. The labels are noisy, and the classes are very unbalanced: of the 13,671
    images of the 48x48 class folders 6,862 are neutral and 21 fear.

    An image with two lines in the legend is read once if they agree, and left out if not. The few images of contempt are left
    out. A note counts both.
    """

    name = "muxspace"
    short_name = "MUX"
    title = "faces of the press and of films, labelled by volunteers, seven expressions"
    classes = BASIC
    license = "Apache-2.0"
    homepage = "https://github.com/muxspace/facial_expressions"
    download_instructions = (
        "Download the repository from its page and put its folders images and data (legend.csv), or a zip of the repository, "
        "into the raw folder; or put class folders (happy/Aaron_Guiel_0001.png ...), or a zip of them, there."
    )
    augment = FACES
    citation = """@misc{muxspace,
  title = {facial\\_expressions: a set of images for classifying facial expressions},
  author = {{muxspace}},
  howpublished = {\\url{https://github.com/muxspace/facial_expressions}}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as images/Person_A_0001.jpg; its first digit is the class."""
        return f"images/Person_{'ABCDE'[subject]}_{label}{take:03}.jpg"

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write images and their legend."""
        super().make_synthetic(raw, n, seed)
        pictures = sorted(path.name for path in (raw / "images").iterdir())
        rows = [f"1,{name},{BASIC[int(name.split('_')[2][0])]}" for name in pictures]
        (raw / "data").mkdir(exist_ok=True)
        (raw / "data" / "legend.csv").write_text("\n".join(["user.id,image,emotion", *rows, ""]), encoding="utf-8")

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Read happy/Aaron_Guiel_0001.png; in the folder images only the file name counts."""
        person = _PERSON.fullmatch(path.stem)
        label = "" if path.parent.name == "images" else self.emotion(path.parent.name, path)
        return ImageFacts(label, person[1] if person else path.stem)

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the images of the class folders, or the images of the legend with one emotion."""
        labels = self._legend(root)
        if labels is None:
            rows, notes = super().rows(found, root)
            if any(not facts.label for _, facts in rows):
                raise self.refusal(f"{root}/data/legend.csv does not exist")
            return rows, notes
        pictures = {path.name: (path, read) for path, read in found if path.parent.name == "images"}
        if lacking := [name for name in labels if name not in pictures]:
            some = f"{', '.join(lacking[:5])}{' ...' if len(lacking) > 5 else ''}"
            which = f"{len(lacking)} images of {root}/data/legend.csv"
            raise self.error(f"{which} are not in {root}/images: {some}; download them, or remove their lines")
        left_out = {
            "with two emotions": sum(not label for label in labels.values()),
            "of other classes": sum(bool(label) and label not in self.classes for label in labels.values()),
            "not in the legend": len(pictures.keys() - labels.keys()),
        }
        reasons = [f"{count:,} {why}" for why, count in left_out.items() if count]
        notes = [f"{sum(left_out.values()):,} of {len(pictures):,} images left out: {', '.join(reasons)}"] if reasons else []
        rows = [
            (pictures[name], ImageFacts(label, self.named(pictures[name][0]).subject))
            for name, label in sorted(labels.items())
            if label in self.classes
        ]
        return rows, notes

    def _legend(self, root: Path) -> dict[str, str] | None:
        """Return image name -> emotion, which is "" if two emotions are given; None if there is no legend."""
        legend = [(path, read) for path, read in files_in(root, self.who, {".csv"}) if path.name == "legend.csv"]
        if not legend:
            return None
        (path, read), labels = legend[0], dict[str, str]()
        for line, row in read_rows(root / path, ("image", "emotion"), self.who, read):
            label = emotion(row["emotion"])
            if label is None:
                where = f"{root / path}, line {line}"
                raise self.error(f"{where}: emotion {quoted(row['emotion'])} must be one of {', '.join(EMOTIONS)}")
            name = row["image"]
            labels[name] = label if labels.get(name, label) == label else ""
        return labels
