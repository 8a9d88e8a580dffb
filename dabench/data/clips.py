"""Find the clips of a dataset with their subject and class, from folders and file names or from a CSV."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dabench.data.csv_files import read_rows
from dabench.data.folder_names import CLASS, same_name
from dabench.data.folders import files_below, folders_in
from dabench.data.layouts import Reading, class_names, read_layout, refuse_lost_classes
from dabench.errors import DataError, nearest
from dabench.plugins.contract import NAMING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VIDEOS = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp"}

_BESIDE = {".csv", ".txt", ".md", ".json", ".xml", ".srt", ".vtt", ".wav", ".mp3", ".jpg", ".png", ".pdf", ".html"}
"""Suffixes of files that lie beside clips and are no clips; they are left alone."""

PARTICIPANTS = "participants.csv"

_TAKE = re.compile(
    r"(?:[\s_.#-]+(?:take|clip|video|trial|try|rep|part|no|nr|t|v)[\s_.#-]*|[\s_.#-]*)\d+$|[\s_.#-]*(?:\(\s*\d+\s*\)|\[\s*\d+\s*\])$",
    re.IGNORECASE,
)
"""The end of a file name that numbers takes, such as _3, -4, " 2", (3), 3 or _take2."""

_ATTRIBUTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]*")


@dataclass(frozen=True)
class Clip:
    """A clip as declared: its path below the root, its subject, its class, its take, its attributes as text, and its split.

    The split is "" if folders name none.
    """

    name: str
    subject: str
    label: str
    take: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    split: str = ""


def clips_in_folder(root: Path, classes: Sequence[str], who: str, layout: str = "") -> tuple[list[Clip], dict[str, str], Reading]:
    """Return the clips below `root`, sorted by name, the skipped files with the reason for each, and how folders are read.

    Args:
        classes: the classes if they are known; others are an error.
        layout: the option of this name.

    Raises:
        DataError: a folder cannot be read, a class is unknown or cannot be told, or two clips have the same subject, class and
            take.
    """
    videos, skipped = [], {}
    for path in files_below(root, who):
        name = PurePosixPath(path.relative_to(root).as_posix())
        if path.suffix.lower() in VIDEOS:
            videos.append(name)
        elif path.suffix.lower() not in _BESIDE:
            skipped[str(name)] = f"has the suffix '{path.suffix}', which is not that of a video"
    named = {name: _class_and_take(name.stem, classes) for name in videos}
    labels = {name: _key(label) for name, (label, _) in named.items()}
    reading = read_layout(videos, layout, root, who, named=labels)
    skipped |= {str(name): "is not in the folder of a subject (<subject>/<class>[_take].mp4)" for name in reading.strays}
    if CLASS in reading.levels:
        found = _of_class_folders(reading, classes, root, who)
        refuse_lost_classes(reading, folders_in(root, who), reading.places, root, who)
    else:
        found = _of_file_names(reading, named, classes, who)
    spelled: dict[str, str] = {}
    same = [replace(clip, subject=spelled.setdefault(same_name(clip.subject), clip.subject)) for clip in found]
    clips = sorted(same, key=lambda clip: clip.name)
    refuse_twice(clips, who)
    return clips, skipped, reading


def _of_class_folders(reading: Reading, classes: Sequence[str], root: Path, who: str) -> list[Clip]:
    """Return the clips whose folders name the class. Without the folder of a subject, each clip is its own subject."""
    known = {same_name(name): name for name in classes} or class_names(reading, root, who)
    clips = []
    for path, place in reading.places.items():
        label = known.get(same_name(place.label))
        if label is None:
            raise DataError(
                f"{who}: {root / path}: folder '{place.label}' must be one of the classes {', '.join(known.values())}"
            )
        clips.append(Clip(str(path), place.subject or str(path), label, str(path), split=place.split))
    return clips


def _of_file_names(
    reading: Reading, named: Mapping[PurePosixPath, tuple[str, str]], classes: Sequence[str], who: str
) -> list[Clip]:
    """Return the clips whose file names give the class. A class is written as in its files, or in lower case if they differ."""
    spelled: dict[str, set[str]] = {}
    for path in reading.places:
        label = named[path][0]
        if not label:
            known = f"begin with one of the classes {', '.join(classes)}" if classes else "begin with its class"
            raise DataError(f"{who}: {path}: its name must {known}; rename or remove it")
        spelled.setdefault(_key(label), set()).add(label)
    names = {key: next(iter(forms)) if len(forms) == 1 else key for key, forms in spelled.items()}
    if not classes:
        _refuse_odd_classes(sorted(spelled), {named[path] for path in reading.places}, who)
    return [
        Clip(str(path), place.subject, names[_key(named[path][0])], named[path][1], split=place.split)
        for path, place in reading.places.items()
    ]


def _key(label: str) -> str:
    """Return a class as names of clips are compared: without case, and with one separator of words."""
    return re.sub(r"[\s_.-]+", "_", same_name(label))


def _class_and_take(stem: str, classes: Sequence[str]) -> tuple[str, str]:
    """Return ("happy", "2") for happy_2, HAPPY-2 or happy (2), and ("", "") if the name gives none of the classes."""
    if classes:
        key = _key(stem)
        for label in sorted(classes, key=len, reverse=True):
            rest = key.removeprefix(_key(label))
            if key.startswith(_key(label)) and not rest[:1].isalpha():
                return label, rest.strip("_()[]#")
        return "", ""
    label = unicodedata.normalize("NFC", stem)
    while (shorter := _TAKE.sub("", label)) != label:
        label = shorter
    take = unicodedata.normalize("NFC", stem)[len(label) :].strip(" _.-#()[]")
    return label.strip(" _.-"), take


def _refuse_odd_classes(keys: Sequence[str], named: set[tuple[str, str]], who: str) -> None:
    """Raise DataError if classes found in file names are probably not meant: one begins with another, or all are one."""
    for short in keys:
        if longer := [key for key in keys if key.startswith(f"{short}_")]:
            what = f"'{longer[0]}' begins with class '{short}'"
            break
    else:
        if len(keys) != 1 or len(named) == 1 or not all(take for _, take in named):
            return
        what = "without their numbers, all names are one class"
    raise DataError(f"{who}: the file names give the classes {', '.join(keys)}, but {what}; set classes to those that are meant")


def refuse_twice(clips: Sequence[Clip], who: str) -> None:
    """Raise DataError if two clips have the same subject, class and take."""
    seen: dict[tuple[str, str, str, str], str] = {}
    for clip in clips:
        key = (clip.split, clip.subject, clip.label, clip.take)
        if key in seen:
            raise DataError(
                f"{who}: {seen[key]} and {clip.name} both have subject '{clip.subject}', class '{clip.label}', "
                f"take '{clip.take}'; remove one of them or give it another take"
            )
        seen[key] = clip.name


def clips_in_csv(table: Path, columns: Mapping[str, str], classes: Sequence[str], who: str) -> list[Clip]:
    """Return the clips that a CSV lists, in its order. `columns` names the columns of the path, the class and the subject.

    Paths are relative to the folder of the CSV. A column `take` distinguishes clips of one subject and class. Every other
    column is an attribute.

    Raises:
        DataError: a column, a value or a class is wrong; the message names the line.
    """
    clips: dict[str, Clip] = {}
    known = {same_name(name): name for name in classes}
    for line, row in read_rows(table, list(columns.values()), who):
        where = f"{who}: {table}, line {line}"
        name, label, subject = (row.pop(columns[c]) for c in ("path", "class", "subject"))
        place = PurePosixPath(name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise DataError(f"{where}: path '{name}' must be relative and inside {table.parent}")
        if str(place) in clips:
            raise DataError(f"{where}: '{name}' is listed twice; remove one of the lines")
        if classes:
            label = known.get(same_name(label), label)
        if classes and label not in classes:
            raise DataError(f"{where}: class '{label}' must be one of {', '.join(classes)}{nearest(label, classes)}")
        if (other := known.setdefault(same_name(label), label)) != label:
            raise DataError(f"{where}: class '{label}' is '{other}' in another line; write it in one way")
        take = row.pop("take", str(place))
        _check_attributes(row, where)
        clips[str(place)] = Clip(str(place), subject, label, take, row)
    refuse_twice(list(clips.values()), who)
    return list(clips.values())


def with_participants(clips: Sequence[Clip], table: Path, who: str) -> list[Clip]:
    """Return the clips with the attributes of their subjects from `table`, if it exists (column subject, and any others)."""
    if not table.is_file():
        return list(clips)
    people: dict[str, dict[str, str]] = {}
    for line, row in read_rows(table, ["subject"], who):
        where = f"{who}: {table}, line {line}"
        subject = row.pop("subject")
        if subject in people:
            raise DataError(f"{where}: subject '{subject}' is listed twice; remove one of the lines")
        _check_attributes(row, where)
        people[subject] = row
    twice = {a for c in clips for a in c.attributes} & {a for row in people.values() for a in row}
    if twice:
        raise DataError(f"{who}: {table}: column '{min(twice)}' is also in the CSV of the clips; keep it in one file")
    return [replace(c, attributes={**c.attributes, **people.get(c.subject, {})}) for c in clips]


def _check_attributes(row: Mapping[str, str], where: str) -> None:
    for name in row:
        if name in NAMING or not _ATTRIBUTE.fullmatch(name):
            raise DataError(
                f"{where}: '{name}' cannot name an attribute: use letters, digits, '_', '-' and spaces, not {', '.join(NAMING)}"
            )


def attributes_of(clips: Sequence[Clip]) -> dict[str, NDArray[np.generic]]:
    """Return name -> (number of clips,) array of integers, of numbers (a gap is NaN), or else of text (a gap is empty)."""
    import numpy as np

    values: dict[str, list[str]] = {"subject": [c.subject for c in clips], "clip": [c.name for c in clips]}
    for name in dict.fromkeys(a for c in clips for a in c.attributes):
        values[name] = [c.attributes.get(name, "") for c in clips]
    return {name: np.array(v) if name in NAMING else _typed(v) for name, v in values.items()}


def _typed(values: Sequence[str]) -> NDArray[np.generic]:
    import numpy as np

    kinds: list[tuple[Callable[[str], int | float], type]] = [(int, np.int64), (lambda v: float(v or "nan"), np.float64)]
    for read, dtype in kinds if any(values) else ():
        with suppress(ValueError, OverflowError):
            return np.array([read(v) for v in values], dtype)
    return np.array(values)
