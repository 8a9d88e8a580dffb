"""Read the meaning of folder levels from the names of the folders, or raise an error that shows every reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from dabench.data.folder_names import ANY, CLASS, SPLIT, SUBJECT, Dirs, are_subjects, listed, same_name, split_of
from dabench.errors import DataError


def guessed_levels(
    dirs: set[Dirs], labels: set[tuple[Dirs, str]], labelled: bool, inside: PurePosixPath, root: Path, who: str
) -> tuple[str, ...]:
    """Return the levels of these paths of folders inside `inside`, by their names."""
    if not labelled:
        return _unlabelled(dirs, root / inside, who)
    levels = _Guess(root / inside, who, labels).levels(dirs)
    names = {parts[0] for parts in dirs}
    if inside.parts and levels == (CLASS,) and are_subjects(names):
        what = f"{root}: {inside} is a folder around everything, or a class with the subjects {listed(names)}"
        raise DataError(f'{who}: {what}; set layout = "class" or layout = "class/subject"')
    return levels


def _unlabelled(dirs: set[Dirs], where: Path, who: str) -> tuple[str, ...]:
    """Return the levels of images without labels: only a split, if the outermost folders name splits."""
    if not any(split_of(parts[0]) for parts in dirs if parts):
        _refuse_deep_splits([parts for parts in dirs if len(parts) > 1], 1, where, who)
        return ()
    if stray := [parts for parts in dirs if not parts or not split_of(parts[0])]:
        raise beside_splits(where.joinpath(*stray[0]), who)
    return (SPLIT,)


def beside_splits(path: Path, who: str) -> DataError:
    """Return the error for a file or folder beside the folders of the splits."""
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
                raise beside_splits(self.where.joinpath(*stray), self.who)
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
        above, below = (are_subjects(level) for level in names)
        if below and not above:
            return CLASS, SUBJECT
        if above and not below:
            return SUBJECT, CLASS
        raise self.ambiguous(names, {(parts[at[0]], parts[at[1]]) for parts in dirs}, found)

    def _one(self, names: set[str], found: Sequence[str]) -> str:
        """Return the meaning of a single level: the class, or the subject if file names give the class."""
        labels = {label for _, label in self.labels}
        if not self.labels or (not are_subjects(names) and len(labels) < 2):
            return CLASS
        if are_subjects(names) or len(names) == 1 or (self._recurring() and len(labels) <= len(names)):
            return SUBJECT
        if "" in labels:  # a number is no class
            return CLASS
        what = f"{self.where} can be read as class (classes: {len(names):,} {listed(names)}) or, with the classes in the file "
        prefix = "split/" if SPLIT in found else ""
        raise self._error(
            f"{what}names, as subject (classes: {len(labels):,} {listed(labels)})", [prefix + CLASS, prefix + SUBJECT]
        )

    def _recurring(self) -> bool:
        """Whether file names give several classes, most of them in several folders."""
        counts = Counter(label for _, label in self.labels)
        return len(counts) > 1 and "" not in counts and 2 * sum(count > 1 for count in counts.values()) > len(counts)

    def _refuse_named(self, names: Sequence[set[str]], found: Sequence[str]) -> None:
        """Raise DataError if classes may be in the file names as well as in one of two levels of folders."""
        if self._recurring():
            labels = {label for _, label in self.labels}
            prefix = "split/" if SPLIT in found else ""
            what = f"{self.where}: classes may be {listed(names[0])}, {listed(names[1])} or, by the file names, {listed(labels)}"
            raise self._error(what, [prefix + layout for layout in ("class/subject", "subject/class", "subject", "*/subject")])

    def ambiguous(self, names: Sequence[set[str]], pairs: set[tuple[str, str]], found: Sequence[str]) -> DataError:
        """Return the error for two levels that may be class and subject, subject and class, or domain and class."""
        prefix = "split/" if SPLIT in found else ""
        some = [f"{len(n):,} {listed(n)}" for n in names]
        parents = [below for _, below in pairs]
        if len(parents) == len(set(parents)):
            what = f"{self.where} can be read as class (classes: {some[0]}), as */class (classes: {some[1]}) or as class/subject"
            return self._error(what, [prefix + layout for layout in ("class", "*/class", "class/subject")])
        what = f"{self.where} can be read as class/subject (classes: {some[0]}) or as subject/class (classes: {some[1]})"
        domain = (
            ""
            if prefix
            else f', or, if {listed(names[0], 2)} are domains, declare each by itself: path = "{self.where / min(names[0])}"'
        )
        return self._error(what, [prefix + layout for layout in ("class/subject", "subject/class")], domain)


def _filled(found: Sequence[str], unknown: Sequence[int], *meanings: str) -> str:
    """Return the option in which the first unknown levels have these meanings, and the others none."""
    levels = [level or ANY for level in found]
    for level, meaning in zip(unknown, meanings, strict=False):
        levels[level] = meaning
    while levels[-1] == ANY:
        levels.pop()
    return "/".join(levels)
