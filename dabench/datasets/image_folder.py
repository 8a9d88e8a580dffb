"""Your own images in class folders, or in a zip of them, without writing code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from dabench import Samples, Splits, setting
from dabench.data.csv_files import FILE
from dabench.data.folder_names import same_name
from dabench.data.folders import files_below, folders_in, is_leftover, picture_files
from dabench.data.layouts import Reading, class_names, read_layout, refuse_lost_classes, refuse_untested, shared_text
from dabench.data.skipped import SkippingSplits, skipped_note
from dabench.data.squares import SQUARE_HELP, Square
from dabench.datasets._raw_files import RawFiles
from dabench.errors import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ImageFolder(RawFiles):
    """Images in class folders, in a folder or a zip: `<class>/<image>`, `<class>/<subject>/<image>`, with splits or without.

    Split folders `train/`, `test/` and optionally `val/` are around the class folders. Single folders around everything are
    taken off. A folder below that of a class is the subject if its name says so (s1, person_03), and the group is the subject.
    Whatever can be read in two ways is an error; the option `layout` says which is meant. How the folders were read is printed.

    Without split folders, the part `test` of the images is held out, by whole groups if groups are known. Images are read as
    image viewers show them: rotated as EXIF says, transparent pixels on white, and only the first image of an animation. Images
    of one square size stay as they are, others become squares of one size; all become RGB if one is in colour. Files that cannot
    be read are skipped and listed.
    """

    name = "image-folder"
    short_name = "FOLDER"
    title = "your own images in class folders or a zip of them"
    license = "that of the images"
    download_instructions = (
        "Put images into the raw folder as <class>/<image>, or a zip of that, or declare them in a sweep file: "
        '[dataset.NAME] with path = "FOLDER or ZIP".'
    )

    @dataclass(frozen=True)
    class Options:
        """Options of image-folder."""

        path: str = setting("", "the folder or zip, relative to the sweep file; default: the raw folder, or the only zip in it")
        short_name: str = setting("", "short name in tables")
        layout: str = setting(
            "",
            "meaning of each folder level, from the outermost: split, class, subject or * (none); default: as names say",
        )
        size: int | None = setting(
            None,
            "side in pixels of the square images; default: their own, or the median shorter side, at most 256, if they differ",
            low=4,
        )
        square: Square = setting("stretch", SQUARE_HELP)  # noqa: RUF009 -- a Literal
        channels: Literal[1, 3] | None = setting(None, "1: grey, 3: RGB; default: 1 if all images are grey")
        test: float = setting(0.2, "part of the images held out for testing if there is no test folder", above=0, high=0.9)
        test_from: Literal["train", "val"] | None = setting(
            None, "what to test on if there are split folders without test: val: its images, train: the part `test` of them"
        )
        group: str = setting("", "regular expression searched in the file name; its first (...) is the group (the subject)")
        strict: bool = setting(False, "raise an error instead of skipping files")
        skip_limit: float = setting(0.05, "largest part of the files that may be skipped", low=0, high=1)
        classes: tuple[str, ...] = setting((), "class folders in the order of their labels; default: all, sorted by name")
        labels: bool = setting(True, "false: the images have no labels, and folders name no classes; such a dataset is a target")
        license: str = setting("", "terms of use, for reports")
        citation: str = setting("", "BibTeX, for dabench cite")

    def root(self, raw: Path) -> Path:
        """Return the folder or zip with the images: the option `path`, the only zip in `raw`, or `raw`."""
        if self.options.path:
            return Path(self.options.path).expanduser()
        if not raw.exists():
            raise self.refusal(f"its raw files are not in {raw}")
        zips = sorted(path for path in raw.glob("*.zip") if not is_leftover(path.name))
        if len(zips) > 1:
            raise self.error(f"{raw} holds {len(zips)} zips; keep one, or set path to one of them")
        return zips[0] if zips else raw

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the zip, or every file of the folder."""
        root = self.root(raw)
        return files_below(root, self.who) if root.is_dir() else [root] if root.is_file() else []

    def prepare(self, raw: Path) -> Splits:
        """Read every image; raise DataError if the folders can be read in two ways, a class is lost, or too much is skipped."""
        import numpy as np

        from dabench.data.images import read_pictures
        from dabench.data.splits import take

        root, o = self.root(raw), self.options
        found = picture_files(root, self.who)
        reading = read_layout([path for path, _ in found], o.layout, root, self.who, labelled=o.labels)
        if not reading.places:
            why = f"{root} holds no images{' in class folders (<class>/<image>)' if o.labels else ''}"
            raise self.error(why) if o.path else self.refusal(why)
        names = self._classes(reading, root)
        refuse_untested(reading, o.test_from, root, self.who)
        rows = [(path, read) for path, read in found if path in reading.places]
        pictures = read_pictures(rows, o.channels, o.size, o.square, self.work_folder)
        skipped = {str(path): "is not in a class folder" for path in reading.strays}
        skipped |= {str(path): f"cannot be read as an image ({why})" for path, why in pictures.bad.items()}
        kept = [rows[i][0] for i in pictures.kept.tolist()]
        if names:
            refuse_lost_classes(reading, folders_in(root, self.who), kept, root, self.who)
        notes = skipped_note(skipped, len(found), root, self.who, strict=o.strict, most=o.skip_limit)
        places = [reading.places[path] for path in kept]
        classes = tuple(dict.fromkeys(names.values()))
        labels = np.array([classes.index(names[same_name(p.label)]) if names else 0 for p in places], np.int64)
        groups = self._groups(kept, [place.subject for place in places])
        splits, how = self._splits([place.split for place in places], labels, groups)
        files = {FILE: np.array([printable(str(path)) for path in kept])}
        whole = Samples(pictures.images, labels if names else None, groups, files)
        parts = {split: take(whole, np.flatnonzero(np.array(splits) == split)) for split in dict.fromkeys(splits)}
        facts = [
            f"{len(classes)} classes" if names else "no labels",
            f"{len(np.unique(groups))} groups" if groups is not None else "",
        ]
        read_as = "; ".join([f"read as: {reading.text('picture')}", ", ".join(filter(None, [*facts, how]))])
        return SkippingSplits(parts, skipped, notes=[read_as, *pictures.notes, *notes], classes=classes)

    def held_out(self, labels: NDArray[np.int64], groups: NDArray[np.int64] | None, why: str) -> list[str]:
        """Return "test" or "train" for each image; raise DataError with the text `why` if a group would be divided."""
        import numpy as np

        from dabench.data.splits import held_out

        test = held_out(labels, groups, self.options.test)
        if groups is not None and np.intersect1d(groups[test], groups[~test]).size:
            raise self.error(why)
        return ["test" if held else "train" for held in test]

    def _classes(self, reading: Reading, root: Path) -> dict[str, str]:
        """Return each class as names are compared -> its name, in the order of the labels; empty without labels."""
        if not self.options.labels:
            return {}
        found = class_names(reading, root, self.who)
        wanted = {same_name(name): name for name in self.options.classes or self.classes}
        if not wanted:
            return dict(sorted(found.items(), key=lambda item: item[1]))
        for path, place in reading.places.items():
            if same_name(place.label) not in wanted:
                raise self.error(f"{root}/{path}: folder '{place.label}' must be one of the classes {', '.join(wanted.values())}")
        return wanted

    def _splits(
        self, splits: Sequence[str], labels: NDArray[np.int64], groups: NDArray[np.int64] | None
    ) -> tuple[list[str], str]:
        """Return the split of each image, and in words how they are split."""
        import numpy as np

        how = "by group" if groups is not None else "at random"
        why = "no whole group can be held out for testing without losing a class; use train and test folders"
        why = (
            f"group = {self.options.group!r}: {why}" if self.options.group else f'{why}, or ignore the folders: layout = "class"'
        )

        def shared(parts: Sequence[str]) -> str:
            return "" if groups is None else shared_text(parts, groups.tolist())

        if not any(splits):
            return self.held_out(labels, groups, why), f"split {how}"
        if "test" in splits:
            return list(splits), f"split by folder{shared(splits)}"
        if self.options.test_from == "val":
            renamed = ["test" if split == "val" else split for split in splits]
            return renamed, f"split by folder (test: val){shared(renamed)}"
        train = np.flatnonzero(np.array(splits) == "train")
        result = list(splits)
        for i, split in zip(train, self.held_out(labels[train], None if groups is None else groups[train], why), strict=True):
            result[i] = split
        return result, f"split by folder, test held out of train {how}{shared(result)}"

    def _groups(self, paths: Sequence[PurePosixPath], subjects: Sequence[str]) -> NDArray[np.int64] | None:
        """Return the group of each image, (N,): from file names with the option `group`, else from folders, if they tell."""
        import numpy as np

        if not self.options.group:
            return np.unique([same_name(s) for s in subjects], return_inverse=True)[1].astype(np.int64) if any(subjects) else None
        try:
            pattern = re.compile(self.options.group)
        except re.error as e:
            raise self.error(f"group = {self.options.group!r} is not a valid regular expression ({e})") from e
        names = []
        for path in paths:
            match = pattern.search(path.name)
            if not match or not match.groups() or match.group(1) is None:
                raise self.error(f"group = {self.options.group!r} finds no group in (...) in '{path}'")
            names.append(match.group(1))
        return np.unique(names, return_inverse=True)[1].astype(np.int64)
