"""Clips in subject folders, or named by a CSV: anybody's video dataset without writing code."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.errors import DataError, StoreError
from dabench.places import cache_folder, cores
from dabench.protocols import Dataset, Samples
from dabench.typed import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dabench.data.clips import Clip

_SHOWN = 10


@dataclass(frozen=True)
class ClipOptions:
    """Options of every set of clips."""

    path: str = setting("", "the folder; relative to the sweep file; the raw folder if not set")
    frames: int = setting(30, "frames of each clip, evenly spaced", low=1)
    size: int = setting(48, "side of the square frames in pixels", low=4)
    skip_start: float = setting(0.0, "part of each clip left out at its start (0.2: the first fifth)", low=0, high=0.9)
    skip_end: float = setting(0.0, "part of each clip left out at its end", low=0, high=0.9)
    face: bool = setting(False, "cut frames to the largest face; frames without one are left out and counted")
    strict: bool = setting(False, "whatever would be skipped is an error")
    val: float = setting(0.1, "part of the subjects held out for validation", above=0, high=0.45)
    test: float = setting(0.2, "part of the subjects held out for testing", above=0, high=0.45)


class VideoFolder(Dataset):
    """`<subject>/<class>[_take].mp4`, or a CSV with the columns path, class, subject; every other column is an attribute.

    `participants.csv` (column subject, and any others) beside the subject folders adds attributes of each subject. Subjects
    are never on two sides of a split. What gives no frames is listed with its reason and skipped; `strict` makes it an
    error. Decoded clips are kept below the prepared cache, so that an interrupted call goes on where it stopped.
    """

    name = "video-folder"
    label = "VIDEOS"
    title = "clips in subject folders or named by a CSV, some frames of each"
    licence = "as the clips"
    obtain = (
        "Put clips into the raw folder as <subject>/<class>[_take].mp4, or declare them in a sweep file: [dataset.NAME] with "
        'plugin = "video-folder" and path = "FOLDER".'
    )

    @dataclass(frozen=True)
    class Options(ClipOptions):
        """Options of video-folder."""

        csv: str = setting("", "a CSV in the folder that names the clips; by folders if not set")
        path_column: str = setting("path", "the CSV's column with the clip's path, relative to the CSV")
        class_column: str = setting("class", "the CSV's column with the class")
        subject_column: str = setting("subject", "the CSV's column with the subject")
        classes: tuple[str, ...] = setting((), "classes in the order of their labels; all found, by name, if not set")
        label: str = setting("", "short name in tables")
        licence: str = setting("", "terms of use, for the report")
        citation: str = setting("", "BibTeX, for dabench cite")

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        for fact in ("label", "licence", "citation"):
            setattr(self, fact, getattr(self.options, fact, "") or getattr(self, fact))

    def root(self, raw: Path) -> Path:
        """Return the folder of the clips."""
        return Path(self.options.path).expanduser() if self.options.path else raw

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return every file of the folder."""
        return super().raw_files(self.root(raw))

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Decode every clip; raise DataError where the declared layout is broken, or no split by subjects can be made."""
        from dabench.data.video import Cutting
        from dabench.data.video_pool import decode_clips

        o, root = self.options, self.root(raw)
        if o.skip_start + o.skip_end >= 1:
            raise DataError(
                f"dataset '{self.name}': skip_start + skip_end = {o.skip_start + o.skip_end:g} leaves nothing; below 1"
            )
        clips, skipped = self.declared(root)
        cutting = Cutting(o.frames, o.size, o.skip_start, o.skip_end, o.face)
        decoded = decode_clips([root / c.name for c in clips], cutting, cache_folder() / ".clips", cores())
        skipped |= {c.name: str(r) for c in clips if isinstance(r := decoded[root / c.name], str)}
        self._tell(skipped, root)
        found = [(c, Path(decoded[root / c.name])) for c in clips if c.name not in skipped]
        if not found:
            reason = next(iter(skipped.items()), ("", ""))
            raise DataError(f"dataset '{self.name}': {root} holds no usable clip (the first: {': '.join(reason)}). {self.obtain}")
        self.classes = self.classes or tuple(o.classes) or tuple(sorted({c.label for c, _ in found}))
        return self._splits(found)

    def declared(self, root: Path) -> tuple[list[Clip], dict[str, str]]:
        """Return the clips to decode, and the files that are none with the reason; raise DataError where the layout is broken."""
        from dabench.data.clips import PARTICIPANTS, clips_in_csv, clips_in_folder, with_participants

        who, o = f"dataset '{self.name}'", self.options
        classes = tuple(o.classes) or self.classes
        if not root.is_dir():
            raise DataError(f"{who}: there is no folder {root}. {self.obtain}")
        skipped: dict[str, str] = {}
        if o.csv:
            columns = {"path": o.path_column, "class": o.class_column, "subject": o.subject_column}
            clips = clips_in_csv(root / o.csv, columns, classes, who)
        else:
            clips, skipped = clips_in_folder(root, classes, who)
        return with_participants(clips, root / PARTICIPANTS, who), skipped

    def _tell(self, skipped: Mapping[str, str], root: Path) -> None:
        """List what is skipped: the first on standard error, all in a CSV beside the decoded clips; or refuse it."""
        if not skipped:
            return
        path = cache_folder() / ".clips" / f"{self.name.replace('/', '-')}-skipped.csv"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as f:
                csv.writer(f).writerows([("path", "reason"), *skipped.items()])
        except OSError as e:
            raise StoreError(f"{path}: cannot be written ({e.strerror}); set DABENCH_CACHE to a folder that can") from e
        name, reason = next(iter(skipped.items()))
        if self.options.strict:
            raise DataError(
                f"dataset '{self.name}': {len(skipped)} files of {root} cannot be used, the first: {name}: {reason} "
                f"(all: {path}); mend or remove them, or set strict = false"
            )
        print(f"{self.name}: {len(skipped)} files skipped (all in {path}):", file=sys.stderr)
        for name, reason in list(skipped.items())[:_SHOWN]:
            print(f"  {name}: {reason}", file=sys.stderr)

    def _splits(self, found: Sequence[tuple[Clip, Path]]) -> dict[str, Samples]:
        import numpy as np

        from dabench.data.clips import attributes_of
        from dabench.data.video import stored_frames

        clips = [c for c, _ in found]
        labels = np.array([self.classes.index(c.label) for c in clips], np.int64)
        groups = np.unique([c.subject for c in clips], return_inverse=True)[1].astype(np.int64)
        attributes = attributes_of(clips)
        side = self._sides(labels, groups)
        result, without_face = {}, 0
        for split in ("train", "val", "test"):
            at = np.flatnonzero(side == split)
            images, each = stored_frames([found[i][1] for i in at.tolist()])
            without_face += self.options.frames * len(at) - len(images)
            rows = np.repeat(at, each)
            result[split] = Samples(images, labels[rows], groups[rows], {a: v[rows] for a, v in attributes.items()})
        if without_face:
            print(f"{self.name}: {without_face:,} frames without a face left out of {len(clips):,} clips", file=sys.stderr)
        return result

    def _sides(self, labels: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.str_]:
        """Return the split of each clip, (number of clips,): whole subjects, and every class is left for training."""
        import numpy as np

        from dabench.data.splits import held_out

        side = np.full(len(labels), "train")
        for split, part in (("test", self.options.test), ("val", self.options.val / (1 - self.options.test))):
            rest = np.flatnonzero(side == "train")
            try:
                side[rest[held_out(labels[rest], groups[rest], part)]] = split
            except DataError:  # a single clip of each class
                side[rest] = split
            if not (side == "train").any() or np.intersect1d(groups[side == split], groups[side != split]).size:
                raise DataError(
                    f"dataset '{self.name}': no subject can be held out for '{split}' without losing a class in training "
                    f"({len(np.unique(groups))} subjects with usable clips); each class needs at least three subjects"
                )
        return side
