"""Find the clips of a folder with their subject and class, from `<subject>/<class>[_take].mp4` or from a CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dabench.data.csv_files import read_rows
from dabench.data.folders import files_below
from dabench.errors import DataError, nearest
from dabench.plugins.contract import NAMING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VIDEOS = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp"}

PARTICIPANTS = "participants.csv"

_ATTRIBUTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]*")


@dataclass(frozen=True)
class Clip:
    """A clip as declared: its path below the root, its subject, its class, its take, and its attributes as text."""

    name: str
    subject: str
    label: str
    take: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def clips_in_folder(root: Path, classes: Sequence[str], who: str) -> tuple[list[Clip], dict[str, str]]:
    """Return the clips below `root`, sorted by name, and the skipped files with the reason for each.

    Raises:
        DataError: a folder cannot be read, a class is unknown, or two clips have the same subject, class and take.
    """
    clips, skipped = [], {}
    for path in files_below(root, who):
        name = PurePosixPath(path.relative_to(root).as_posix())
        if any(part.startswith(".") for part in name.parts) or (len(name.parts) == 1 and path.suffix.lower() == ".csv"):
            continue
        if path.suffix.lower() not in VIDEOS:
            skipped[str(name)] = f"its suffix '{path.suffix}' is not that of a video"
        elif len(name.parts) != 2:
            skipped[str(name)] = "is not in the folder of a subject (<subject>/<class>[_take].mp4)"
        else:
            label, take = _class_and_take(name, classes, who)
            clips.append(Clip(str(name), name.parts[0], label, take))
    refuse_twice(clips, who)
    return clips, skipped


def _class_and_take(name: PurePosixPath, classes: Sequence[str], who: str) -> tuple[str, str]:
    """Return ("happy", "2") for happy_2.mp4; a known class may contain underscores."""
    if not classes:
        label, _, take = name.stem.partition("_")
        return label, take
    for label in sorted(classes, key=len, reverse=True):
        if name.stem.lower() == label.lower() or name.stem.lower().startswith(f"{label.lower()}_"):
            return label, name.stem[len(label) + 1 :]
    raise DataError(f"{who}: {name}: its name must begin with one of the classes {', '.join(classes)}; rename or remove it")


def refuse_twice(clips: Sequence[Clip], who: str) -> None:
    """Raise DataError if two clips have the same subject, class and take."""
    seen: dict[tuple[str, str, str], str] = {}
    for clip in clips:
        key = (clip.subject, clip.label, clip.take)
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
    for line, row in read_rows(table, list(columns.values()), who):
        where = f"{who}: {table}, line {line}"
        name, label, subject = (row.pop(columns[c]) for c in ("path", "class", "subject"))
        place = PurePosixPath(name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise DataError(f"{where}: path '{name}' must be relative and inside {table.parent}")
        if str(place) in clips:
            raise DataError(f"{where}: '{name}' is listed twice; remove one of the lines")
        if classes and label not in classes:
            raise DataError(f"{where}: class '{label}' must be one of {', '.join(classes)}{nearest(label, classes)}")
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
