"""What the video sets share whose file names say class and subject of each clip; no dataset by itself."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dabench.datasets.video_folder import ClipOptions, VideoFolder
from dabench.errors import DataError

if TYPE_CHECKING:
    from dabench.data.clips import Clip


class NamedClips(VideoFolder):
    """Every video below the raw folder, wherever it lies there; what is no video by its name is not looked at.

    `counts` may name the number of "clips".
    """

    name = ""

    @dataclass(frozen=True)
    class Options(ClipOptions):
        """Options of such a set."""

    @abstractmethod
    def named(self, path: PurePosixPath) -> Clip | None:
        """Return what the name of a clip says; None leaves it out. Raise DataError for a name of another set."""

    @abstractmethod
    def example(self, label: int, subject: int, take: int) -> str:
        """Return the place of a made-up clip of a class and a subject; `take` tells several of both apart."""

    def declared(self, root: Path) -> tuple[list[Clip], dict[str, str]]:
        """Return the clips that the names say; raise DataError where some are missing or there twice."""
        from dabench.data.clips import VIDEOS, refuse_twice
        from dabench.data.pictures import files_below

        who = f"dataset '{self.name}'"
        videos = [p for p in files_below(root, who) if p.suffix.lower() in VIDEOS] if root.is_dir() else []
        named = [self.named(PurePosixPath(path.relative_to(root).as_posix())) for path in videos]
        clips = [clip for clip in named if clip]
        refuse_twice(clips, who)
        expected = self.counts.get("clips", len(clips))
        if not clips or len(clips) != expected:
            there = f"{len(clips):,} of its {expected:,} clips are" if clips else "its raw files are not"
            raise DataError(f"{who}: {there} in {root}. {self.obtain}")
        return clips, {}

    def strange(self, path: PurePosixPath, form: str) -> DataError:
        """Return the error for a name that is not of the set's form."""
        return DataError(f"dataset '{self.name}': {path}: its name is not like {form}; remove it. {self.obtain}")

    def imitate(self, raw: Path, n: int, seed: int) -> None:
        """Write clips of five subjects that give n frames of each class, or more."""
        self.write_clips(raw, n, seed, 5)
