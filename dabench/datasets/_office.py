"""Base class of object datasets whose domains are separate datasets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import ClassVar, Literal

from dabench import Augment, DataError, setting
from dabench.data.folders import files_below
from dabench.datasets._from_names import ImageFacts, NamedPictures


class DomainFolders(NamedPictures):
    """Class folders inside the folder of their domain; all domains are in one folder or zip.

    There is no official split: the part `test` of each class is held out, always the same images. Most published results use all
    images of a domain for both training and testing, so they cannot be compared with results on this split.

    Attributes:
        domains: name of each domain -> its number of images.
        folder: the folder of the classes inside the folder of a domain.
    """

    name = ""
    domains: ClassVar[Mapping[str, int]] = {}
    folder = ""
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
            self.short_name = _letters(variant).upper() + type(self).short_name
            self.counts = {"all": self.domains[variant]}

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
        return [f for f in files if f == root or self._is_here(f.relative_to(root))]

    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Return the class from an image's folder; case, spaces and underscores do not matter."""
        if not self._is_here(path):
            return None
        known = {_letters(name): name for name in self.classes}
        label = known.get(_letters(path.parts[-2]))
        if label is None:
            raise self.error(f"{path}: folder '{path.parts[-2]}' must be one of the classes {', '.join(self.classes)}")
        return ImageFacts(label)

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as amazon/images/back_pack/frame_0001.jpg."""
        return str(PurePosixPath(self.variant, self.folder, self.classes[label], f"frame_{5 * take + subject + 1:04}.jpg"))

    def _is_here(self, path: PurePath) -> bool:
        """Whether an image is in a class folder of this domain."""
        return _letters(self.variant) in [_letters(part) for part in path.parts[:-2]]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
