"""Base classes of the sets whose file names or lists state class and subject of each picture or clip; no dataset by itself."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from dabench import DataError, Images, Samples, Splits, setting
from dabench.data.clips import VIDEOS, Clip, refuse_twice
from dabench.data.folders import Picture, files_below, pictures_in
from dabench.datasets._emotions import emotion
from dabench.datasets._raw_files import RawFiles
from dabench.datasets.image_folder import ImageFolder
from dabench.datasets.video_folder import ClipOptions, VideoFolder


@dataclass(frozen=True)
class ImageFacts:
    """What is known of a picture: its class, its subject and its split ("" where the set does not say)."""

    label: str
    subject: str = ""
    split: str = ""


class FromNames(RawFiles):
    """A set whose file names have one form.

    Attributes:
        left_out: why `granted_files` leaves files out; empty if these are no files of the set.
    """

    name = ""
    left_out = ""

    def notes(self, what: str, kept: int, there: int) -> list[str]:
        """Return the note on what `granted_files` left out, if it left out anything of the set."""
        return [f"{there - kept:,} of {there:,} {what} left out: {self.left_out}"] if self.left_out and kept < there else []

    def strange(self, path: PurePosixPath, form: str) -> DataError:
        """Return the error for a name that is not of the set's form."""
        return self.refusal(f"{path}: its name is not like {form}; remove it")

    def matched(self, pattern: re.Pattern[str], path: PurePosixPath, form: str) -> re.Match[str]:
        """Return what a pattern finds in the name of a file without its suffix; raise DataError if it is not of this form."""
        if match := pattern.fullmatch(path.stem):
            return match
        raise self.strange(path, form)


class NamedPictures(FromNames, ImageFolder):
    """A folder, or the one zip in it.

    Without official splits `test` of the subjects are held out, always the same ones.
    """

    name = ""

    @dataclass(frozen=True)
    class Options:
        """Options of such a set."""

        path: str = setting("", "the folder or zip; the dataset's raw folder if not set")
        size: int = setting(48, "side of the square that pictures are resized to, in pixels", low=4)
        channels: Literal[1, 3] = setting(1, "1 grey or 3 RGB")
        test: float = setting(0.2, "part of the subjects held out for testing where the set has no splits", above=0, high=0.9)

    @abstractmethod
    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Return what the name of a picture says; None leaves it out. Raise DataError for a name of another set."""

    @abstractmethod
    def example(self, label: int, subject: int, take: int) -> str:
        """Return the place of a made-up picture of a class and a subject; `take` tells several of both apart."""

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write n pictures of each class, shared among five subjects or more."""
        import numpy as np

        from dabench.data.synthetic import synthetic_image, write_picture

        rng = np.random.default_rng(seed)
        for label in range(len(self.classes)):
            for i in range(max(n, 5)):
                pixels = synthetic_image(label, rng, 64, 56, self.options.channels)
                write_picture(raw / self.example(label, i % 5, i // 5), pixels)

    def prepare(self, raw: Path) -> Splits:
        """Read the pictures; a name that says nothing is an error."""
        from dabench.data.images import lazy_pictures

        root = self.root(raw)
        rows, notes = self.rows(pictures_in(root, self.who), root)
        if not rows:
            raise self.refusal(f"its raw files are not in {root}")
        images = lazy_pictures([picture for picture, _ in rows], root, self.who, self.options.channels, self.options.size)
        return self.samples(images, [facts for _, facts in rows], root, notes)

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the pictures that belong to the set with what is known of each, and notes of what is left out."""
        rows = [(picture, facts) for picture in found if (facts := self.named(picture[0])) is not None]
        return rows, self.notes("pictures", len(rows), len(found))

    def samples(self, images: Images, rows: Sequence[ImageFacts], root: Path, notes: Sequence[str]) -> Splits:
        """Return the splits of the images; `rows` is what is known of each."""
        import numpy as np

        from dabench.data.splits import take

        labels = np.array([self.classes.index(facts.label) for facts in rows], np.int64)
        subjects = [facts.subject for facts in rows]
        groups = np.unique(subjects, return_inverse=True)[1].astype(np.int64) if any(subjects) else None
        splits = np.array([facts.split for facts in rows])
        if not any(splits):
            why = f"{root}: no whole subject can be held out without losing a class"
            splits = np.array(self.held_out(labels, groups, why))
        whole, there = Samples(images, labels, groups), set(splits.tolist())
        parts = {split: take(whole, np.flatnonzero(splits == split)) for split in ("train", "val", "test") if split in there}
        return Splits(parts, notes=notes)

    def emotion(self, word: str, path: object) -> str:
        """Return a word as one of the classes; raise DataError, which names `path`, if it is none."""
        name = emotion(word)
        if name not in self.classes:
            raise self.error(f"{path}: '{word}' is none of the classes {', '.join(self.classes)}")
        return name


class NamedClips(FromNames, VideoFolder):
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

    def declared(self, root: Path) -> tuple[list[Clip], dict[str, str], list[str]]:
        """Return the clips that the names say, with notes; raise DataError where some are missing or there twice."""
        videos = [p for p in files_below(root, self.who) if p.suffix.lower() in VIDEOS] if root.is_dir() else []
        named = [self.named(PurePosixPath(path.relative_to(root).as_posix())) for path in videos]
        clips = [clip for clip in named if clip]
        refuse_twice(clips, self.who)
        expected = self.counts.get("clips", len(clips))
        if not clips or len(clips) != expected:
            there = f"{len(clips):,} of its {expected:,} clips are" if clips else "its raw files are not"
            raise self.refusal(f"{there} in {root}")
        return clips, {}, self.notes("clips", len(clips), len(videos))

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write clips of five subjects that give n frames of each class, or more."""
        self.write_clips(raw, n, seed, 5)
