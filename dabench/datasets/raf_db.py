"""RAF-DB: 15,339 aligned faces from the web, seven basic expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dabench import FACES
from dabench.data.folders import Picture, files_in
from dabench.datasets._emotions import BASIC
from dabench.datasets._from_names import ImageFacts, NamedPictures

_LIST = "list_patition_label.txt"  # as it is spelt there
_NAME = re.compile(r"((train|test)_\d+)_aligned", re.IGNORECASE)
_NUMBERS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
_CODES = {str(number): name for number, name in enumerate(_NUMBERS, 1)}
"""The emotions as the set numbers them."""


class RAFDB(NamedPictures):
    """The single-label part: train_00001_aligned.jpg is in the training set; it is not said who is on a picture.

    As published: basic/Image/aligned/train_00001_aligned.jpg with the classes in basic/EmoLabel/list_patition_label.txt (lines
    as "train_00001.jpg 5"). Or the folder form, where the number of the class is the folder: train/5/train_00001_aligned.jpg.
    Pictures are 100x100 in colour: set size = 100 and channels = 3 for them as they are.
    """

    name = "raf-db"
    short_name = "RAF"
    title = "web faces, aligned, seven basic expressions"
    classes = BASIC
    counts = {"train": 12271, "test": 3068}  # noqa: RUF012
    license = "non-commercial research, on the terms of its page"
    homepage = "http://www.whdeng.cn/RAF/model1.html"
    download_instructions = (
        f"Ask for RAF-DB on its page, unpack basic/Image/aligned.zip, and put basic/Image/aligned and basic/EmoLabel/{_LIST} "
        "into the raw folder; or its folder form (train/1/train_00001_aligned.jpg ...), or a zip of it."
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
        """Return a place such as train/1/train_00001_aligned.jpg."""
        split = "test" if subject == 4 else "train"
        number = _NUMBERS.index(self.classes[label]) + 1
        return f"{split}/{number}/{split}_{number}{subject}{take:03}_aligned.jpg"

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Read train/1/train_00001_aligned.jpg."""
        match = self.matched(_NAME, path, "train_00001_aligned.jpg")
        return ImageFacts(_CODES.get(path.parent.name, ""), split=match[2].lower())

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the aligned pictures, with the classes of the list if there is one."""
        aligned = [(path, read) for path, read in found if path.parent.name != "original"]
        (rows, notes), listed = super().rows(aligned, root), self._listed(root)
        if not listed:
            if unlabelled := [picture[0] for picture, facts in rows if not facts.label]:
                raise self.refusal(f"{root}/{unlabelled[0]} lies in no folder 1 to 7, and there is no {_LIST}")
            return rows, notes
        pictures = {f"{path.stem.removesuffix('_aligned')}.jpg": (path, read) for (path, read), _ in rows}
        for one, other, what in ((listed, pictures, f"are in {_LIST} only"), (pictures, listed, f"are not in {_LIST}")):
            if lacking := [name for name in one if name not in other]:
                raise self.refusal(f"{root}: {len(lacking)} pictures {what}, the first: {lacking[0]}")
        return [(pictures[name], ImageFacts(label, split=name.partition("_")[0])) for name, label in listed.items()], notes

    def _listed(self, root: Path) -> dict[str, str]:
        """Return the name of each picture in the list ("train_00001.jpg") -> its class; nothing if there is no list."""
        listed = {}
        for path, read in files_in(root, self.who, {".txt"}):
            if path.name == _LIST:
                for number, line in enumerate(read().decode("ascii", "replace").splitlines(), 1):
                    name, _, code = line.strip().partition(" ")
                    if code not in _CODES or not re.fullmatch(r"(train|test)_\d+\.jpg", name):
                        where = f"{root}/{path}, line {number}"
                        raise self.error(f"{where}: {line[:40]!r} is not like 'train_00001.jpg 5', with a class from 1 to 7")
                    listed[name] = _CODES[code]
        return listed
