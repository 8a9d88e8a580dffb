"""ExpW, "Expression in the Wild": 91,793 faces in images of the web, seven expressions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dabench import FACES
from dabench.data.folders import Picture, files_in
from dabench.datasets._emotions import BASIC
from dabench.datasets._face_boxes import Box, face
from dabench.datasets._from_names import ImageFacts, NamedPictures
from dabench.datasets._raw_files import numbered_lines
from dabench.errors import quoted

_LIST = "label.lst"
_NUMBERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_LINE = "NAME FACE TOP LEFT RIGHT BOTTOM CONFIDENCE CLASS, with a class from 0 to 6"


class ExpW(NamedPictures):
    """Images such as origin/angry_actor_104.jpg, and a line in label.lst for each face with its box and its class.

    Each face is cut out by its box. There are no official splits: whole images are held out, because the faces of one image are
    not independent. The image is the group; subjects are not known.

    Not tried on the real files, only on made-up ones in the layout that the readers of other projects document.
    """

    name = "expw"
    short_name = "EXPW"
    title = "faces in images of the web, seven expressions"
    classes = BASIC
    counts = {"all": 91793}  # noqa: RUF012
    license = "non-commercial research, on the terms of its page"
    homepage = "https://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html"
    download_instructions = (
        f"Download ExpW from its page, unpack its images, and put origin (origin/angry_actor_104.jpg ...) and {_LIST} into the "
        "raw folder."
    )
    aliases = {"expw": ("ExpW_dataset", "ExpwCleaned")}  # noqa: RUF012
    augment = FACES
    citation = """@article{zhang2018facial,
  title = {From Facial Expression Recognition to Interpersonal Relation Prediction},
  author = {Zhang, Zhanpeng and Luo, Ping and Loy, Chen Change and Tang, Xiaoou},
  journal = {International Journal of Computer Vision},
  volume = {126},
  number = {5},
  pages = {550--569},
  year = {2018}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return the path of an image, which has a face of each class."""
        return f"origin/people_{take:03}.jpg"

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write images with a face of each class beside each other, and the list."""
        import numpy as np

        from dabench.data.synthetic import synthetic_image, write_picture

        rng, lines = np.random.default_rng(seed), []
        for take in range(max(n, 5)):
            path = raw / self.example(0, 0, take)
            write_picture(path, np.concatenate([synthetic_image(self.classes.index(name), rng) for name in _NUMBERS], axis=1))
            lines += [f"{path.name} {code} 0 {48 * code} {48 * code + 48} 48 80.0 {code}\n" for code in range(len(_NUMBERS))]
        (raw / _LIST).write_text("".join(lines), encoding="utf-8")

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Return the group of an image; its name says nothing about classes."""
        return ImageFacts("", path.name)

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the faces of the list, in its order."""
        pictures = {picture[0].name: picture for picture in found}
        lists = [(path, read) for path, read in files_in(root, self.who, {".lst"}) if path.name == _LIST]
        if not lists:
            raise self.refusal(f"{root}/{_LIST} does not exist")
        (path, read), rows = lists[0], []
        for number, line in numbered_lines(read()):
            name, box, label = self._face(line, f"{root}/{path}, line {number}")
            if name not in pictures:
                raise self.refusal(f"{root}/{path}, line {number}: there is no image {quoted(name, 80)}")
            rows.append((face(pictures[name], box), ImageFacts(label, name)))
        return rows, []

    def _face(self, line: str, where: str) -> tuple[str, Box, str]:
        """Return image, box and class of a face."""
        values = line.split()
        try:
            name, (_, top, left, right, bottom, _), code = values[0], map(float, values[1:7]), int(values[7])
            if len(values) == 8 and 0 <= code < len(_NUMBERS):
                return name, (left, top, right, bottom), _NUMBERS[code]
        except (IndexError, ValueError):
            pass
        raise self.error(f"{where}: {quoted(line, 80)} must be like {_LINE}")
