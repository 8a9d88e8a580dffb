"""RAF-DB: 15,339 aligned faces from the web, seven basic expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dabench import FACES
from dabench.data.folders import Picture, files_in
from dabench.datasets._emotions import BASIC, emotion
from dabench.datasets._from_names import ImageFacts, NamedPictures
from dabench.datasets._raw_files import numbered_lines
from dabench.errors import quoted

_LIST = "list_patition_label.txt"  # spelt like this in the dataset
_LISTS = (_LIST, "list_partition_label.txt")
_NAME = re.compile(r"((train|test)_\d+)(_aligned)?", re.IGNORECASE)
_NUMBERS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
_CODES = {str(number): name for number, name in enumerate(_NUMBERS, 1)}
"""The codes of the emotions in the dataset."""


class RAFDB(NamedPictures):
    """The single-label part, basic: train_00001_aligned.jpg is in the training split. Subjects are not known.

    The published form has basic/Image/aligned/train_00001_aligned.jpg and the classes in basic/EmoLabel/list_patition_label.txt
    (lines such as "train_00001.jpg 5"). Its folder compound, beside basic, and Image/original are not read. In the folder form,
    the folder is the class, by number or name: train/5/train_00001_aligned.jpg, often below a folder DATASET.
    The images are 100x100 in colour; set size = 100 and channels = 3 to keep this.
    """

    name = "raf-db"
    short_name = "RAF"
    title = "web faces, aligned, seven basic expressions"
    classes = BASIC
    counts = {"train": 12271, "test": 3068}  # noqa: RUF012
    license = "non-commercial research, on the terms of its page"
    homepage = "http://www.whdeng.cn/RAF/model1.html"
    download_instructions = (
        f"Request RAF-DB on its page, unpack basic/Image/aligned.zip, and put basic/Image/aligned and basic/EmoLabel/{_LIST} "
        "into the raw folder; or put its folder form (train/1/train_00001_aligned.jpg ...), or a zip of it, there."
    )
    augment = FACES
    citation = """@inproceedings{li2017reliable,
  title = {Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild},
  author = {Li, Shan and Deng, Weihong and Du, JunPing},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year = {2017},
  doi = {10.1109/CVPR.2017.277}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as train/1/train_00001_aligned.jpg."""
        split = "test" if subject == 4 else "train"
        number = _NUMBERS.index(self.classes[label]) + 1
        return f"{split}/{number}/{split}_{number}{subject}{take:03}_aligned.jpg"

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Read train/1/train_00001_aligned.jpg."""
        match = self.matched(_NAME, path, "train_00001_aligned.jpg")
        word = path.parent.name
        return ImageFacts(_CODES.get(word) or emotion(word) or "", split=match[2].lower())

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the aligned images, with the classes of the list if there is one."""
        aligned = [(path, read) for path, read in found if path.parent.name.lower() != "original" and _is_basic(path)]
        (rows, notes), listed = super().rows(aligned, root), self._listed(root)
        if not listed:
            if unlabelled := [picture[0] for picture, facts in rows if not facts.label]:
                raise self.refusal(f"{root}/{unlabelled[0]} is not in a folder 1 to 7, and {_LIST} does not exist")
            return rows, notes
        pictures = {_listed_name(path.name): (path, read) for (path, read), _ in rows}
        for one, other, what in ((listed, pictures, f"are only in {_LIST}"), (pictures, listed, f"are not in {_LIST}")):
            if lacking := [name for name in one if name not in other]:
                raise self.refusal(f"{root}: {len(lacking)} images {what}; the first is {lacking[0]}")
        return [(pictures[name], ImageFacts(label, split=name.partition("_")[0])) for name, label in listed.items()], notes

    def _listed(self, root: Path) -> dict[str, str]:
        """Return image name ("train_00001.jpg") -> class from the list; empty if there is no list."""
        listed = {}
        for path, read in files_in(root, self.who, {".txt"}):
            if path.name.lower() in _LISTS and _is_basic(path):
                for number, line in numbered_lines(read()):
                    name, code = [*line.split(), ""][:2]
                    if code not in _CODES or len(line.split()) > 2 or not _NAME.fullmatch(PurePosixPath(name).stem):
                        where = f"{root}/{path}, line {number}"
                        raise self.error(f"{where}: {quoted(line)} must be like 'train_00001.jpg 5', with a class from 1 to 7")
                    listed[_listed_name(name)] = _CODES[code]
        return listed


def _is_basic(path: PurePosixPath) -> bool:
    """Whether a file does not belong to the part with compound emotions, whose lists and images have the same names."""
    return "compound" not in [part.lower() for part in path.parts]


def _listed_name(name: str) -> str:
    """Return the name of an image as the published list has it, train_00001.jpg."""
    return f"{PurePosixPath(name.lower()).stem.removesuffix('_aligned')}.jpg"
