"""Base class of object datasets whose domains are separate datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import ClassVar, Literal

from dabench import Augment, DataError, setting
from dabench.data.folders import Picture, files_below, files_in
from dabench.datasets._from_names import ImageFacts, NamedPictures
from dabench.datasets._raw_files import numbered_lines, plain
from dabench.errors import quoted


class DomainFolders(NamedPictures):
    """Class folders inside the folder of their domain; all domains are in one folder or zip.

    Further folders may be around and between them. Names are compared without case, blanks and punctuation, and may be `aliases`.
    Without lists of splits, the part `test` of each class is held out, always the same images. Most published results use all
    images of a domain for both training and testing; `protocol = "transductive"` in a sweep file does so, too. Results on the
    held-out part cannot be compared with them.

    Attributes:
        domains: name of each domain -> its `counts`.
        folder: the folder of the classes inside the folder of a domain.
        lists: what follows the domain in the name of a list -> the split that it lists ("_train" for clipart_train.txt). Each
            line is the path of an image, of which folder and file name count, and the number of its class, which does not.
        needs_lists: whether the dataset has no other splits than those of its lists.
    """

    name = ""
    domains: ClassVar[Mapping[str, Mapping[str, int]]] = {}
    folder = ""
    lists: ClassVar[Mapping[str, str]] = {}
    needs_lists: ClassVar[bool] = False
    short_name = ""
    augment = Augment(flip=True)

    @dataclass(frozen=True)
    class Options(NamedPictures.Options):
        """Options of a domain."""

        size: int = setting(224, "side in pixels of the square that images are resized to", low=4)
        channels: Literal[1, 3] = setting(3, "1: grey, 3: RGB")
        test: float = setting(0.2, "part of each class held out for testing", above=0, high=0.9)

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        if variant:
            self.short_name = plain(variant).upper() + type(self).short_name
            self.counts = self.domains[variant]

    def root(self, raw: Path) -> Path:
        """Return the option `path`, the only zip in `raw`, or `raw`."""
        if not self.variant:
            known = ", ".join(self.name.removesuffix("*") + v for v in self.variants)
            raise DataError(f"{self.who} is a family of datasets; use one of {known}. {self.download_instructions}")
        return super().root(raw)

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the zip, or only the files of this domain, so that files of other domains may change."""
        root = self.root(raw)
        files = [root] if root.is_file() else files_below(root, self.who)
        return [f for f in files if f == root or self.is_here(f.relative_to(root)) or self.is_list(f)]

    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Return the class from an image's folder; None if the image is not of this domain."""
        if not self.is_here(path):
            return None
        label = self._labels.get(plain(path.parts[-2]))
        if label is None:
            raise self.error(f"{path}: folder '{path.parts[-2]}' must be one of the classes {', '.join(self.classes)}")
        return ImageFacts(label)

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as amazon/images/back_pack/frame_0001.jpg."""
        return str(PurePosixPath(self.variant, self.folder, self.classes[label], f"frame_{5 * take + subject + 1:04}.jpg"))

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the images of the domain, split as the lists say if there are lists."""
        rows, notes = super().rows(found, root)
        splits = self._split_lists(root)
        if not rows or not self.lists:
            return rows, notes
        if not splits:
            named = " and ".join(f"{self.variant}{end}.txt" for end in self.lists)
            if self.needs_lists:
                raise self.refusal(f"{root} does not hold the lists of splits, {named}")
            return rows, [*notes, f"without the lists {named}, {self.options.test:.0%} of each class are held out for testing"]
        there = {_key(picture[0]): (picture, facts) for picture, facts in rows}
        if lacking := [key for key in splits if key not in there]:
            place = "/".join(lacking[0])
            raise self.refusal(f"{root}: {len(lacking):,} images of the lists of splits do not exist; the first is {place}")
        kept = [(picture, replace(facts, split=splits[key])) for key, (picture, facts) in there.items() if key in splits]
        if len(kept) < len(rows):
            notes = [*notes, f"{len(rows) - len(kept):,} of {len(rows):,} images left out: not in the lists of splits"]
        return kept, notes

    def is_here(self, path: PurePath) -> bool:
        """Whether an image is in a class folder of this domain."""
        return not self._folders.isdisjoint(plain(part) for part in path.parts[:-2])

    def is_list(self, path: PurePath) -> bool:
        """Whether a file is a list that this domain is read by."""
        return bool(self._listed_split(path))

    @cached_property
    def _folders(self) -> set[str]:
        return {plain(name) for name in self.names_of(self.variant)}

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {plain(alias): name for name in self.classes for alias in self.names_of(name)}

    def _listed_split(self, path: PurePath) -> str:
        """Return the split that a file lists, or "" if it is no list of this domain."""
        stem = plain(path.stem) if path.suffix.lower() == ".txt" else ""
        return next((split for end, split in self.lists.items() for name in self._folders if stem == name + plain(end)), "")

    def _split_lists(self, root: Path) -> dict[tuple[str, str], str]:
        """Return folder and name of an image -> split from the lists; empty if there are none."""
        splits: dict[tuple[str, str], str] = {}
        lists = [(path, read, split) for path, read in files_in(root, self.who, {".txt"}) if (split := self._listed_split(path))]
        if lists and (lacking := set(self.lists.values()) - {split for *_, split in lists}):
            raise self.refusal(f"{root} has a list of splits, but none of {', '.join(sorted(lacking))} beside {lists[0][0]}")
        for path, read, split in lists:
            for number, line in numbered_lines(read()):
                place = PurePosixPath(line.rpartition(" ")[0].strip() or line)
                if len(place.parts) < 2 or splits.setdefault(_key(place), split) != split:
                    what = f"{root}/{path}, line {number}: {quoted(line)}"
                    raise self.error(f"{what} must be the path of an image, a blank and a number, and in one split only")
        return splits


def _key(path: PurePosixPath) -> tuple[str, str]:
    return path.parts[-2], path.parts[-1]
