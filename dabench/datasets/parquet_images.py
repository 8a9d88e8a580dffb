"""Your own images in Parquet files: a column of images, as bytes or as paths, and a column of labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from dabench import Samples, setting
from dabench.data.csv_files import FILE
from dabench.data.skipped import SkippingSplits, skipped_note
from dabench.data.squares import SQUARE_HELP, Square
from dabench.datasets._raw_files import RawFiles
from dabench.errors import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from dabench.data.folders import Picture

_SPLITS = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val", "dev": "val"}
"""First word of the name of a file, or value of the column of splits -> split."""


@dataclass
class _Rows:
    """The rows of all files, in their order."""

    pictures: list[Picture] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    classes: Sequence[str] = ()


class ParquetImages(RawFiles):
    """Images in Parquet files: `parquet = "FILE or FOLDER"` in the table of a dataset, without `plugin`.

    The column of images holds the bytes of image files, structs with `bytes` and `path` as the Hugging Face hub writes them, or
    paths below the folder of the Parquet file. Labels are whole numbers from 0 or names of classes. The names of a ClassLabel
    that a Hugging Face file declares are the classes.

    The split of a row is that of its file (train-00000-of-00001.parquet, test.parquet, validation.parquet), or that of the column
    `split`. Without splits, the part `test` of the images is held out, by whole groups if there is a column of groups. Images
    become squares of one size, as those of image-folder. Files of all images are held in memory, as they are compressed.
    """

    name = "parquet-images"
    short_name = "PARQUET"
    title = "your own images in Parquet files"
    license = "that of the images"
    download_instructions = 'Declare the files in a sweep file: [dataset.NAME] with parquet = "FILE or FOLDER".'

    @dataclass(frozen=True)
    class Options:
        """Options of parquet-images."""

        parquet: str = setting("", "a Parquet file, or a folder of them, relative to the sweep file; default: the raw folder")
        image: str = setting("image", "column of the images")
        label: str = setting("label", "column of the labels")
        group: str = setting("", "column of the groups, such as subjects; default: none")
        split: str = setting("", "column with train, test or val; default: the names of the files")
        short_name: str = setting("", "short name in tables")
        size: int | None = setting(
            None, "side in pixels of the square images; default: their own, or the median shorter side", low=4
        )
        square: Square = setting("stretch", SQUARE_HELP)  # noqa: RUF009 -- a Literal
        channels: Literal[1, 3] | None = setting(None, "1: grey, 3: RGB; default: 1 if all images are grey")
        test: float = setting(0.2, "part of the images held out for testing if there are no splits", above=0, high=0.9)
        strict: bool = setting(False, "raise an error instead of skipping images")
        skip_limit: float = setting(0.05, "largest part of the images that may be skipped", low=0, high=1)
        classes: tuple[str, ...] = setting((), "names of the classes in the order of their labels; default: those of the files")
        license: str = setting("", "terms of use, for reports")
        citation: str = setting("", "BibTeX, for dabench cite")

    def root(self, raw: Path) -> Path:
        """Return the file or folder: the option `parquet`, or the raw folder."""
        return Path(self.options.parquet).expanduser() if self.options.parquet else raw

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the Parquet files; images that they name by path are not among them."""
        root = self.root(raw)
        return sorted(root.rglob("*.parquet")) if root.is_dir() else [root] if root.is_file() else []

    def prepare(self, raw: Path) -> SkippingSplits:
        """Read every image; raise DataError if a column is missing, or an image or a label is wrong."""
        import numpy as np

        from dabench.data.images import read_pictures
        from dabench.data.splits import take

        rows, root, o = self._rows(raw), self.root(raw), self.options
        classes, numbers = self._numbers(rows)
        read = read_pictures(rows.pictures, o.channels, o.size, o.square, self.work_folder)
        skipped = {str(path): f"cannot be read as an image ({why})" for path, why in read.bad.items()}
        notes = skipped_note(skipped, len(rows.pictures), root, self.who, strict=o.strict, most=o.skip_limit)
        groups = np.unique([str(g) for g in rows.groups], return_inverse=True)[1].astype(np.int64) if o.group else None
        kept = read.kept
        labels = np.array(numbers, np.int64)[kept]
        files = {FILE: np.array([printable(str(rows.pictures[i][0])) for i in kept.tolist()])}
        whole = Samples(read.images, labels, None if groups is None else groups[kept], files)
        splits = np.array(rows.splits)[kept] if any(rows.splits) else self._held_out(whole)
        parts = {split: take(whole, np.flatnonzero(splits == split)) for split in dict.fromkeys(splits.tolist())}
        return SkippingSplits(parts, skipped, notes=[*read.notes, *notes], classes=classes)

    def _held_out(self, whole: Samples) -> Any:
        import numpy as np

        from dabench.data.splits import held_out

        assert whole.labels is not None
        return np.where(held_out(whole.labels, whole.groups, self.options.test), "test", "train")

    def _rows(self, raw: Path) -> _Rows:
        """Return the rows of all files."""
        root, files, rows = self.root(raw), self.raw_files(raw), _Rows()
        if not files:
            raise self.refusal(f"there is no Parquet file at {root}")
        for file in files:
            table = self._table(file)
            images = table.column(self.options.image)
            contents = self._contents(images, file)
            rows.pictures += [(PurePosixPath(f"{file.name}:{i}"), content) for i, content in enumerate(contents)]
            rows.labels += table.column(self.options.label).to_pylist()
            rows.groups += table.column(self.options.group).to_pylist() if self.options.group else []
            rows.splits += self._splits(table, file, len(files))
            rows.classes = rows.classes or _declared_classes(table, self.options.label)
        if any(rows.splits) and not all(rows.splits):
            named = ", ".join(sorted(file.name for file in files if not _split_of(file.stem)))
            raise self.error(f"some files name their split and others do not: {named}; begin each name with train, test or val")
        return rows

    def _table(self, file: Path) -> pa.Table:
        """Return the columns that are needed of a file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        o = self.options
        wanted = [name for name in (o.image, o.label, o.group, o.split) if name]
        try:
            known = pq.read_schema(file).names
            if missing := [name for name in wanted if name not in known]:
                there = ", ".join(known)
                raise self.error(
                    f"{file}: has no column '{missing[0]}', only {there}; name its columns with image, label, group and split"
                )
            return pq.read_table(file, columns=wanted)
        except (pa.ArrowException, OSError) as e:
            raise self.error(f"{file}: cannot be read as a Parquet file ({e})") from e

    def _contents(self, images: pa.ChunkedArray, file: Path) -> list[Callable[[], bytes]]:
        """Return a function for each image that returns the bytes of its file."""
        import pyarrow as pa

        kind = images.type
        if pa.types.is_struct(kind) and any(kind.field(i).name == "bytes" for i in range(kind.num_fields)):
            rows = images.to_pylist()
            return [partial(_bytes_of, row or {}, file.parent) for row in rows]
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return [partial(_bytes_of, {"bytes": content}, file.parent) for content in images.to_pylist()]
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return [partial(_bytes_of, {"path": path}, file.parent) for path in images.to_pylist()]
        raise self.error(
            f"{file}: column '{self.options.image}' is {kind}; it must be bytes of image files, structs with bytes, or paths"
        )

    def _splits(self, table: pa.Table, file: Path, files: int) -> list[str]:
        """Return the split of each row, "" if nothing says it."""
        if not self.options.split:
            return [_split_of(file.stem) if files > 1 else ""] * len(table)
        found = table.column(self.options.split).to_pylist()
        for i, value in enumerate(found):
            if str(value).lower() not in _SPLITS:
                raise self.error(f"{file}, row {i}: split {value!r}; it must be train, test or val")
        return [_SPLITS[str(value).lower()] for value in found]

    def _numbers(self, rows: _Rows) -> tuple[tuple[str, ...], list[int]]:
        """Return the classes, and the label of each row as an index into them."""
        texts = all(isinstance(label, str) for label in rows.labels)
        names: Sequence[str] = self.options.classes or rows.classes or (sorted(set(rows.labels)) if texts else ())
        if not names:
            whole = [label for label in rows.labels if isinstance(label, int)]
            names = [str(i) for i in range(1 + max(whole, default=0))]
        known: Mapping[Any, int] = {name: i for i, name in enumerate(names)} if texts else {i: i for i in range(len(names))}
        for (path, _), label in zip(rows.pictures, rows.labels, strict=True):
            if label not in known or isinstance(label, bool):
                raise self.error(f"{path}: label {label!r}; it must be 0 to {len(names) - 1}, or one of {', '.join(names)}")
        return tuple(names), [known[label] for label in rows.labels]


def _split_of(stem: str) -> str:
    """Return the split that the name of a file begins with, or ""."""
    word = stem.lower().replace("_", "-").replace(".", "-").split("-")[0]
    return _SPLITS.get(word, "")


def _bytes_of(row: Mapping[str, Any], folder: Path) -> bytes:
    """Return the content of an image file; raise ValueError if the row has neither bytes nor the path of a file."""
    if row.get("bytes"):
        return bytes(row["bytes"])
    if not row.get("path"):
        raise ValueError("the row has no image")
    path = (folder / str(row["path"])).resolve()
    if not path.is_relative_to(folder.resolve()):  # a Parquet file of others must not make dabench read other files
        raise ValueError(f"{row['path']}: is not below {folder}")
    try:
        return path.read_bytes()
    except OSError as e:
        raise ValueError(f"{row['path']}: {e.strerror or e}") from e


def _declared_classes(table: pa.Table, column: str) -> Sequence[str]:
    """Return the class names that the library `datasets` writes into a Parquet file."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, ValueError, TypeError):
        return ()
