"""Decide what the folders of a dataset mean, for images and clips alike: split, class and subject.

The first level below the split is the class, and the level below it may be the subject, if its names say so. Whatever can be read
in two ways is an error that shows both, and the value of the option `layout` that chooses one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from dabench.errors import DataError

SPLIT, CLASS, SUBJECT, ANY = LEVELS = ("split", "class", "subject", "*")

_SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

_BESIDE = {
    "set", "data", "dataset", "split", "folder", "seg", "images", "image", "imgs", "img", "pictures", "photos", "faces", "videos",
    "clips",
}  # fmt: skip
"""Words that stand beside that of a split in the name of its folder, as in train_images."""

_SUBJECT = re.compile(
    r"(s|sub|subj|subject|p|pp|part|participant|person|proband|vp|actor|actress|speaker|spk|user|id|patient|pat|volunteer|m|f|w)"
    r"[ _.-]*\d{1,4}|[a-z]{1,2}[fm]\d{1,3}",
    re.IGNORECASE,
)
"""Names that only a subject has, such as s1, Actor_01 or AF12. A bare number may be a class, too."""

_SHOWN = 3

Dirs = tuple[str, ...]


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


def split_of(name: str) -> str:
    """Return the split that a folder name such as "Training" or "test_images" names, or ""."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word and word not in _BESIDE]
    return _SPLIT_WORDS.get(words[0], "") if len(words) == 1 else ""


