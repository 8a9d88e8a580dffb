"""Base classes of datasets whose file names or lists give the class and the subject of each image or clip."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from dabench import DataError, Images, Samples, Splits, setting
from dabench.data.archives import opened
from dabench.data.clips import VIDEOS, Clip, refuse_twice
from dabench.data.csv_files import FILE
from dabench.data.folders import Picture, files_below, pictures_in
from dabench.data.skipped import SkippingSplits, skipped_note
from dabench.data.squares import SQUARE_HELP, Square
from dabench.datasets._emotions import emotion
from dabench.datasets._raw_files import RawFiles
from dabench.datasets.image_folder import ImageFolder
from dabench.datasets.video_folder import ClipOptions, VideoFolder
from dabench.errors import printable


@dataclass(frozen=True)
class ImageFacts:
    """The class, subject and split of an image ("" if not known)."""

    label: str
    subject: str = ""
    split: str = ""


class FromNames(RawFiles):
    """A dataset whose file names follow one pattern.

    Attributes:
        left_out: why files are left out; empty if the left-out files do not belong to the dataset.
    """

    name = ""
    left_out = ""

    def notes(self, what: str, kept: int, there: int) -> list[str]:
        """Return the note about left-out files of the dataset, if there are any."""
        return [f"{there - kept:,} of {there:,} {what} left out: {self.left_out}"] if self.left_out and kept < there else []

    def strange(self, path: PurePosixPath, form: str) -> DataError:
        """Return the error for a file name that does not follow the pattern."""
        return self.refusal(f"{path}: its name must be like {form}; rename or remove it")

    def matched(self, pattern: re.Pattern[str], path: PurePosixPath, form: str) -> re.Match[str]:
        """Match a pattern with the name of a file without its suffix; raise DataError if it does not match."""
        if match := pattern.fullmatch(path.stem):
            return match
        raise self.strange(path, form)


class NamedPictures(FromNames, ImageFolder):
    """Images in a folder, or in the only zip in it.

    If there are no official splits, the part `test` of the subjects is held out, always the same subjects.
    """

    name = ""

    @dataclass(frozen=True)
    class Options:
        """Options of a dataset of named images."""

        path: str = setting("", "the folder or zip; default: the dataset's raw folder")
        size: int = setting(48, "side in pixels of the square that images are resized to", low=4)
        channels: Literal[1, 3] = setting(1, "1: grey, 3: RGB")
        square: Square = setting("stretch", SQUARE_HELP)  # noqa: RUF009 -- a Literal
        test: float = setting(0.2, "part of the subjects held out for testing if the dataset has no splits", above=0, high=0.9)
        strict: bool = setting(False, "raise an error instead of skipping files")
        skip_limit: float = setting(0.05, "largest part of the files that may be skipped", low=0, high=1)

    @abstractmethod
    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Return the facts in the name of an image; None leaves the image out. Raise DataError for a name of another dataset."""

    @abstractmethod
    def example(self, label: int, subject: int, take: int) -> str:
        """Return the path of a synthetic image of a class and a subject; `take` numbers several such images."""

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write at least n images of each class, divided among five subjects."""
        import numpy as np

        from dabench.data.synthetic import synthetic_image, write_picture

        rng = np.random.default_rng(seed)
        for label in range(len(self.classes)):
            for i in range(max(n, 5)):
                pixels = synthetic_image(label, rng, 64, 56, self.options.channels)
                write_picture(raw / self.example(label, i % 5, i // 5), pixels)

    def prepare(self, raw: Path) -> Splits:
        """Read the images and skip those that cannot be decoded; a file name without a class is an error."""
        from dabench.data.images import read_pictures

        root, o = self.root(raw), self.options
        rows, notes = self.rows(pictures_in(root, self.who), root)
        if not rows:
            raise self.missing(root)
        pictures = read_pictures([picture for picture, _ in rows], o.channels, o.size, o.square, self.work_folder)
        skipped = {str(path): f"cannot be read as an image ({why})" for path, why in pictures.bad.items()}
        notes += [*pictures.notes, *skipped_note(skipped, len(rows), root, self.who, strict=o.strict, most=o.skip_limit)]
        facts = [facts for _, facts in rows]
        kept = [facts[i] for i in pictures.kept.tolist()]
        if gone := {of.label for of in facts} - {of.label for of in kept}:
            raise self.error(f"{root}: no image of class {', '.join(sorted(gone))} can be read; repair or replace them")
        files = [printable(str(rows[i][0][0])) for i in pictures.kept.tolist()]
        splits = self.samples(pictures.images, kept, root, notes, files)
        lost = Counter(of.split or "train" for of in facts) - Counter(of.split or "train" for of in kept)
        return SkippingSplits(splits, skipped, lost=lost, notes=notes)

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the images of the dataset with their facts, and notes about left-out images."""
        rows = [(picture, facts) for picture in found if (facts := self.named(picture[0])) is not None]
        return rows, self.notes("images", len(rows), len(found))

    def samples(
        self, images: Images, rows: Sequence[ImageFacts], root: Path, notes: Sequence[str], files: Sequence[str] = ()
    ) -> Splits:
        """Return the splits of the images; `rows` holds the facts of each image, `files` the name of its file, if it has one."""
        import numpy as np

        from dabench.data.splits import take

        labels = np.array([self.classes.index(facts.label) for facts in rows], np.int64)
        subjects = [facts.subject for facts in rows]
        groups = np.unique(subjects, return_inverse=True)[1].astype(np.int64) if any(subjects) else None
        splits = np.array([facts.split for facts in rows])
        if not any(splits):
            why = f"{root}: no whole subject can be held out without losing a class"
            splits = np.array(self.held_out(labels, groups, why))
        named = {FILE: np.array(files)} if files else {}
        whole, there = Samples(images, labels, groups, named), set(splits.tolist())
        if lacking := {"train", "test"} - there:
            raise self.refusal(f"{root} has no image of the split {' or '.join(sorted(lacking))}")
        parts = {split: take(whole, np.flatnonzero(splits == split)) for split in ("train", "val", "test") if split in there}
        return Splits(parts, notes=notes)

    def emotion(self, word: str, path: object) -> str:
        """Return the class for a word; raise DataError, which names `path`, if there is none."""
        name = emotion(word)
        if name not in self.classes:
            raise self.error(f"{path}: class '{word}' must be one of {', '.join(self.classes)}")
        return name


