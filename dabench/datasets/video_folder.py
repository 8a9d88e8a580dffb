"""Your own clips in subject folders, or listed in a CSV, without writing code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dabench import Samples, Splits, setting
from dabench.data.clips import PARTICIPANTS, Clip, attributes_of, clips_in_csv, clips_in_folder, with_participants
from dabench.data.folder_names import CLASS, SUBJECT
from dabench.data.folders import files_below
from dabench.data.layouts import refuse_untested, shared_text
from dabench.data.skipped import SkippingSplits, skipped_note
from dabench.data.squares import MADE_SQUARE, SQUARE_HELP, Square
from dabench.datasets._raw_files import RawFiles
from dabench.errors import DataError
from dabench.storage.paths import cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUBJECTS = 12
"""Subjects in a synthetic dataset; three of them are held out."""


@dataclass(frozen=True)
class ClipOptions:
    """Options of every dataset of clips."""

    path: str = setting("", "the folder, relative to the sweep file; default: the raw folder")
    frames: int = setting(30, "number of frames per clip, evenly spaced", low=1)
    size: int = setting(48, "side in pixels of the square that each frame is resized to", low=4)
    square: Square = setting("stretch", SQUARE_HELP)  # noqa: RUF009 -- a Literal
    skip_start: float = setting(0.0, "part of each clip that is left out at its start (0.2: the first fifth)", low=0, high=0.9)
    skip_end: float = setting(0.0, "part of each clip that is left out at its end", low=0, high=0.9)
    face: bool = setting(False, "crop frames to the largest face; frames without a face are left out and counted")
    limit: float = setting(300.0, "seconds that decoding a clip may take; after that the clip is skipped", above=0, high=86400)
    strict: bool = setting(False, "raise an error instead of skipping clips")
    skip_limit: float = setting(0.05, "largest part of the clips that may be skipped", low=0, high=1)
    val: float = setting(0.1, "part of the subjects held out for validation", above=0, high=0.45)
    test: float = setting(0.2, "part of the subjects held out for testing", above=0, high=0.45)


class VideoFolder(RawFiles):
    """Clips as `<subject>/<class>[_take].mp4`, or in a CSV with the columns path, class, subject and any attributes.

    Clips may lie in `<class>/<subject>/`, `<subject>/<class>/` or `<class>/` instead, with split folders around or without, if
    the names leave no doubt; the option `layout` says which is meant. How the folders were read is printed. In file names, case
    and the number of the take do not matter: happy, Happy_2 and happy (3) are one class.

    `participants.csv` (column subject, and any others) beside the subject folders adds attributes of each subject. No subject is
    in two splits, unless split folders say so. Clips without frames are listed with the reason and skipped; with `strict` they
    are an error. Decoded clips are kept in the prepared cache, so that an interrupted call continues where it stopped. A decoder
    that hangs is stopped after `limit` seconds.
    """

    name = "video-folder"
    short_name = "VIDEOS"
    title = "your own clips in subject folders or listed in a CSV"
    license = "that of the clips"
    download_instructions = (
        "Put clips into the raw folder as <subject>/<class>[_take].mp4, or declare them in a sweep file: [dataset.NAME] with "
        'plugin = "video-folder" and path = "FOLDER".'
    )

    @dataclass(frozen=True)
    class Options(ClipOptions):
        """Options of video-folder."""

        layout: str = setting(
            "", "meaning of each folder level, from the outermost: split, class, subject or * (none); default: as names say"
        )
        test_from: Literal["train", "val"] | None = setting(
            None, "what to test on if there are split folders without test: val: its clips, train: the part `test` of them"
        )
        csv: str = setting("", "a CSV in the folder that lists the clips; default: clips are found by folders")
        path_column: str = setting("path", "the CSV's column with the clip's path, relative to the CSV")
        class_column: str = setting("class", "the CSV's column with the class")
        subject_column: str = setting("subject", "the CSV's column with the subject")
        classes: tuple[str, ...] = setting((), "classes in the order of their labels; default: all classes found, sorted by name")
        short_name: str = setting("", "short name in tables")
        license: str = setting("", "terms of use, for reports")
        citation: str = setting("", "BibTeX, for dabench cite")

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write clips of twelve subjects aged 18 to 84, without faces, with at least n frames of each class."""
        self.write_clips(raw, n, seed, _SUBJECTS)
        ages = [round(18 + 66 * subject / (_SUBJECTS - 1)) for subject in range(_SUBJECTS)]
        people = "".join(f"s{subject:02},{age},{'fm'[subject % 2]}\n" for subject, age in enumerate(ages))
        (raw / PARTICIPANTS).write_text(f"subject,age,sex\n{people}", encoding="utf-8")

    def write_clips(self, raw: Path, n: int, seed: int, subjects: int) -> None:
        """Write synthetic clips of `subjects` subjects at the paths of `example`, with at least n frames of each class."""
        import numpy as np

        from dabench.data.synthetic import moving_frames, synthetic_image, write_clip

        o, rng = self.options, np.random.default_rng(seed)
        length = math.ceil((o.frames + 2) / max(0.01, 1 - o.skip_start - o.skip_end))
        for subject in range(subjects):
            for label in range(len(self._made_synthetic)):
                for take in range(math.ceil(n / (subjects * o.frames))):
                    frames = moving_frames(synthetic_image(label, rng, 48, 64), length)
                    write_clip(raw / self.example(label, subject, take), frames)

    @property
    def _made_synthetic(self) -> tuple[str, ...]:
        return self.classes or tuple(getattr(self.options, "classes", ())) or ("happy", "sad", "neutral")

    def example(self, label: int, subject: int, take: int) -> str:
        """Return the path of a synthetic clip of a class and a subject; `take` numbers several such clips."""
        return f"s{subject:02}/{self._made_synthetic[label]}{f'_{take + 1}' if take else ''}.mp4"

    def root(self, raw: Path) -> Path:
        """Return the folder of the clips."""
        return Path(self.options.path).expanduser() if self.options.path else raw

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return every file of the folder; raise DataError if a subfolder cannot be read."""
        return files_below(self.root(raw), self.who) if self.root(raw).is_dir() else []

    def prepare(self, raw: Path) -> Splits:
        """Decode every clip; raise DataError if the layout is wrong, or if no split by subjects is possible."""
        from dabench.data.video import ClipSampling
        from dabench.data.video_pool import decode_clips

        o, root = self.options, self.root(raw)
        if o.skip_start + o.skip_end >= 1:
            raise self.error(f"skip_start + skip_end = {o.skip_start + o.skip_end:g} leaves no frames; it must be less than 1")
        clips, skipped, notes = self.declared(root)
        files = len(clips) + len(skipped)
        cutting = ClipSampling(o.frames, o.size, o.skip_start, o.skip_end, o.face, o.square)
        paths = {c.name: root / c.name for c in clips}
        decoded = decode_clips([*paths.values()], cutting, self.work_folder, cores(), o.limit)
        skipped |= {name: reason for name, path in paths.items() if isinstance(reason := decoded[path], str)}
        notes += skipped_note(skipped, files, root, self.who, strict=o.strict, most=o.skip_limit)
        found = [(c, Path(decoded[paths[c.name]])) for c in clips if c.name not in skipped]
        if not found:
            first = ": ".join(next(iter(skipped.items()), ("", "")))
            raise self.refusal(f"{root} holds no usable clip (the first: {first})")
        if gone := sorted({c.label for c in clips} - {c.label for c, _ in found}):
            first = next(c.name for c in clips if c.label == gone[0])
            raise self.error(
                f"no usable clip of class {', '.join(gone)} (the first: {first}: {skipped[first]}); repair or remove them"
            )
        classes = self.classes or tuple(o.classes) or tuple(sorted({c.label for c, _ in found}))
        splits = self._splits(found, classes)
        if lost := o.frames * len(found) - sum(len(s.images) for s in splits.values()):
            notes.append(f"{lost:,} frames without a face left out of {len(found):,} clips")
        notes.append(f"frames that are not square are {MADE_SQUARE[o.square]}")
        return SkippingSplits(splits, skipped, notes=notes, classes=classes)

    def declared(self, root: Path) -> tuple[list[Clip], dict[str, str], list[str]]:
        """Return the clips to decode, the unusable files with the reasons, and notes about left-out clips.

        Raises:
            DataError: the layout is wrong.
        """
        who, o = self.who, self.options
        classes = tuple(o.classes) or self.classes
        if not root.is_dir():
            raise self.refusal(f"the folder {root} does not exist")
        skipped: dict[str, str] = {}
        if o.csv:
            columns = {"path": o.path_column, "class": o.class_column, "subject": o.subject_column}
            clips = clips_in_csv(root / o.csv, columns, classes, who)
            form, tables = f"lines of {o.csv}", root
        else:
            clips, skipped, reading = clips_in_folder(root, classes, who, o.layout)
            form = reading.text("clip" if CLASS in reading.levels else "class[_take]")
            tables = root / reading.inside if not (root / PARTICIPANTS).is_file() else root
            form += "" if SUBJECT in reading.levels else ", each clip a group"
            refuse_untested(reading, o.test_from, root, who)
        names = sorted({clip.label for clip in clips})
        splits, subjects = [clip.split for clip in clips], [clip.subject for clip in clips]
        how = f"by folder{shared_text(splits, subjects)}" if any(splits) else "by group"
        facts = f"{len(names)} classes ({', '.join(names)}), {len(set(subjects))} groups, split {how}"
        return with_participants(clips, tables / PARTICIPANTS, who), skipped, [f"read as: {form}; {facts}"]

    def _splits(self, found: Sequence[tuple[Clip, Path]], classes: Sequence[str]) -> dict[str, Samples]:
        import numpy as np

        from dabench.data.video import stored_frames

        clips = [c for c, _ in found]
        labels = np.array([classes.index(c.label) for c in clips], np.int64)
        groups = np.unique([c.subject for c in clips], return_inverse=True)[1].astype(np.int64)
        attributes = attributes_of(clips)
        named = np.array([c.split for c in clips])
        side = self._of_folders(named, labels, groups) if any(named) else self._sides(labels, groups)
        result = {}
        for split in ("train", "val", "test"):
            at = np.flatnonzero(side == split)
            if not len(at):
                continue
            images, each = stored_frames([found[i][1] for i in at.tolist()])
            rows = np.repeat(at, each)
            result[split] = Samples(images, labels[rows], groups[rows], {a: v[rows] for a, v in attributes.items()})
        return result

    def _of_folders(self, named: NDArray[np.str_], labels: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.str_]:
        """Return the split of each clip as folders name it, with a test split from elsewhere if they name none."""

        side = named.copy()
        if "test" not in named and self.options.test_from == "val":
            side[named == "val"] = "test"
        elif "test" not in named:
            self._hold_out(side, "test", self.options.test, labels, groups)
        return side

    def _sides(self, labels: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.str_]:
        """Return the split of each clip, (number of clips,), by whole subjects such that training has every class."""
        import numpy as np

        side = np.full(len(labels), "train")
        self._hold_out(side, "test", self.options.test, labels, groups)
        self._hold_out(side, "val", self.options.val / (1 - self.options.test), labels, groups)
        return side

    def _hold_out(
        self, side: NDArray[np.str_], split: str, part: float, labels: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> None:
        """Move part of the clips in train to another split, by whole subjects such that training has every class."""
        import numpy as np

        from dabench.data.splits import held_out

        rest = np.flatnonzero(side == "train")
        try:
            side[rest[held_out(labels[rest], groups[rest], part)]] = split
        except DataError:  # a single clip of each class
            side[rest] = split
        if not (side == "train").any() or np.intersect1d(groups[side == split], groups[side == "train"]).size:
            raise self.error(
                f"no subject can be held out for '{split}' without losing a class in training "
                f"({len(np.unique(groups))} subjects with usable clips); each class needs at least three subjects"
            )
