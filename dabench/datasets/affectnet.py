"""AffectNet: 291,651 faces of the web that people labelled, eight expressions."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from dabench import FACES
from dabench.data.csv_files import read_rows
from dabench.data.folders import Picture, files_in
from dabench.datasets._emotions import BASIC
from dabench.datasets._face_boxes import face
from dabench.datasets._from_names import ImageFacts, NamedPictures
from dabench.errors import quoted

_CODES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt", "", "", "")
"""The emotions by their numbers; 8: none, 9: uncertain, 10: no face."""
_COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression", "valence",
    "arousal",
)  # fmt: skip
_TABLES = {"training.csv": "train", "validation.csv": "val"}
_PARTS = {
    "train": "train", "training": "train", "train_set": "train", "val": "val", "valid": "val", "validation": "val",
    "val_set": "val", "test": "test",
}  # fmt: skip

_Row = tuple[Picture, ImageFacts]


class AffectNet(NamedPictures):
    """The manually labelled images; the published validation part is the test split, unless there is a folder test.

    Three forms are read. The first release has Manually_Annotated_Images/103/x.jpg, and training.csv and validation.csv with the
    box and the number of the expression of each face; the faces are cut out by their boxes, and faces without one of the eight
    expressions are left out. The later release has train_set/images/0.jpg with the number in train_set/annotations/0_exp.npy, and
    val_set. The folder form is train/<class>/x.jpg and val/<class>/x.jpg, where the class is a number or a name. Subjects are not
    known. The releases differ in their numbers of images, which are not checked.

    Not tried on the real files, only on made-up ones in the layouts that the readers of other projects document.
    """

    name = "affectnet"
    short_name = "AFFECTNET"
    title = "web faces, eight expressions"
    classes = (*BASIC, "contempt")
    license = "research use, on the terms of its agreement"
    homepage = "https://mohammadmahoor.com/pages/databases/affectnet/"
    download_instructions = (
        "Request AffectNet on its page and put Manually_Annotated_Images (103/x.jpg ...), training.csv and validation.csv into "
        "the raw folder; or train_set and val_set (images/0.jpg, annotations/0_exp.npy ...); or class folders (train/0/x.jpg, "
        "val/happy/y.jpg ...)."
    )
    augment = FACES
    citation = """@article{mollahosseini2019affectnet,
  title = {{AffectNet}: A Database for Facial Expression, Valence, and Arousal Computing in the Wild},
  author = {Mollahosseini, Ali and Hasani, Behzad and Mahoor, Mohammad H.},
  journal = {IEEE Transactions on Affective Computing},
  volume = {10},
  number = {1},
  pages = {18--31},
  year = {2019}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as Manually_Annotated_Images/4/angry_000.jpg."""
        return f"Manually_Annotated_Images/{subject}/{self.classes[label]}_{take:03}.jpg"

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write the first release: images, and both tables, with the images of one folder in five for validation."""
        super().make_synthetic(raw, n, seed)
        paths = sorted((raw / "Manually_Annotated_Images").glob("*/*.jpg"))
        for table, split in _TABLES.items():
            named = [path for path in paths if (path.parent.name == "4") == (split == "val")]
            codes = [_CODES.index(path.name.partition("_")[0]) for path in named]
            lines = [f"{path.parent.name}/{path.name},2,3,50,56,1;2,{code},0,0" for path, code in zip(named, codes, strict=True)]
            (raw / table).write_text("\n".join([",".join(_COLUMNS), *lines, ""]), encoding="utf-8")

    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Read train/0/x.jpg or val/happy/x.jpg; None for an image without an emotion."""
        split = next((_PARTS[part.lower()] for part in path.parts[:-2] if part.lower() in _PARTS), "")
        if not split:
            raise self.strange(path, "train/0/x.jpg or val/happy/x.jpg")
        word = path.parts[-2]
        if word.isdecimal() and int(word) < len(_CODES):
            return ImageFacts(_CODES[int(word)], split=split) if _CODES[int(word)] else None
        return ImageFacts(self.emotion(word, path), split=split)

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[_Row], list[str]]:
        """Return the images of the form that exists, with a note about faces without an emotion."""
        tables = [file for file in files_in(root, self.who, {".csv"}) if file[0].name in _TABLES]
        numbers = [file for file in files_in(root, self.who, {".npy"}) if file[0].stem.endswith("_exp")]
        if tables:
            rows, there = self._of_tables(found, tables, root)
        elif numbers:
            rows, there = self._of_numbers(found, numbers, root)
        else:
            rows, there = super().rows(found, root)[0], len(found)
        if not any(facts.split == "test" for _, facts in rows):
            rows = [(picture, replace(facts, split=facts.split.replace("val", "test"))) for picture, facts in rows]
        left_out = f"{there - len(rows):,} of {there:,} images left out: without one of the {len(self.classes)} expressions"
        return rows, [left_out] if len(rows) < there else []

    def _of_tables(self, found: Sequence[Picture], tables: Sequence[Picture], root: Path) -> tuple[list[_Row], int]:
        """Return the faces of the tables with an emotion, and the number of all faces."""
        pictures, rows, there = {picture[0].parts[-2:]: picture for picture in found}, [], 0
        for path, read in tables:  # the published validation.csv has no line with the names of its columns
            for line, row in read_rows(root / path, (_COLUMNS[0], "expression"), self.who, read, gaps=True, columns=_COLUMNS):
                there, where, code = there + 1, f"{root / path}, line {line}", row["expression"]
                if not code.isdecimal() or int(code) >= len(_CODES):
                    raise self.error(f"{where}: expression {quoted(code)} must be a number from 0 to {len(_CODES) - 1}")
                if not (label := _CODES[int(code)]):
                    continue
                picture = pictures.get(PurePosixPath(row[_COLUMNS[0]]).parts[-2:])
                if picture is None:
                    raise self.refusal(f"{where}: there is no image {quoted(row[_COLUMNS[0]], 100)}")
                rows.append((self._face(picture, row, where), ImageFacts(label, split=_TABLES[path.name])))
        return rows, there

    def _face(self, picture: Picture, row: Mapping[str, str], where: str) -> Picture:
        """Return the face of a row; the whole image if the row has no box."""
        texts = [row.get(column, "") for column in _COLUMNS[1:5]]
        if not any(texts):
            return picture
        try:
            x, y, width, height = map(float, texts)
        except ValueError:
            raise self.error(f"{where}: the box of the face, {quoted(','.join(texts))}, must be four numbers") from None
        return face(picture, (x, y, x + width, y + height))

    def _of_numbers(self, found: Sequence[Picture], numbers: Sequence[Picture], root: Path) -> tuple[list[_Row], int]:
        """Return the images of train_set and val_set, and their number."""
        import numpy as np

        pictures = {
            (picture[0].parts[-3:-2], picture[0].stem): picture for picture in found if picture[0].parts[-2:-1] == ("images",)
        }
        rows = []
        for path, read in numbers:
            picture = pictures.get((path.parts[-3:-2], path.stem.removesuffix("_exp")))
            split = next((_PARTS[part.lower()] for part in path.parts if part.lower() in _PARTS), "")
            if picture is None or not split:
                raise self.refusal(
                    f"{root}/{path}: there is no image of it in the folder images beside, below train_set or val_set"
                )
            try:
                label = _CODES[int(str(np.load(io.BytesIO(read()), allow_pickle=False)))]
            except (ValueError, IndexError, EOFError, OSError) as e:
                raise self.error(f"{root}/{path} must hold a number from 0 to 7, and cannot be read") from e
            if label:
                rows.append((picture, ImageFacts(label, split=split)))
        return rows, len(numbers)