class NamedClips(FromNames, VideoFolder):
    """All video files in the raw folder and its subfolders; files with other suffixes are ignored.

    `counts` may give the number of "clips".
    """

    name = ""

    @dataclass(frozen=True)
    class Options(ClipOptions):
        """Options of a dataset of named clips."""

    @abstractmethod
    def named(self, path: PurePosixPath) -> Clip | None:
        """Return the facts in the name of a clip; None leaves the clip out. Raise DataError for a name of another dataset."""

    @abstractmethod
    def example(self, label: int, subject: int, take: int) -> str:
        """Return the path of a synthetic clip of a class and a subject; `take` numbers several such clips."""

    def declared(self, root: Path) -> tuple[list[Clip], dict[str, str], list[str]]:
        """Return the clips from their names, with notes; raise DataError if clips are missing or duplicated."""
        videos = [p for p in files_below(root, self.who) if p.suffix.lower() in VIDEOS] if root.is_dir() else []
        for video in videos[:1]:
            with opened(video, self.who):  # the first clip alone is looked at: all are pointers of Git LFS, or none
                pass
        named = [self.named(PurePosixPath(path.relative_to(root).as_posix())) for path in videos]
        clips = [clip for clip in named if clip]
        refuse_twice(clips, self.who)
        expected = self.counts.get("clips", len(clips))
        if not clips or len(clips) != expected:
            raise self.refusal(f"{len(clips):,} of its {expected:,} clips are in {root}") if clips else self.missing(root)
        return clips, {}, self.notes("clips", len(clips), len(videos))

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write clips of five subjects with at least n frames of each class."""
        self.write_clips(raw, n, seed, 5)
