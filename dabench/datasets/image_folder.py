"""Pictures in class folders, in a folder or a zip: anybody's dataset without writing code."""

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
    """`<class>/<picture>`, or `train/<class>/<picture>` beside `test/` and perhaps `val/`; a folder, or a zip of it.

    Without split folders, `test` of the images are held out, by whole groups where `group` names them. Pictures are taken as
    viewers show them: turned as EXIF says, on white where they are transparent, of an animation the first.
    """

    name = "image-folder"
    short_name = "FOLDER"
    title = "pictures in class folders or a zip of them: anybody's set without writing code"
    license = "as the pictures"
    download_instructions = (
        "Put pictures into the raw folder as <class>/<picture>, or a zip of that, or declare them in a sweep file: "
        '[dataset.NAME] with path = "FOLDER or ZIP".'
    )

    @dataclass(frozen=True)
    class Options:
        """Options of image-folder."""

        path: str = setting("", "the folder or zip; relative to the sweep file; the raw folder, or the one zip in it, if not set")
        short_name: str = setting("", "short name in tables")
        size: int | None = setting(None, "side of the square that pictures of different sizes are resized to", low=4)
        channels: Literal[1, 3] | None = setting(None, "1 grey or 3 RGB; as the first picture has if not set")
        test: float = setting(0.2, "part held out for testing where there is no test folder", above=0, high=0.9)
        group: str = setting("", "regular expression searched in the file name; its first group is the group (the subject)")
        classes: tuple[str, ...] = setting((), "class folders in the order of their labels; all, by name, if not set")
        license: str = setting("", "terms of use, for the report")
        citation: str = setting("", "BibTeX, for dabench cite")

    def root(self, raw: Path) -> Path:
        """Return the folder or zip that holds the pictures: the option `path`, or the one zip in `raw`, or `raw` itself."""
        if self.options.path:
            return Path(self.options.path).expanduser()
        if not raw.exists():
            raise self.refusal(f"its raw files are not in {raw}")
        zips = sorted(raw.glob("*.zip"))
        if len(zips) > 1:
            raise self.error(f"{raw} holds {len(zips)} zips; leave one, or set path to the one to read")
        return zips[0] if zips else raw

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the zip, or every file of the folder."""
        root = self.root(raw)
        return files_below(root, self.who) if root.is_dir() else [root] if root.is_file() else []

    def split_of(self, path: PurePosixPath) -> str | None:
        """Return the split that a picture's place says it is in, or None where the place says nothing."""
        return _SPLIT_NAMES.get(path.parts[0].lower()) if len(path.parts) > 2 else None

    def prepare(self, raw: Path) -> Splits:
        """Read every picture; a file that is no readable picture is an error that names it."""
        import numpy as np

        from dabench.data.images import lazy_pictures
        from dabench.data.splits import take

        root = self.root(raw)
        pictures = pictures_in(root, self.who)
        found = [(path, read) for path, read in pictures if len(path.parts) >= 2]
        if not found:
            why = f"{root} holds no pictures in class folders (<class>/<picture>)"
            raise self.error(why) if self.options.path else self.refusal(why)
        stray = [path for path, _ in pictures if len(path.parts) < 2]
        notes = [f"{len(stray):,} of {len(pictures):,} pictures left out: in no class folder, as {stray[0]}"] if stray else []
        classes = tuple(self.options.classes or self.classes or sorted({path.parts[-2] for path, _ in found}))
        splits = self._splits([path for path, _ in found], root)
        labels = np.array([self._label(path, root, classes) for path, _ in found], np.int64)
        images = lazy_pictures(found, root, self.who, self.options.channels, self.options.size)
        groups = self._groups([path for path, _ in found])
        if not any(splits):
            why = "no whole group can be held out for testing without losing a class; give train and test folders"
            splits = self.held_out(labels, groups, f"group = {self.options.group!r}: {why}")
        whole = Samples(images, labels, groups)
        parts = {split: take(whole, np.flatnonzero(np.array(splits) == split)) for split in dict.fromkeys(splits)}
        return Splits(parts, notes=notes, classes=classes)

    def held_out(self, labels: NDArray[np.int64], groups: NDArray[np.int64] | None, why: str) -> list[str]:
        """Return "test" or "train" of each picture; raise DataError, which says `why`, where groups would be cut."""
        import numpy as np

        from dabench.data.splits import held_out

        test = held_out(labels, groups, self.options.test)
        if groups is not None and np.intersect1d(groups[test], groups[~test]).size:
            raise self.error(why)
        return ["test" if held else "train" for held in test]

    def _splits(self, paths: Sequence[PurePosixPath], root: Path) -> list[str]:
        """Return the split of each picture, all empty if there are no split folders."""
        splits = [self.split_of(path) or "" for path in paths]
        if any(splits):
            if "" in splits:
                stray = paths[splits.index("")]
                raise self.error(f"{root}/{stray} lies beside the folders train, val and test; move it into one of them")
            for split in ("train", "test"):
                if split not in splits:
                    raise self.error(f"{root} has split folders, but no picture in {split}/<class>/")
        return splits

    def _label(self, path: PurePosixPath, root: Path, classes: Sequence[str]) -> int:
        name = path.parts[-2]
        if name not in classes:
            raise self.error(f"{root}/{path}: folder '{name}' is none of the classes {', '.join(classes)}")
        return classes.index(name)

    def _groups(self, paths: Sequence[PurePosixPath]) -> NDArray[np.int64] | None:
        import numpy as np

        if not self.options.group:
            return None
        try:
            pattern = re.compile(self.options.group)
        except re.error as e:
            raise self.error(f"group = {self.options.group!r} is no regular expression ({e})") from e
        names = []
        for path in paths:
            match = pattern.search(path.name)
            if not match or not match.groups() or match.group(1) is None:
                raise self.error(f"group = {self.options.group!r} finds no (group) in '{path}'")
            names.append(match.group(1))
        return np.unique(names, return_inverse=True)[1].astype(np.int64)
