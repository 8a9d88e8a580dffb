"""Base class of datasets that are read from files, and the lines of their lists."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from dabench import DataError, Dataset
from dabench.data.archives import form_of
from dabench.storage.paths import cache_folder

_ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z"}


class RawFiles(Dataset):
    """A dataset read from files. Options may set short name, license and citation; errors name the dataset.

    Attributes:
        aliases: name of the raw folder, or of a file, domain or class in it -> the other names under which it circulates; "." ->
            folders below the raw folder in which the files may lie.
    """

    name = ""
    aliases: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        for fact in ("short_name", "license", "citation"):
            setattr(self, fact, getattr(self.options, fact, "") or getattr(self, fact))

    @property
    def who(self) -> str:
        """The name of the dataset in messages."""
        return f"dataset '{self.name}'"

    @property
    def work_folder(self) -> Path:
        """A folder for intermediate results of `prepare`: the one that dabench sets, else one in its cache."""
        return self.work or cache_folder() / ".clips"

    def names_of(self, name: str) -> tuple[str, ...]:
        """Return a name and its aliases, the name first."""
        return (name, *self.aliases.get(name, ()))

    def raw_in(self, data: Path) -> Path:
        """Return the folder of the raw files below `data`: the only one with this name in any spelling, or with an alias."""
        folder = super().raw_in(data)
        wanted, there = {plain(name) for name in self.names_of(folder.name)}, []
        if not os.path.lexists(folder):
            with contextlib.suppress(OSError):  # what cannot be listed is reported when it is read
                there = [path for path in data.iterdir() if plain(path.name) in wanted and path.is_dir()]
        return there[0] if len(there) == 1 else folder

    def error(self, what: str) -> DataError:
        """Return a DataError about the files."""
        return DataError(f"{self.who}: {what}")

    def refusal(self, *what: object) -> DataError:
        """Return a DataError about the files that ends with how to get them."""
        return self.error(f"{' '.join(map(str, what))}. {self.download_instructions}")

    def missing(self, root: Path) -> DataError:
        """Return the DataError for a folder or zip without raw files; archives that lie in the folder are named."""
        packed = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in _ARCHIVES and form_of(path)]
        named = ", ".join(str(path.relative_to(root)) for path in packed[:3])
        return self.refusal(f"its raw files are not in {root}{f'; unpack {named} there first' if packed else ''}")


def plain(name: str) -> str:
    """Return a name without case, blanks and punctuation, for comparison."""
    return re.sub(r"[\W_]", "", name.lower())


def numbered_lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of a list with their numbers, without blanks around them; empty lines are left out."""
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        if line.strip():
            yield number, line.strip()
