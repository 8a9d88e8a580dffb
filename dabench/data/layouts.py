"""Decide what the folders of a dataset mean, for images and clips alike: split, class and subject.

The first level below the split is the class, and the level below it may be the subject, if its names say so. Whatever can be read
in two ways is an error that shows both, and the value of the option `layout` that chooses one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from dabench.data.folder_names import ANY, CLASS, LEVELS, SPLIT, SUBJECT, Dirs, same_name, split_of
from dabench.data.layout_guess import beside_splits, guessed_levels
from dabench.errors import DataError


@dataclass(frozen=True)
class Place:
    """What the folders of a file say; "" where they say nothing."""

    split: str = ""
    label: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Reading:
    """How the folders of a dataset are read.

    Attributes:
        levels: the meaning of each folder level below `inside`, outermost first.
        inside: the single folders around everything.
        places: path -> what its folders say.
        strays: files that are in no folder, though folders name the classes.
    """

    levels: tuple[str, ...]
    inside: PurePosixPath
    places: Mapping[PurePosixPath, Place]
    strays: tuple[PurePosixPath, ...] = ()

    def place(self, folder: PurePosixPath) -> Place:
        """Return what a path of folders says."""
        below = folder.parts[len(self.inside.parts) :]
        found = {level: name for level, name in zip(self.levels, below, strict=False) if level != ANY}
        return Place(split_of(found.get(SPLIT, "")), found.get(CLASS, ""), found.get(SUBJECT, ""))

    def text(self, file: str) -> str:
        """Return the levels in words, such as "class/subject/picture"."""
        inside = f" in {self.inside}/" if self.inside.parts else ""
        return "/".join([*self.levels, file]) + inside


def levels_of(option: str, who: str) -> tuple[str, ...]:
    """Return the levels in the option `layout`; raise DataError if it is wrong."""
    levels = tuple(option.split("/"))
    named = [level for level in levels if level != ANY]
    if wrong := [level for level in levels if level not in LEVELS]:
        raise DataError(f"{who}: layout = {option!r}: {wrong[0]!r} must be one of {', '.join(LEVELS)}, separated by /")
    if len(set(named)) < len(named) or not named:
        raise DataError(f"{who}: layout = {option!r} must name split, class and subject at most once, and at least one of them")
    return levels


def read_layout(
    paths: Iterable[PurePosixPath],
    option: str,
    root: Path,
    who: str,
    *,
    labelled: bool = True,
    named: Mapping[PurePosixPath, str] = {},
) -> Reading:
    """Return how the folders of these files are read.

    Args:
        paths: the files, relative to `root`.
        option: the meaning of each level, such as "class/subject"; deeper levels mean nothing. "": what the names say.
        labelled: false: folders name no classes, only splits.
        named: path -> the class that the file name gives, "" if it gives none. If there are any, a level of folders may be the
            subject alone.

    Raises:
        DataError: the folders can be read in two ways, or not at all; the message gives the option that chooses.
    """
    files = list(paths)
    levels = levels_of(option, who) if option else ()
    if labelled and levels and CLASS not in levels and not named:
        raise DataError(f"{who}: layout = {option!r} must name the level of the class")
    least = len(levels) or int(labelled)
    strays = [path for path in files if len(path.parts) <= least] if least else []
    dirs = {path: path.parts[:-1] for path in files if len(path.parts) > least}
    inside = _wrapping(dirs.values(), least)
    below = {path: parts[len(inside.parts) :] for path, parts in dirs.items()}
    if labelled and not levels and _are_splits(below.values()):
        strays += [path for path, parts in below.items() if len(parts) == 1]  # in a split, but in no class
        below = {path: parts for path, parts in below.items() if len(parts) > 1}
    if below and not levels:
        labels = {(below[path], label) for path, label in named.items() if path in below}
        levels = guessed_levels(set(below.values()), labels, labelled, inside, root, who)
    reading = Reading(levels, inside, {}, tuple(strays))
    places = {path: reading.place(path.parent) for path in below}
    if SPLIT in levels and (odd := [path for path, place in places.items() if not place.split]):
        raise beside_splits(root / odd[0], who)
    return replace(reading, places=places)


def _are_splits(dirs: Collection[Dirs]) -> bool:
    """Whether the outermost folders are splits with folders in them."""
    return any(len(parts) > 1 for parts in dirs) and all(split_of(parts[0]) for parts in dirs)


def _wrapping(dirs: Collection[Dirs], least: int) -> PurePosixPath:
    """Return the single folders around everything: no split, and at least `least` levels are left below them."""
    inside: list[str] = []
    depth = min(map(len, dirs), default=0)
    while depth - len(inside) > least:
        names = {parts[len(inside)] for parts in dirs}
        if len(names) > 1 or split_of(min(names)):
            break
        inside += names
    return PurePosixPath(*inside)


def class_names(reading: Reading, root: Path, who: str) -> dict[str, str]:
    """Return the classes that folders name, as they are compared (`same_name`) -> as they are written, in NFC.

    Raises:
        DataError: two folders side by side differ only in case or in how their letters are encoded.
    """
    level = len(reading.inside.parts) + reading.levels.index(CLASS)
    spelled: dict[Dirs, str] = {}
    names: dict[str, str] = {}
    for parts in sorted({path.parts[: level + 1] for path in reading.places}):
        name = parts[level]
        other = spelled.setdefault((*parts[:level], same_name(name)), name)
        if other != name:
            how = "in case" if other.isascii() else "in case or in the encoding of their letters"
            where = root.joinpath(*parts[:level])
            raise DataError(
                f"{who}: {where}: folders {other} and {name} differ only {how}; they are one class; put them together"
            )
        names.setdefault(same_name(name), unicodedata.normalize("NFC", name))
    return names


def refuse_lost_classes(
    reading: Reading, folders: Mapping[PurePosixPath, Sequence[str]], read: Iterable[PurePosixPath], root: Path, who: str
) -> None:
    """Raise DataError if the folder of a class holds no file that is read.

    Args:
        folders: all folders of the dataset, with the names of the files in each (`folders_in`).
        read: the files that are read.
    """
    level, count = reading.levels.index(CLASS), len(reading.inside.parts)
    by_split = SPLIT in reading.levels[:level]

    def known(place: Place) -> tuple[str, str]:
        return place.split if by_split else "", same_name(place.label)

    seen = {known(reading.places[path]) for path in read}
    for folder in sorted(folders):
        if len(folder.parts) != count + level + 1 or folder.parts[:count] != reading.inside.parts:
            continue
        if known(reading.place(folder)) not in seen:
            files = [name for below, names in folders.items() if below.is_relative_to(folder) for name in names]
            suffixes = ", ".join(sorted({PurePosixPath(name).suffix.lower() or "no suffix" for name in files}))
            what = f"holds {len(files):,} files ({suffixes}), but none that can be read; convert or repair them"
            what = what if files else "is empty; add files"
            raise DataError(f"{who}: class folder {root / folder} {what}, or remove the folder if it is not a class")


def refuse_untested(reading: Reading, test_from: str | None, root: Path, who: str) -> None:
    """Raise DataError if there are split folders, but none to train on, or none to test on.

    Args:
        test_from: the option of this name: what to test on if there are split folders without test.
    """
    there = {place.split for place in reading.places.values()} - {""}
    first = "".join(f" ({stray} is in no class folder)" for stray in reading.strays[:1])
    if there and "train" not in there:
        raise DataError(f"{who}: {root} has split folders ({', '.join(sorted(there))}), but no file in train{first}; add files")
    if there and "test" not in there and test_from not in there:
        choices = {"val": "to test on the validation files", "train": "to hold out the part `test` of the training files"}
        advice = " or ".join(f'test_from = "{split}" {what}' for split, what in choices.items() if split in there)
        raise DataError(f"{who}: {root} has split folders ({', '.join(sorted(there))}), but no file in test{first}; set {advice}")


def shared_text(splits: Sequence[str], groups: Iterable[object]) -> str:
    """Return a warning if groups are in several splits. Both arguments have one item for each file."""
    several: dict[object, set[str]] = {}
    for split, group in zip(splits, groups, strict=True):
        several.setdefault(group, set()).add(split)
    count = sum(len(found) > 1 for found in several.values())
    return f"; {count} groups are in more than one split" if count else ""
