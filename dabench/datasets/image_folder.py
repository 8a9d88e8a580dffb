"""Your own images in class folders, or in a zip of them, without writing code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from dabench import Samples, Splits, setting
from dabench.data.folders import files_below, pictures_in
from dabench.datasets._raw_files import RawFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test",
}  # fmt: skip


class ImageFolder(RawFiles):
    """Images as `<class>/<image>`, or as `train/<class>/<image>` with `test/` and optionally `val/`, in a folder or a zip.

    Without split folders, the part `test` of the images is held out, by whole groups if `group` is set. Images are read as image
    viewers show them: rotated as EXIF says, transparent pixels on white, and only the first image of an animation.
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
        size: int | None = setting(None, "side in pixels of the square that images of different sizes are resized to", low=4)
        channels: Literal[1, 3] | None = setting(None, "1: grey, 3: RGB; default: as the first image")
        test: float = setting(0.2, "part of the images held out for testing if there is no test folder", above=0, high=0.9)
        group: str = setting("", "regular expression searched in the file name; its first (...) is the group (the subject)")
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
        zips = sorted(raw.glob("*.zip"))
        if len(zips) > 1:
            raise self.error(f"{raw} holds {len(zips)} zips; keep one, or set path to one of them")
        return zips[0] if zips else raw

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the zip, or every file of the folder."""
        root = self.root(raw)
        return files_below(root, self.who) if root.is_dir() else [root] if root.is_file() else []

    def split_of(self, path: PurePosixPath) -> str | None:
        """Return the split from an image's path, or None if it is not in a split folder."""
        return _SPLIT_NAMES.get(path.parts[0].lower()) if len(path.parts) > 1 + self.options.labels else None

    def prepare(self, raw: Path) -> Splits:
        """Read every image; an unreadable file is an error that names it."""
        import numpy as np

        from dabench.data.images import lazy_pictures
        from dabench.data.splits import take

        root = self.root(raw)
        pictures = pictures_in(root, self.who)
        labelled = self.options.labels
        found = [(path, read) for path, read in pictures if len(path.parts) >= 1 + labelled]
        if not found:
            why = f"{root} holds no images{' in class folders (<class>/<image>)' if labelled else ''}"
            raise self.error(why) if self.options.path else self.refusal(why)
        stray = [path for path, _ in pictures if len(path.parts) < 1 + labelled]
        notes = (
            [f"{len(stray):,} of {len(pictures):,} images left out: not in a class folder, such as {stray[0]}"] if stray else []
        )
        classes = tuple(self.options.classes or self.classes or sorted({path.parts[-2] for path, _ in found if labelled}))
        splits = self._splits([path for path, _ in found], root)
        labels = np.array([self._label(path, root, classes) if labelled else 0 for path, _ in found], np.int64)
        images = lazy_pictures(found, root, self.who, self.options.channels, self.options.size)
        groups = self._groups([path for path, _ in found])
        if not any(splits):
            why = "no whole group can be held out for testing without losing a class; use train and test folders"
            splits = self.held_out(labels, groups, f"group = {self.options.group!r}: {why}")
        whole = Samples(images, labels if labelled else None, groups)
        parts = {split: take(whole, np.flatnonzero(np.array(splits) == split)) for split in dict.fromkeys(splits)}
        return Splits(parts, notes=notes, classes=classes)

    def held_out(self, labels: NDArray[np.int64], groups: NDArray[np.int64] | None, why: str) -> list[str]:
        """Return "test" or "train" for each image; raise DataError with the text `why` if a group would be divided."""
        import numpy as np

        from dabench.data.splits import held_out

        test = held_out(labels, groups, self.options.test)
        if groups is not None and np.intersect1d(groups[test], groups[~test]).size:
            raise self.error(why)
        return ["test" if held else "train" for held in test]

    def _splits(self, paths: Sequence[PurePosixPath], root: Path) -> list[str]:
        """Return the split of each image, or "" for all if there are no split folders."""
        splits = [self.split_of(path) or "" for path in paths]
        if any(splits):
            if "" in splits:
                stray = paths[splits.index("")]
                raise self.error(f"{root}/{stray} is not in one of the folders train, val and test; move it into one of them")
            for split in ("train", "test"):
                if split not in splits:
                    raise self.error(f"{root} has split folders, but no image in {split}/<class>/; add images")
        return splits

    def _label(self, path: PurePosixPath, root: Path, classes: Sequence[str]) -> int:
        name = path.parts[-2]
        if name not in classes:
            raise self.error(f"{root}/{path}: folder '{name}' must be one of the classes {', '.join(classes)}")
        return classes.index(name)

    def _groups(self, paths: Sequence[PurePosixPath]) -> NDArray[np.int64] | None:
        import numpy as np

        if not self.options.group:
            return None
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