def same_name(name: str) -> str:
    """Return a name as names are compared: in NFC and without case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


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
        levels = _guessed(set(below.values()), labels, labelled, inside, root, who)
    reading = Reading(levels, inside, {}, tuple(strays))
    places = {path: reading.place(path.parent) for path in below}
    if SPLIT in levels and (odd := [path for path, place in places.items() if not place.split]):
        raise _beside_splits(root / odd[0], who)
    return replace(reading, places=places)


def _are_splits(dirs: Collection[Dirs]) -> bool:
    """Whether the outermost folders are splits with folders in them."""
    return any(len(parts) > 1 for parts in dirs) and all(split_of(parts[0]) for parts in dirs)


def _guessed(
    dirs: set[Dirs], labels: set[tuple[Dirs, str]], labelled: bool, inside: PurePosixPath, root: Path, who: str
) -> tuple[str, ...]:
    """Return the levels of these paths of folders inside `inside`, by their names."""
    if not labelled:
        return _unlabelled(dirs, root / inside, who)
    levels = _Guess(root / inside, who, labels).levels(dirs)
    names = {parts[0] for parts in dirs}
    if inside.parts and levels == (CLASS,) and _are_subjects(names):
        what = f"{root}: {inside} is a folder around everything, or a class with the subjects {_some(names)}"
        raise DataError(f'{who}: {what}; set layout = "class" or layout = "class/subject"')
    return levels


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


def _unlabelled(dirs: set[Dirs], where: Path, who: str) -> tuple[str, ...]:
    """Return the levels of images without labels: only a split, if the outermost folders name splits."""
    if not any(split_of(parts[0]) for parts in dirs if parts):
        _refuse_deep_splits([parts for parts in dirs if len(parts) > 1], 1, where, who)
        return ()
    if stray := [parts for parts in dirs if not parts or not split_of(parts[0])]:
        raise _beside_splits(where.joinpath(*stray[0]), who)
    return (SPLIT,)


def _beside_splits(path: Path, who: str) -> DataError:
    return DataError(f"{who}: {path} is not in one of the folders train, val and test; move it into one of them, or remove it")


def _kinds(names: Iterable[str]) -> set[str]:
    return {split_of(name) for name in names} - {""}


def _refuse_deep_splits(dirs: Iterable[Dirs], level: int, where: Path, who: str) -> None:
    """Raise DataError if folders of this level are train and test or the like, below folders that are none."""
    dirs = [parts for parts in dirs if len(parts) > level]
    if len(_kinds(parts[level] for parts in dirs)) > 1:
        parts = min(parts for parts in dirs if split_of(parts[level]))
        raise DataError(
            f"{who}: {where.joinpath(*parts[: level + 1])} names a split below {parts[level - 1]}; if that is a dataset, declare "
            f'it by itself: path = "{where.joinpath(*parts[:level])}"; else set layout, such as layout = "class/split"'
        )


class _Guess:
    """Read the levels of folders by their names, and by the classes in file names (folders, class) if they give any."""

    def __init__(self, where: Path, who: str, labels: set[tuple[Dirs, str]]) -> None:
        self.where, self.who, self.labels = where, who, labels

    def levels(self, dirs: set[Dirs]) -> tuple[str, ...]:
        """Return the levels of these paths of folders, which have at least one level."""
        depth = min(map(len, dirs))
        found: list[str] = [""] * depth
        if self._has_splits(dirs, depth):
            found[0] = SPLIT
        self._refuse_depths(dirs, depth, found)
        if depth == 2 and not found[0] and all(split_of(parts[1]) for parts in dirs):
            return (CLASS, SPLIT)
        first = 1 + (found[0] == SPLIT)
        for level in range(first, depth):
            _refuse_deep_splits(dirs, level, self.where, self.who)
        for level in range(first - 1, depth):
            if found.count("") > 1 and self._is_empty(dirs, level, found):
                found[level] = ANY
        unknown = [level for level in range(depth) if not found[level]]
        if len(unknown) > 2:
            example = "/".join(min(dirs))
            layouts = [
                _filled(found, unknown, *levels) for levels in ((CLASS,), (CLASS, SUBJECT), (ANY, CLASS), (SUBJECT, CLASS))
            ]
            raise self._error(f"{self.where} has {depth} levels of folders, such as {example}", layouts)
        names = [{parts[level] for parts in dirs} for level in unknown]
        meanings = self._two(dirs, unknown, names, found) if len(unknown) == 2 else (self._one(names[0], found),)
        for level, meaning in zip(unknown, meanings, strict=True):
            found[level] = meaning
        return tuple(found)

    def _error(self, what: str, layouts: Sequence[str], more: str = "") -> DataError:
        choices = " or ".join(f'layout = "{layout}"' for layout in layouts)
        star = " (* is a level that means nothing)" if any(ANY in layout for layout in layouts) else ""
        return DataError(f"{self.who}: {what}; set {choices}{star}{more}")

    def _has_splits(self, dirs: set[Dirs], depth: int) -> bool:
        """Whether the outermost folders are splits; raise DataError if only some are, or if nothing below names a class."""
        tops = {parts[0] for parts in dirs}
        splits = sorted(name for name in tops if split_of(name))
        if depth == 1 and len(_kinds(splits)) > 1 and len(splits) == len(tops) and max(map(len, dirs)) == 1:
            raise self._error(
                f"{self.where}: the folders {', '.join(splits)} are named like splits, but hold no class folders", ["class"]
            )
        if depth == 1 and len(splits) < len(tops) and len(_kinds(splits)) < 2:
            return False
        if splits and len(splits) < len(tops):
            stray = min(parts for parts in dirs if not split_of(parts[0]))
            if len(_kinds(splits)) > 1:
                raise _beside_splits(self.where.joinpath(*stray), self.who)
            raise self._error(
                f"{self.where}: folder {splits[0]} is named like a split, folder {stray[0]} is not", ["class", "class/subject"]
            )
        return bool(splits) and depth > 1

    def _refuse_depths(self, dirs: set[Dirs], depth: int, found: Sequence[str]) -> None:
        """Raise DataError if some files lie deeper than others."""
        if (deepest := max(dirs, key=len)) and len(deepest) > depth:
            flat = min(parts for parts in dirs if len(parts) == depth)
            first = SUBJECT if self.labels else CLASS
            levels = [_filled(found, [i for i in range(depth) if not found[i]], first)]
            what = f"{self.where}: files lie in {'/'.join(flat)} and deeper, in {'/'.join(deepest)}"
            raise self._error(what, levels, " to ignore the deeper folders, or move the files to one depth")

    @staticmethod
    def _is_empty(dirs: set[Dirs], level: int, found: Sequence[str]) -> bool:
        """Whether a level says nothing: each split has one folder there, or each folder has the name of the one around it."""
        names: dict[str, set[str]] = {}
        for parts in dirs:
            names.setdefault(parts[0] if found[0] == SPLIT else "", set()).add(same_name(parts[level]))
        inner = level > 0 and not found[level - 1]
        return all(len(n) == 1 for n in names.values()) or (
            inner and all(same_name(p[level]) == same_name(p[level - 1]) for p in dirs)
        )

    def _two(self, dirs: set[Dirs], at: Sequence[int], names: Sequence[set[str]], found: Sequence[str]) -> tuple[str, str]:
        """Return the meaning of two levels: class and subject in one order, if the names of one of them are those of subjects."""
        self._refuse_named(names, found)
        above, below = (_are_subjects(level) for level in names)
        if below and not above:
            return CLASS, SUBJECT
        if above and not below:
            return SUBJECT, CLASS
        raise self.ambiguous(names, {(parts[at[0]], parts[at[1]]) for parts in dirs}, found)

    def _one(self, names: set[str], found: Sequence[str]) -> str:
        """Return the meaning of a single level: the class, or the subject if file names give the class."""
        labels = {label for _, label in self.labels}
        if not self.labels or (not _are_subjects(names) and len(labels) < 2):
            return CLASS
        if _are_subjects(names) or len(names) == 1 or (self._recurring() and len(labels) <= len(names)):
            return SUBJECT
        if "" in labels:  # a number is no class
            return CLASS
        what = (
            f"{self.where} can be read as class (classes: {len(names):,} {_some(names)}) or, with the classes in the file names, "
        )
        prefix = "split/" if SPLIT in found else ""
        raise self._error(f"{what}as subject (classes: {len(labels):,} {_some(labels)})", [prefix + CLASS, prefix + SUBJECT])

    def _recurring(self) -> bool:
        """Whether file names give several classes, most of them in several folders."""
        counts = Counter(label for _, label in self.labels)
        return len(counts) > 1 and "" not in counts and 2 * sum(count > 1 for count in counts.values()) > len(counts)

    def _refuse_named(self, names: Sequence[set[str]], found: Sequence[str]) -> None:
        """Raise DataError if classes may be in the file names as well as in one of two levels of folders."""
        if self._recurring():
            labels = {label for _, label in self.labels}
            prefix = "split/" if SPLIT in found else ""
            what = f"{self.where}: classes may be {_some(names[0])}, {_some(names[1])} or, by the file names, {_some(labels)}"
            raise self._error(what, [prefix + layout for layout in ("class/subject", "subject/class", "subject", "*/subject")])

    def ambiguous(self, names: Sequence[set[str]], pairs: set[tuple[str, str]], found: Sequence[str]) -> DataError:
        """Return the error for two levels that may be class and subject, subject and class, or domain and class."""
        prefix = "split/" if SPLIT in found else ""
        some = [f"{len(n):,} {_some(n)}" for n in names]
        parents = [below for _, below in pairs]
        if len(parents) == len(set(parents)):
            what = f"{self.where} can be read as class (classes: {some[0]}), as */class (classes: {some[1]}) or as class/subject"
            return self._error(what, [prefix + layout for layout in ("class", "*/class", "class/subject")])
        what = f"{self.where} can be read as class/subject (classes: {some[0]}) or as subject/class (classes: {some[1]})"
        domain = (
            ""
            if prefix
            else f', or, if {_some(names[0], 2)} are domains, declare each by itself: path = "{self.where / min(names[0])}"'
        )
        return self._error(what, [prefix + layout for layout in ("class/subject", "subject/class")], domain)


def _are_subjects(names: Iterable[str]) -> bool:
    return all(_SUBJECT.fullmatch(name) for name in names)


def _filled(found: Sequence[str], unknown: Sequence[int], *meanings: str) -> str:
    """Return the option in which the first unknown levels have these meanings, and the others none."""
    levels = [level or ANY for level in found]
    for level, meaning in zip(unknown, meanings, strict=False):
        levels[level] = meaning
    while levels[-1] == ANY:
        levels.pop()
    return "/".join(levels)


def _some(names: Collection[str], most: int = _SHOWN) -> str:
    shown = sorted(names)[:most]
    return ", ".join(shown) + (" ..." if len(names) > most else "")


def shared_text(splits: Sequence[str], groups: Iterable[object]) -> str:
    """Return a warning if groups are in several splits. Both arguments have one item for each file."""
    several: dict[object, set[str]] = {}
    for split, group in zip(splits, groups, strict=True):
        several.setdefault(group, set()).add(split)
    count = sum(len(found) > 1 for found in several.values())
    return f"; {count} groups are in more than one split" if count else ""


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
